import type { DType } from "../core/named-arrays.js";
import { elementCount } from "../core/named-arrays.js";
import { roundHalfEven } from "../core/rounding.js";
import { dtypeOf } from "../formats/onnx/tensor.js";
import { intAttribute } from "../graph/attributes.js";
import { type Tensor64, tensor64 } from "../graph/evaluate/tensor64.js";
import type { Dimension } from "../graph/graph.js";
import { axisAttribute, vectorOf } from "../graph/operator/checks.js";
import { describe, type NodeContext, type Operator, refuse, type Shape } from "../graph/operator/operator.js";
import { floats, signature } from "../graph/operator/signature.js";

const limits: Partial<Record<DType, readonly [number, number]>> = {
  u8: [0, 255],
  i8: [-128, 127],
  u16: [0, 65535],
  i16: [-32768, 32767],
};

/** Lowest and highest number of a type that is quantized to. */
export const quantizedRange = (dtype: DType): readonly [number, number] | undefined => limits[dtype];

export const saturated = (x: number, [low, high]: readonly [number, number]): number =>
  Math.min(high, Math.max(low, x));

/** float32's smallest number of full precision: what is divided by less is infinite soon. */
const smallestNormal = 2 ** -126;

/** @throws ShapeError for scales that are no finite positive numbers of full precision: nothing can be told of what they quantize */
export function checkScales(context: Pick<NodeContext, "node">, values: Iterable<Dimension>): void {
  for (const value of values) {
    if (typeof value === "string" || (value >= smallestNormal && value <= largestFloat)) continue;
    const received = value > 0 && value < smallestNormal ? `${value} (subnormal)` : `${value}`;
    refuse(context, "scales that are finite, above 0 and normal", received);
  }
}

/** The largest that float32 holds. */
const largestFloat = (2 - 2 ** -23) * 2 ** 127;

/** A zero point of int32 is 0 by definition. @throws ShapeError */
export function checkZero(
  context: Pick<NodeContext, "node">,
  zero: Pick<Tensor64, "dtype" | "data"> | undefined,
): void {
  const wrong = zero?.dtype === "i32" ? zero.data.find((value) => value !== 0) : undefined;
  if (wrong !== undefined) refuse(context, "0 as zero point of int32", `${wrong}`);
}

/**
 * Checks scale and zero point: one number, one for each element of an axis (since version 13), or one for each block of `block_size` elements along
 * it (since version 21).
 */
function checkScale(context: NodeContext): void {
  const { node, version } = context;
  const block = version < 21 ? 0 : intAttribute(node, "block_size", 0);
  const [x, scale, zero] = [0, 1, 2].map((i) => context.shape(i));
  const one = (shape: typeof scale): boolean =>
    shape !== undefined && elementCount(shape.map(Number)) === 1 && shape.length <= 1;
  if (block < 0) refuse(context, "a block_size from 0", `${block}`);
  checkScales(context, context.contents(1) ?? []);
  if (x && scale && block > 0) checkBlocks(context, x, scale, block);
  else if (x && scale && !one(scale)) {
    if (version < 13) refuse(context, "one scale (operator set below 13)", describe(scale));
    vectorOf(context, 1, "a scale", x[axisAttribute(context, "axis", 1, x.length)]);
  }
  if (scale && zero && `${scale}` !== `${zero}` && !(one(scale) && one(zero)))
    refuse(context, `a zero point of shape ${describe(scale)}`, describe(zero));
}

function checkBlocks(context: NodeContext, x: Shape, scale: Shape, block: number): void {
  const axis = axisAttribute(context, "axis", 1, x.length);
  const wanted = x.map((size, at) => (at === axis && typeof size === "number" ? Math.ceil(size / block) : size));
  const fits =
    scale.length === x.length &&
    wanted.every((size, at) => size === scale[at] || typeof size === "string" || typeof scale[at] === "string");
  if (!fits) refuse(context, `a scale of shape ${describe(wanted)} for blocks of ${block}`, describe(scale));
}

