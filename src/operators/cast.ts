import type { DType } from "../core/named-arrays.js";
import { dtypeOf } from "../formats/onnx/tensor.js";
import { intAttribute, stringAttribute } from "../graph/attributes.js";
import { mapped } from "../graph/evaluate/broadcast.js";
import { isInteger, type Tensor64, toNamedArray, toTensor64, wholeNumber } from "../graph/evaluate/tensor64.js";
import { type NodeContext, type Operator, refuse } from "../graph/operator/operator.js";
import { all, signature } from "../graph/operator/signature.js";

/** What version 1 of Cast calls them. */
const named: ReadonlyMap<string, DType> = new Map([
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
]);

/** Before version 6 the type was named by a string. */
function targetOf(context: NodeContext): DType {
  const { node, version } = context;
  const stated = version < 6 ? stringAttribute(node, "to", "") : intAttribute(node, "to", 0);
  const found = typeof stated === "string" ? named.get(stated) : dtypeOf(stated);
  return found ?? refuse(context, "a numeric element type as to", `data type ${stated}`);
}

/** To integers numbers lose their fraction (towards zero); to narrow floating-point types they are rounded. */
function castTo(x: Tensor64, dtype: DType): Tensor64 {
  if (dtype === "bool") return mapped(x, (v) => (v === 0 ? 0 : 1), dtype);
  if (isInteger(dtype)) return mapped(x, (v) => wholeNumber(v), dtype);
  // Within float32 values are kept unrounded, as everywhere here; what a narrower type loses is the operator's meaning.
  if (dtype === "f64" || dtype === "f32" || x.dtype === dtype) return mapped(x, (v) => v, dtype);
  return toTensor64(toNamedArray({ ...x, dtype }));
}

const castSignature = signature("input:T1 -> output:T2", { T1: all, T2: all });

export const cast: Operator = {
  name: "Cast",
  versions: [1, 6, 9, 13, 19, 21, 23, 24, 25],
  signature: () => castSignature,
  infer: (context) => {
    targetOf(context);
    return [context.shape(0)];
  },
  dtypes: (context) => [targetOf(context)],
  evaluate: (call) => [castTo(call.inputs[0]!, targetOf(call))],
  contents: (context) => context.contents(0)?.map((x) => (typeof x === "number" ? Math.trunc(x) : x)),
};

const likeSignature = signature("input:T1 target_type:T2 -> output:T2", { T1: all, T2: all });

export const castLike: Operator = {
  name: "CastLike",
  versions: [15, 19, 21, 23, 24, 25],
  signature: () => likeSignature,
  infer: (context) => [context.shape(0)],
  evaluate: ({ inputs: [x, like] }) => [castTo(x!, like!.dtype)],
};
