import { create, createFileRegistry, type DescMessage, fromBinary, type Message, toBinary } from "@bufbuild/protobuf";
import {
  type FieldDescriptorProto_Label,
  FileDescriptorProtoSchema,
  FieldDescriptorProto_Label as Label,
  FieldDescriptorProto_Type as Type,
} from "@bufbuild/protobuf/wkt";

/**
 * ONNX's messages for @bufbuild/protobuf, written down from onnx.proto independently of the product's schema, and with fields
 * that the product does not know. `*` marks repeated fields.
 */
export const messages: Record<string, Record<string, [number: number, type: string]>> = {
  ModelProto: {
    ir_version: [1, "int64"],
    producer_name: [2, "string"],
    producer_version: [3, "string"],
    domain: [4, "string"],
    model_version: [5, "int64"],
    doc_string: [6, "string"],
    graph: [7, "GraphProto"],
    opset_import: [8, "*OperatorSetIdProto"],
    metadata_props: [14, "*StringStringEntryProto"],
    functions: [25, "*FunctionProto"],
  },
  FunctionProto: {
    name: [1, "string"],
    input: [4, "*string"],
    output: [5, "*string"],
    attribute: [6, "*string"],
    node: [7, "*NodeProto"],
    doc_string: [8, "string"],
    opset_import: [9, "*OperatorSetIdProto"],
    domain: [10, "string"],
    attribute_proto: [11, "*AttributeProto"],
    value_info: [12, "*ValueInfoProto"],
    overload: [13, "string"],
    metadata_props: [14, "*StringStringEntryProto"],
  },
  OperatorSetIdProto: { domain: [1, "string"], version: [2, "int64"] },
  StringStringEntryProto: { key: [1, "string"], value: [2, "string"] },
  GraphProto: {
    node: [1, "*NodeProto"],
    name: [2, "string"],
    initializer: [5, "*TensorProto"],
    doc_string: [10, "string"],
    input: [11, "*ValueInfoProto"],
    output: [12, "*ValueInfoProto"],
    value_info: [13, "*ValueInfoProto"],
    metadata_props: [16, "*StringStringEntryProto"],
  },
  NodeProto: {
    input: [1, "*string"],
    output: [2, "*string"],
    name: [3, "string"],
    op_type: [4, "string"],
    attribute: [5, "*AttributeProto"],
    doc_string: [6, "string"],
    domain: [7, "string"],
    overload: [8, "string"],
    metadata_props: [9, "*StringStringEntryProto"],
  },
  AttributeProto: {
    name: [1, "string"],
    f: [2, "float"],
    i: [3, "int64"],
    s: [4, "bytes"],
    t: [5, "TensorProto"],
    g: [6, "GraphProto"],
    floats: [7, "*float"],
    ints: [8, "*int64"],
    strings: [9, "*bytes"],
    tensors: [10, "*TensorProto"],
    graphs: [11, "*GraphProto"],
    doc_string: [13, "string"],
    tp: [14, "TypeProto"],
    type: [20, "int32"],
    ref_attr_name: [21, "string"],
  },
  TensorProto: {
    dims: [1, "*int64"],
    data_type: [2, "int32"],
    float_data: [4, "*float"],
    int32_data: [5, "*int32"],
    string_data: [6, "*bytes"],
    int64_data: [7, "*int64"],
    name: [8, "string"],
    raw_data: [9, "bytes"],
    double_data: [10, "*double"],
    uint64_data: [11, "*uint64"],
    doc_string: [12, "string"],
    external_data: [13, "*StringStringEntryProto"],
    data_location: [14, "int32"],
  },
  ValueInfoProto: { name: [1, "string"], type: [2, "TypeProto"], doc_string: [3, "string"] },
  TypeProto: { tensor_type: [1, "Tensor"], sequence_type: [4, "Sequence"], denotation: [6, "string"] },
  Tensor: { elem_type: [1, "int32"], shape: [2, "TensorShapeProto"] },
  Sequence: { elem_type: [1, "TypeProto"] },
  TensorShapeProto: { dim: [1, "*Dimension"] },
  Dimension: { dim_value: [1, "int64"], dim_param: [2, "string"], denotation: [3, "string"] },
};

const scalar: Record<string, Type> = {
  int32: Type.INT32,
  int64: Type.INT64,
  uint64: Type.UINT64,
  float: Type.FLOAT,
  double: Type.DOUBLE,
  string: Type.STRING,
  bytes: Type.BYTES,
};

function descriptor(packed: boolean): DescMessage {
  const label = (repeated: boolean): FieldDescriptorProto_Label => (repeated ? Label.REPEATED : Label.OPTIONAL);
  const file = create(FileDescriptorProtoSchema, {
    name: "onnx.proto",
    package: "onnx",
    syntax: "proto2",
    messageType: Object.entries(messages).map(([name, fields]) => ({
      name,
      field: Object.entries(fields).map(([field, [number, spec]]) => {
        const type = spec.replace("*", "");
        const isNumber = type in scalar && type !== "string" && type !== "bytes";
        return {
          name: field,
          number,
          label: label(spec.startsWith("*")),
          ...(type in scalar ? { type: scalar[type]! } : { type: Type.MESSAGE, typeName: `.onnx.${type}` }),
          ...(packed && isNumber && spec.startsWith("*") ? { options: { packed: true } } : {}),
        };
      }),
    })),
  });
  return createFileRegistry(file, () => undefined).getMessage("onnx.ModelProto")!;
}

const unpackedModel = descriptor(false);
const packedModel = descriptor(true);

/** What the independent decoder makes of a model: comparable with `toEqual`. */
export function decodeIndependently(bytes: Uint8Array): Message {
  return fromBinary(unpackedModel, bytes);
}

/** The same model, written by the independent encoder, repeated numbers packed or one by one. */
export function encodeIndependently(bytes: Uint8Array, options: { packed: boolean }): Uint8Array {
  const model = options.packed ? packedModel : unpackedModel;
  return toBinary(model, fromBinary(model, bytes));
}