/** The scale and zero point of each element. */
function each(
  call: NodeContext,
  x: Tensor64,
  scale: Tensor64,
  zero: Tensor64 | undefined,
): (i: number) => { scale: number; zero: number } {
  checkScales(call, scale.data);
  checkZero(call, zero);
  const block = call.version < 21 ? 0 : intAttribute(call.node, "block_size", 0);
  if (scale.data.length === 1 && block === 0) return () => ({ scale: scale.data[0], zero: zero?.data[0] ?? 0 });
  const axis = axisAttribute(call, "axis", 1, x.shape.length);
  const [inner, size] = [elementCount(x.shape.slice(axis + 1)), x.shape[axis]];
  const blocks = block === 0 ? size : scale.shape[axis];
  return (i) => {
    const along = Math.floor(i / inner) % size;
    const outer = Math.floor(i / (inner * size));
    const at = block === 0 ? along : (outer * blocks + Math.floor(along / block)) * inner + (i % inner);
    return { scale: scale.data[at], zero: zero?.data[at] ?? 0 };
  };
}

const quantizeSignature = signature("x:T1 y_scale:T2 y_zero_point?:T3 -> y:T3", {
  T1: [...floats, "i32"],
  T2: [...floats, "i32"],
  T3: ["u8", "i8", "u16", "i16"],
});

/** Attribute output_dtype (since version 21), where it says anything. */
function statedType(context: NodeContext): DType | undefined {
  const code = context.version < 21 ? 0 : intAttribute(context.node, "output_dtype", 0);
  if (code === 0) return undefined;
  const dtype = dtypeOf(code);
  return dtype && limits[dtype]
    ? dtype
    : refuse(context, `output_dtype ${Object.keys(limits).join(", ")}`, `data type ${code}`);
}

/** y = saturate(round(x / scale) + zero point), halves to even; the quotient is float32's, whose last bit decides. */
const quantizeLinear: Operator = {
  name: "QuantizeLinear",
  versions: [10, 13, 19, 21, 23, 24, 25],
  signature: () => quantizeSignature,
  infer(context) {
    checkScale(context);
    const stated = statedType(context);
    const zero = context.node.inputs[2] ? context.dtype(2) : undefined;
    if (stated && zero && stated !== zero) refuse(context, `output_dtype ${zero}, as the zero point has it`, stated);
    return [context.shape(0)];
  },
  dtypes: (context) => [context.node.inputs[2] ? context.dtype(2) : (statedType(context) ?? "u8")],
  evaluate: (call) => {
    const [x, scale, zero] = call.inputs;
    const dtype = zero?.dtype ?? statedType(call) ?? "u8";
    const own = each(call, x!, scale!, zero);
    return [
      tensor64(
        x!.shape,
        x!.data.map((v, i) => saturated(roundHalfEven(Math.fround(v / own(i).scale)) + own(i).zero, limits[dtype]!)),
        dtype,
      ),
    ];
  },
};

const dequantizeSignature = signature("x:T1 x_scale:T2 x_zero_point?:T1 -> y:T2", {
  T1: ["i8", "u8", "i16", "u16", "i32"],
  T2: floats,
});

/** y = (x − zero point) · scale. */
const dequantizeLinear: Operator = {
  name: "DequantizeLinear",
  versions: [10, 13, 19, 21, 23, 24, 25],
  signature: () => dequantizeSignature,
  infer(context) {
    checkScale(context);
    return [context.shape(0)];
  },
  evaluate: (call) => {
    const [x, scale, zero] = call.inputs;
    const own = each(call, x!, scale!, zero);
    return [
      tensor64(
        x!.shape,
        x!.data.map((v, i) => (v - own(i).zero) * own(i).scale),
        scale!.dtype,
      ),
    ];
  },
};

const dynamicSignature = signature("x:f32 -> y:u8 y_scale:f32 y_zero_point:u8");

/** As QuantizeLinear by the value's own range, widened to hold 0. */
const dynamicQuantizeLinear: Operator = {
  name: "DynamicQuantizeLinear",
  versions: [11],
  signature: () => dynamicSignature,
  infer: (context) => [context.shape(0), [], []],
  evaluate: ({ inputs: [x] }) => {
    const low = x!.data.reduce((a, b) => Math.min(a, b), 0);
    const high = x!.data.reduce((a, b) => Math.max(a, b), 0);
    const scale = Math.fround((high - low) / 255) || 1;
    const zero = saturated(roundHalfEven(Math.fround(-low / scale)), [0, 255]);
    const y = x!.data.map((v) => saturated(roundHalfEven(Math.fround(v / scale)) + zero, [0, 255]));
    return [
      tensor64(x!.shape, y, "u8"),
      tensor64([], Float64Array.of(scale), "f32"),
      tensor64([], Float64Array.of(zero), "u8"),
    ];
  },
};

export const quantizeOperators: readonly Operator[] = [quantizeLinear, dequantizeLinear, dynamicQuantizeLinear];
