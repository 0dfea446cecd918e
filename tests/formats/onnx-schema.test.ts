import { describe, expect, test } from "vitest";
import { bytesPerElement, type DType, type NamedArray, storageConstructor } from "#repvgg/core/named-arrays.js";
import {
  attributeSchema,
  attributeType,
  dataType,
  emptyAttribute,
  emptyTensor,
  modelSchema,
  type TensorProto,
} from "#repvgg/formats/onnx/proto.js";
import type { Kind, Schema } from "#repvgg/formats/onnx/schema.js";
import { arrayToTensor, dtypeOf, tensorToArray } from "#repvgg/formats/onnx/tensor.js";
import { messages } from "./onnx-oracle.js";

/** All messages that can be reached, by name. */
function reachable(schema: Schema, found = new Map<string, Schema>()): Map<string, Schema> {
  if (found.has(schema.name)) return found;
  found.set(schema.name, schema);
  for (const { kind } of schema.fields) if (typeof kind === "function") reachable(kind(), found);
  return found;
}

const oracleName = (schema: Schema): string => schema.name.replace(/^TypeProto\./, "");
const snakeCase = (name: string): string => name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
const oracleType = (kind: Kind): string =>
  typeof kind === "function" ? oracleName(kind()) : ({ size: "int64", data: "bytes" }[kind as string] ?? kind);

describe("the schema", () => {
  const schemas = [...reachable(modelSchema).values()];

  test("reaches every message that graphs are made of", () => {
    expect(schemas.map(oracleName).sort()).toEqual([
      ...[
        "AttributeProto",
        "Dimension",
        "FunctionProto",
        "GraphProto",
        "ModelProto",
        "NodeProto",
        "OperatorSetIdProto",
      ],
      ...["StringStringEntryProto", "Tensor", "TensorProto", "TensorShapeProto", "TypeProto", "ValueInfoProto"],
    ]);
    expect(schemas).toContain(attributeSchema);
  });

  test.each(schemas.map((schema) => [schema.name, schema] as const))(
    "has %s's numbers and types from onnx.proto",
    (_, schema) => {
      const wanted = messages[oracleName(schema)]!;
      for (const field of schema.fields) {
        const { number, name, kind, repeated } = field;
        expect([name, number, `${repeated ? "*" : ""}${oracleType(kind)}`]).toEqual([
          name,
          ...wanted[snakeCase(name)]!,
        ]);
        expect(schema.byNumber.get(number)).toBe(field);
      }
      expect(schema.byNumber.size).toBe(schema.fields.length);
      expect(schema.fields.map(({ number }) => number)).toEqual(
        schema.fields.map(({ number }) => number).sort((a, b) => a - b),
      );
    },
  );

  test("knows every field but those of which it keeps the bytes", () => {
    const kept = /^(metadata_props|tp|sequence_type|denotation)$/;
    for (const schema of schemas) {
      const names = schema.fields.map(({ name }) => snakeCase(name));
      for (const name of Object.keys(messages[oracleName(schema)]!))
        if (!kept.test(name)) expect(names).toContain(name);
    }
  });

  test("has the numbers of onnx.proto's enumerations", () => {
    expect(attributeType).toEqual({
      ...{ float: 1, int: 2, string: 3, tensor: 4, graph: 5, floats: 6, ints: 7, strings: 8, tensors: 9, graphs: 10 },
    });
    expect(dataType).toEqual({
      ...{
        f32: 1,
        u8: 2,
        i8: 3,
        u16: 4,
        i16: 5,
        i32: 6,
        i64: 7,
        bool: 9,
        f16: 10,
        f64: 11,
        u32: 12,
        u64: 13,
        bf16: 16,
      },
    });
    for (const number of [undefined, 0, 8, 14, 15, 17, 20]) expect(dtypeOf(number)).toBeUndefined();
    for (const [dtype, number] of Object.entries(dataType)) expect(dtypeOf(number)).toBe(dtype);
  });
});

describe("tensors", () => {
  const empty = {
    ...{
      floatData: new Float32Array(0),
      int32Data: new Int32Array(0),
      stringData: [],
      int64Data: new BigInt64Array(0),
    },
    ...{ doubleData: new Float64Array(0), uint64Data: new BigUint64Array(0), externalData: [] },
  };

  test("new ones have nothing but what they are given", () => {
    expect(emptyTensor).toEqual(empty);
    expect(emptyAttribute).toEqual({
      ...{ floats: new Float32Array(0), ints: new BigInt64Array(0), strings: [], tensors: [], graphs: [] },
    });
    const array: NamedArray = { dtype: "i16", shape: [2, 1], data: Int16Array.of(-2, 3) };
    expect(arrayToTensor("x", array)).toEqual({
      ...{ ...empty, name: "x", dims: [2, 1], dataType: 5, rawData: Uint8Array.of(0xfe, 0xff, 3, 0) },
    });
  });

  /** Where onnx.proto says that a type's elements stand, and 1, 2, 3 as bits of that type. */
  const typedField: Record<DType, keyof TensorProto> = {
    ...({
      f32: "floatData",
      f64: "doubleData",
      i64: "int64Data",
      u64: "uint64Data",
      u32: "uint64Data",
      i32: "int32Data",
    } as const),
    ...({
      i16: "int32Data",
      i8: "int32Data",
      u8: "int32Data",
      bool: "int32Data",
      u16: "int32Data",
      f16: "int32Data",
      bf16: "int32Data",
    } as const),
  };

  test.each(Object.keys(dataType) as DType[])(
    "of %s are read from raw bytes and from the field of their type",
    (dtype) => {
      const data = new storageConstructor[dtype](3);
      for (let i = 0; i < 3; i++)
        data[i] = data instanceof BigInt64Array || data instanceof BigUint64Array ? BigInt(i + 1) : i + 1;
      const array = { dtype, shape: [3, 1], data } as NamedArray;
      const raw = arrayToTensor("x", array);
      expect((raw.rawData as Uint8Array).length).toBe(3 * bytesPerElement[dtype]);
      expect(tensorToArray(raw)).toEqual(array);
      const field = typedField[dtype];
      const list = emptyTensor[field as keyof typeof emptyTensor].constructor as unknown as {
        from(values: unknown[]): unknown;
      };
      const wide = field === "int64Data" || field === "uint64Data";
      const typed = {
        ...emptyTensor,
        name: "x",
        dims: [3, 1],
        dataType: dataType[dtype],
        [field]: list.from(wide ? [1n, 2n, 3n] : [1, 2, 3]),
      };
      expect(tensorToArray(typed as TensorProto)).toEqual(array);
      for (const dims of [[4], [2]]) {
        expect(() => tensorToArray({ ...raw, dims })).toThrow(/ bytes for tensor "x", as its shape says, received/);
        expect(() => tensorToArray({ ...typed, dims } as TensorProto)).toThrow(
          / elements for tensor "x", as its shape says, received 3/,
        );
      }
      expect(tensorToArray({ ...raw, dataLocation: 0 })).toEqual(array);
      expect(() => tensorToArray({ ...raw, dataLocation: 1 })).toThrow(/a reference to another file/);
    },
  );
});
