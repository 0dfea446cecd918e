import { type Schema, schema } from "./schema.js";
import type { StoredBytes } from "./stored-bytes.js";

/**
 * ONNX's messages (onnx.proto, IR version 3 to 12) as plain records, field by field. Fields that are not listed (training
 * information, sparse tensors, annotations) are kept in `unknown` and written back unchanged.
 */
export interface Message {
  /** Fields that we do not interpret, each with its tag, as they stand in the file. */
  readonly unknown?: readonly Uint8Array[];
}

export interface ModelProto extends Message {
  readonly irVersion?: number;
  readonly producerName?: string;
  readonly producerVersion?: string;
  readonly domain?: string;
  readonly modelVersion?: bigint;
  readonly docString?: string;
  readonly graph?: GraphProto;
  readonly opsetImport: readonly OperatorSetIdProto[];
  readonly metadataProps: readonly StringStringEntryProto[];
  readonly functions?: readonly FunctionProto[];
}

/** An operator as a graph of others (IR version 8): `input` and `output` name values of `node`. */
export interface FunctionProto extends Message {
  readonly name?: string;
  readonly domain?: string;
  readonly overload?: string;
  readonly input: readonly string[];
  readonly output: readonly string[];
  /** Names of attributes without a default. */
  readonly attribute: readonly string[];
  /** Attributes with their defaults. */
  readonly attributeProto: readonly AttributeProto[];
  readonly node: readonly NodeProto[];
  readonly opsetImport: readonly OperatorSetIdProto[];
  readonly valueInfo: readonly ValueInfoProto[];
}

export interface OperatorSetIdProto extends Message {
  /** "" or absent: ONNX's own operators. */
  readonly domain?: string;
  readonly version?: number;
}

export interface StringStringEntryProto extends Message {
  readonly key?: string;
  readonly value?: string;
}

export interface GraphProto extends Message {
  readonly node: readonly NodeProto[];
  readonly name?: string;
  readonly initializer: readonly TensorProto[];
  readonly docString?: string;
  readonly input: readonly ValueInfoProto[];
  readonly output: readonly ValueInfoProto[];
  readonly valueInfo: readonly ValueInfoProto[];
}

export interface NodeProto extends Message {
  readonly input: readonly string[];
  readonly output: readonly string[];
  readonly name?: string;
  readonly opType?: string;
  readonly attribute: readonly AttributeProto[];
  readonly docString?: string;
  readonly domain?: string;
  readonly overload?: string;
}

export interface AttributeProto extends Message {
  readonly name?: string;
  readonly f?: number;
  readonly i?: bigint;
  readonly s?: Uint8Array;
  readonly t?: TensorProto;
  readonly g?: GraphProto;
  readonly floats: Float32Array;
  readonly ints: BigInt64Array;
  readonly strings: readonly Uint8Array[];
  readonly tensors: readonly TensorProto[];
  readonly graphs: readonly GraphProto[];
  readonly docString?: string;
  /** {@link attributeType} */
  readonly type?: number;
  readonly refAttrName?: string;
}

export interface TensorProto extends Message {
  readonly dims: readonly number[];
  /** {@link dataType} */
  readonly dataType?: number;
  readonly floatData: Float32Array;
  readonly int32Data: Int32Array;
  readonly stringData: readonly Uint8Array[];
  readonly int64Data: BigInt64Array;
  readonly name?: string;
  readonly rawData?: Uint8Array | StoredBytes;
  readonly doubleData: Float64Array;
  readonly uint64Data: BigUint64Array;
  readonly docString?: string;
  readonly externalData: readonly StringStringEntryProto[];
  /** 1: the data lie in another file, see `externalData`. */
  readonly dataLocation?: number;
}

export interface ValueInfoProto extends Message {
  readonly name?: string;
  readonly type?: TypeProto;
  readonly docString?: string;
}

/** Sequences, maps and optionals stay in `unknown`. */
export interface TypeProto extends Message {
  readonly tensorType?: TensorTypeProto;
  readonly denotation?: string;
}

export interface TensorTypeProto extends Message {
  readonly elemType?: number;
  /** Absent where the rank is unknown. */
  readonly shape?: TensorShapeProto;
}

export interface TensorShapeProto extends Message {
  readonly dim: readonly DimensionProto[];
}

export interface DimensionProto extends Message {
  readonly dimValue?: number;
  readonly dimParam?: string;
}

