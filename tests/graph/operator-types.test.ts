import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import type { DType } from "#repvgg/core/named-arrays.js";
import { float, floats, int, ints, string } from "#repvgg/graph/attributes.js";
import { node } from "#repvgg/graph/build.js";
import type { Dimension } from "#repvgg/graph/graph.js";
import { notUnderstood, operatorOf, operators } from "#repvgg/operators/registry.js";
import { type Attributes, described, infer, type Operand, of, one, whole } from "./infer-case.js";

describe("element types of outputs", () => {
  const cases: readonly (readonly [string, number, readonly Operand[], Attributes, readonly (DType | undefined)[]])[] =
    [
      ["Relu", 17, [of("f16", 2)], {}, ["f16"]],
      ["Relu", 17, [{ shape: [2] }], {}, [undefined]],
      ["Add", 17, [{ shape: [2] }, of("f64", 2)], {}, ["f64"]],
      ["Concat", 17, [{ shape: [2] }, of("u8", 2)], { axis: int(0) }, ["u8"]],
      ["Equal", 17, [[2], [2]], {}, ["bool"]],
      ["IsNaN", 17, [[2]], {}, ["bool"]],
      ["Shape", 17, [[2]], {}, ["i64"]],
      ["ArgMax", 17, [[2]], {}, ["i64"]],
      ["NonZero", 17, [[2]], {}, ["i64"]],
      ["TopK", 17, [of("f16", 3), whole(1)], {}, ["f16", "i64"]],
      ["MaxPool", 17, [of("u8", 1, 1, 2)], { kernel_shape: ints([2]) }, ["u8", "i64"]],
      ["Where", 17, [of("bool", 2), of("i32", 2), of("i32", 2)], {}, ["i32"]],
      ["Cast", 17, [[2]], { to: int(10) }, ["f16"]],
      ...(
        [
          [1, "f32"],
          [2, "u8"],
          [3, "i8"],
          [4, "u16"],
          [5, "i16"],
          [6, "i32"],
          [7, "i64"],
          [9, "bool"],
          [10, "f16"],
          [11, "f64"],
          [12, "u32"],
          [13, "u64"],
          [16, "bf16"],
        ] as const
      ).map(([code, dtype]) => ["Cast", 17, [[2]], { to: int(code) }, [dtype]] as const),
      ...(
        [
          ["FLOAT", "f32"],
          ["UINT8", "u8"],
          ["INT8", "i8"],
          ["UINT16", "u16"],
          ["INT16", "i16"],
          ["INT32", "i32"],
          ["INT64", "i64"],
          ["BOOL", "bool"],
          ["FLOAT16", "f16"],
          ["DOUBLE", "f64"],
          ["UINT32", "u32"],
          ["UINT64", "u64"],
        ] as const
      ).map(([name, dtype]) => ["Cast", 5, [[2]], { to: string(name) }, [dtype]] as const),
      ["CastLike", 17, [[2], of("u8", 1)], {}, ["u8"]],
      ["ConstantOfShape", 17, [whole(2)], {}, ["f32"]],
      ["EyeLike", 17, [of("i32", 2, 2)], {}, ["i32"]],
      ["EyeLike", 17, [of("i32", 2, 2)], { dtype: int(11) }, ["f64"]],
      ["QuantizeLinear", 17, [[2], [1]], {}, ["u8"]],
      ["QuantizeLinear", 17, [[2], [1], of("i8", 1)], {}, ["i8"]],
      ["DequantizeLinear", 17, [of("i8", 2), of("f16", 1)], {}, ["f16"]],
      ["DynamicQuantizeLinear", 17, [[2]], {}, ["u8", "f32", "u8"]],
      ["Dropout", 9, [of("f16", 2)], {}, ["f16", "f16"]],
      ["Dropout", 10, [of("f16", 2)], {}, ["f16", "bool"]],
      ["LayerNormalization", 17, [of("f16", 2), of("f16", 2)], {}, ["f16", "f32", "f32"]],
      ["RMSNormalization", 23, [of("f16", 2), [2]], {}, ["f32"]],
      ["OneHot", 17, [of("i64", 2), one(2), of("u8", 2)], {}, ["u8"]],
      ["BatchNormalization", 14, [of("f16", 1, 2), of("f16", 2), of("f16", 2), [2], [2]], {}, ["f16", "f32", "f32"]],
      ["Constant", 17, [], { value_int: int(3) }, ["i64"]],
      ["Constant", 17, [], { value_ints: ints([3]) }, ["i64"]],
      ["Constant", 17, [], { value_float: float(3) }, ["f32"]],
      ["Constant", 17, [], { value_floats: floats([3]) }, ["f32"]],
      ["Constant", 17, [], { value_string: string("a") }, [undefined]],
    ];
  it.each(cases.map((row, i) => [`${row[0]} ${row[1]}: ${row[4].join(", ")} (${i})`, row] as const))(
    "%s",
    (_, [op, opset, operands, attributes, dtypes]) => {
      const inferred = infer(op, opset, operands, attributes, dtypes.length).dtypes;
      expect(inferred.slice(0, dtypes.length)).toEqual(dtypes);
    },
  );
});

