import type { DType } from "../core/named-arrays.js";
import { elementCount } from "../core/named-arrays.js";
import { roundHalfEven } from "../core/rounding.js";
import { intAttribute } from "../graph/attributes.js";
import { type Tensor64, tensor64 } from "../graph/evaluate/tensor64.js";
import { axisAttribute, vectorOf } from "../graph/operator/checks.js";
import { describe, type NodeContext, type Operator, refuse } from "../graph/operator/operator.js";
import { floats, signature } from "../graph/operator/signature.js";

const limits: Partial<Record<DType, readonly [number, number]>> = {
  u8: [0, 255],
  i8: [-128, 127],
  u16: [0, 65535],
  i16: [-32768, 32767],
};

/** Checks scale and zero point: one number, or one for each element of an axis (since version 13); blocks of them (21) are not read. */
function checkScale(context: NodeContext): void {
  const { node, version } = context;
  if (intAttribute(node, "block_size", 0) !== 0)
    refuse(context, "one scale for each element of an axis", "blocks (block_size)");
  const [x, scale, zero] = [0, 1, 2].map((i) => context.shape(i));
  const one = (shape: typeof scale): boolean =>
    shape !== undefined && elementCount(shape.map(Number)) === 1 && shape.length <= 1;
  if (x && scale && !one(scale)) {
    if (version < 13) refuse(context, "one scale (operator set below 13)", describe(scale));
    vectorOf(context, 1, "a scale", x[axisAttribute(context, "axis", 1, x.length)]);
  }
  if (scale && zero && `${scale}` !== `${zero}` && !(one(scale) && one(zero)))
    refuse(context, `a zero point of shape ${describe(scale)}`, describe(zero));
}

/** The scale and zero point of each element. */
function each(
  call: NodeContext,
  x: Tensor64,
  scale: Tensor64,
  zero: Tensor64 | undefined,
): (i: number) => { scale: number; zero: number } {
  if (scale.data.length === 1) return () => ({ scale: scale.data[0], zero: zero?.data[0] ?? 0 });
  const axis = axisAttribute(call, "axis", 1, x.shape.length);
  const inner = elementCount(x.shape.slice(axis + 1));
  return (i) => {
    const c = Math.floor(i / inner) % x.shape[axis];
    return { scale: scale.data[c], zero: zero?.data[c] ?? 0 };
  };
}

const saturated = (x: number, [low, high]: readonly [number, number]): number => Math.min(high, Math.max(low, x));

const quantizeSignature = signature("x:T1 y_scale:T2 y_zero_point?:T3 -> y:T3", {
  T1: [...floats, "i32"],
  T2: [...floats, "i32"],
  T3: ["u8", "i8", "u16", "i16"],
});

/** y = saturate(round(x / scale) + zero point), halves to even; the quotient is float32's, whose last bit decides. */
const quantizeLinear: Operator = {
  name: "QuantizeLinear",
  versions: [10, 13, 19, 21, 23, 24, 25],
  signature: () => quantizeSignature,
  infer(context) {
    checkScale(context);
    if (intAttribute(context.node, "output_dtype", 0) !== 0) refuse(context, "the zero point's type", "output_dtype");
    return [context.shape(0)];
  },
  dtypes: (context) => [context.node.inputs[2] ? context.dtype(2) : "u8"],
  evaluate: (call) => {
    const [x, scale, zero] = call.inputs;
    const dtype = zero?.dtype ?? "u8";
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