/** AttributeProto.AttributeType */
export const attributeType = {
  float: 1,
  int: 2,
  string: 3,
  tensor: 4,
  graph: 5,
  floats: 6,
  ints: 7,
  strings: 8,
  tensors: 9,
  graphs: 10,
} as const;

/** TensorProto.DataType, of the types that we have. */
export const dataType = {
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
} as const;

/** What an attribute has besides its name, type and one value; to be spread into new ones. */
export const emptyAttribute = {
  floats: new Float32Array(0),
  ints: new BigInt64Array(0),
  strings: [],
  tensors: [],
  graphs: [],
} as const;

/** What a tensor has besides its name, shape, type and raw data; to be spread into new ones. */
export const emptyTensor = {
  floatData: new Float32Array(0),
  int32Data: new Int32Array(0),
  stringData: [],
  int64Data: new BigInt64Array(0),
  doubleData: new Float64Array(0),
  uint64Data: new BigUint64Array(0),
  externalData: [],
} as const;

const entry = schema("StringStringEntryProto", { key: [1, "string"], value: [2, "string"] });
const opset = schema("OperatorSetIdProto", { domain: [1, "string"], version: [2, "size"] });
const dimension = schema("Dimension", { dimValue: [1, "size"], dimParam: [2, "string"] });
const shape = schema("TensorShapeProto", { dim: [1, () => dimension, "repeated"] });
const tensorType = schema("TypeProto.Tensor", { elemType: [1, "int32"], shape: [2, () => shape] });
const type = schema("TypeProto", { tensorType: [1, () => tensorType], denotation: [6, "string"] });
const valueInfo = schema("ValueInfoProto", { name: [1, "string"], type: [2, () => type], docString: [3, "string"] });

const tensor = schema("TensorProto", {
  dims: [1, "size", "repeated"],
  dataType: [2, "int32"],
  floatData: [4, "float", "repeated"],
  int32Data: [5, "int32", "repeated"],
  stringData: [6, "bytes", "repeated"],
  int64Data: [7, "int64", "repeated"],
  name: [8, "string"],
  rawData: [9, "data"],
  doubleData: [10, "double", "repeated"],
  uint64Data: [11, "uint64", "repeated"],
  docString: [12, "string"],
  externalData: [13, () => entry, "repeated"],
  dataLocation: [14, "int32"],
});

const attribute: Schema = schema("AttributeProto", {
  name: [1, "string"],
  f: [2, "float"],
  i: [3, "int64"],
  s: [4, "bytes"],
  t: [5, () => tensor],
  g: [6, () => graph],
  floats: [7, "float", "repeated"],
  ints: [8, "int64", "repeated"],
  strings: [9, "bytes", "repeated"],
  tensors: [10, () => tensor, "repeated"],
  graphs: [11, () => graph, "repeated"],
  docString: [13, "string"],
  type: [20, "int32"],
  refAttrName: [21, "string"],
});

const node = schema("NodeProto", {
  input: [1, "string", "repeated"],
  output: [2, "string", "repeated"],
  name: [3, "string"],
  opType: [4, "string"],
  attribute: [5, () => attribute, "repeated"],
  docString: [6, "string"],
  domain: [7, "string"],
  overload: [8, "string"],
});

const graph: Schema = schema("GraphProto", {
  node: [1, () => node, "repeated"],
  name: [2, "string"],
  initializer: [5, () => tensor, "repeated"],
  docString: [10, "string"],
  input: [11, () => valueInfo, "repeated"],
  output: [12, () => valueInfo, "repeated"],
  valueInfo: [13, () => valueInfo, "repeated"],
});

const functionMessage = schema("FunctionProto", {
  name: [1, "string"],
  input: [4, "string", "repeated"],
  output: [5, "string", "repeated"],
  attribute: [6, "string", "repeated"],
  node: [7, () => node, "repeated"],
  docString: [8, "string"],
  opsetImport: [9, () => opset, "repeated"],
  domain: [10, "string"],
  attributeProto: [11, () => attribute, "repeated"],
  valueInfo: [12, () => valueInfo, "repeated"],
  overload: [13, "string"],
});

export const modelSchema = schema("ModelProto", {
  irVersion: [1, "size"],
  producerName: [2, "string"],
  producerVersion: [3, "string"],
  domain: [4, "string"],
  modelVersion: [5, "int64"],
  docString: [6, "string"],
  graph: [7, () => graph],
  opsetImport: [8, () => opset, "repeated"],
  metadataProps: [14, () => entry, "repeated"],
  functions: [25, () => functionMessage, "repeated"],
});
export const attributeSchema = attribute;