describe("small integer values, sizes by name", () => {
  const cases: readonly (readonly [
    string,
    number,
    readonly Operand[],
    Attributes,
    readonly Dimension[] | undefined,
  ])[] = [
    ["Add", 17, [whole("n", 2), whole(0, 3)], {}, ["n", 5]],
    ["Add", 17, [whole(0, 2), whole("n", 3)], {}, ["n", 5]],
    ["Add", 17, [whole("n"), whole(1)], {}, undefined],
    ["Add", 17, [whole(1, 2, 3), one(4)], {}, [5, 6, 7]],
    ["Add", 17, [one(4), whole(1, 2, 3)], {}, [5, 6, 7]],
    ["Add", 17, [whole(1, 2), whole(1, 2, 3)], {}, undefined],
    ["Sub", 17, [whole("n", 7), whole(0, 3)], {}, ["n", 4]],
    ["Sub", 17, [whole(0), whole("n")], {}, undefined],
    ["Mul", 17, [whole("n", 7), whole(1, 3)], {}, ["n", 21]],
    ["Mul", 17, [whole(1), whole("n")], {}, ["n"]],
    ["Div", 17, [whole("n", 7, -7), whole(1, 2, 2)], {}, ["n", 3, -3]],
    ["Div", 17, [whole(1), whole("n")], {}, undefined],
    ["Identity", 17, [whole("n", 2)], {}, ["n", 2]],
    ["Cast", 17, [{ dtype: "f32", shape: [3], contents: ["n", 2.7, -2.7] }], { to: int(7) }, ["n", 2, -2]],
    ["Reshape", 17, [whole("n", 2), whole(-1)], {}, ["n", 2]],
    ["Squeeze", 17, [whole("n"), whole(0)], {}, ["n"]],
    ["Unsqueeze", 17, [one(3), whole(0)], {}, [3]],
    ["Expand", 17, [whole("n"), whole(3)], {}, ["n", "n", "n"]],
    ["Expand", 17, [whole("n"), whole(65)], {}, undefined],
    ["Expand", 17, [whole("n", 2), whole(2)], {}, undefined],
    ["ConstantOfShape", 17, [whole(3)], {}, [0, 0, 0]],
    ["ConstantOfShape", 17, [whole(64)], {}, new Array(64).fill(0)],
    ["ConstantOfShape", 17, [whole(65)], {}, undefined],
    ["ConstantOfShape", 17, [whole(1, 1)], {}, undefined],
    ["ConstantOfShape", 17, [whole("n")], {}, undefined],
    ["Shape", 17, [["n", 3, 4]], {}, ["n", 3, 4]],
    ["Shape", 17, [["n", 3, 4]], { start: int(1) }, [3, 4]],
    ["Shape", 17, [["n", 3, 4]], { start: int(-2), end: int(2) }, [3]],
    ["Size", 17, [[2, 3, 4]], {}, [24]],
    ["Size", 17, [["n", 3]], {}, undefined],
    ["Concat", 17, [whole("n"), whole(2, 3)], { axis: int(0) }, ["n", 2, 3]],
    ["Concat", 17, [whole("n"), of("i64", 2)], { axis: int(0) }, undefined],
    ["Gather", 17, [whole("n", 2, 3), whole(0, -1)], {}, ["n", 3]],
    ["Gather", 17, [whole("n", 2, 3), whole("k")], {}, undefined],
    ["Gather", 17, [whole("n", 2, 3), whole(5)], {}, undefined],
    ["Slice", 17, [whole("n", 2, 3, 4), whole(0), whole(3), whole(0), whole(2)], {}, ["n", 3]],
    ["Slice", 17, [whole("n", 2, 3, 4), whole(-1), whole(-9), whole(0), whole(-2)], {}, [4, 2]],
    ["Slice", 17, [whole("n", 2), of("i64", 1), whole(1)], {}, undefined],
  ];
  it.each(cases.map((row, i) => [`${row[0]}: ${JSON.stringify(row[4])} (${i})`, row] as const))(
    "%s",
    (_, [op, opset, operands, attributes, contents]) => {
      const { operator, context } = described(op, opset, operands, attributes);
      expect(operator.contents!(context)).toEqual(contents);
    },
  );
});

describe("operators by version", () => {
  /** From docs/Operators.md of ONNX 1.23: all versions of each operator, ascending. */
  const sinceVersions: Readonly<Record<string, readonly number[]>> = JSON.parse(
    readFileSync(join(import.meta.dirname, "..", "fixtures", "onnx-since-versions.json"), "utf8"),
  );
  /** Versions that only say that the operator is deprecated. */
  const deprecated: Readonly<Record<string, number>> = { Scatter: 11, Upsample: 10 };

  it("are read from one of ONNX's versions on, and know all later ones", () => {
    expect([...operators.keys()].sort()).toEqual(Object.keys(sinceVersions).sort());
    for (const [name, { versions }] of operators) {
      const later = sinceVersions[name]!.filter((version) => version >= versions[0]! && version !== deprecated[name]);
      expect(versions, name).toEqual(later);
    }
  });

  it("are those of the default operator set where a node does not say, and of ours only", () => {
    expect(operatorOf(node("Softmax", "s", ["x"], ["y"]))?.version).toBe(13);
    expect(operatorOf(node("Dropout", "s", ["x"], ["y"]))?.version).toBe(13);
    expect(operatorOf(node("ReduceMean", "s", ["x"], ["y"]))?.version).toBe(13);
    expect(operatorOf(node("LayerNormalization", "s", ["x"], ["y"]))?.version).toBe(17);
    expect(operatorOf(node("GroupNormalization", "s", ["x"], ["y"]))).toBeUndefined();
    expect(operatorOf(node("Softmax", "s", ["x"], ["y"], {}, 12))?.version).toBe(11);
    expect(operatorOf(node("Softmax", "s", ["x"], ["y"], {}, 99))?.version).toBe(13);
    expect(operatorOf({ ...node("Relu", "s", ["x"], ["y"]), domain: "com.example" })).toBeUndefined();
  });

  it("say why a node is not understood", () => {
    expect(notUnderstood(node("GroupNormalization", "g", ["x"], ["y"], {}, 12))).toEqual({
      expected: "GroupNormalization of operator set 18 or later",
      received: 'operator set 12 ("g")',
    });
    expect(notUnderstood(node("Bernoulli", "b", ["x"], ["y"])).received).toBe('Bernoulli ("b")');
    expect(notUnderstood({ ...node("Relu", "r", ["x"], ["y"]), domain: "ai.example" }).received).toBe(
      'ai.example.Relu ("r")',
    );
  });
});
