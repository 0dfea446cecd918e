import { elementCount } from "../core/named-arrays.js";
import { roundHalfEven } from "../core/rounding.js";
import { broadcast } from "../graph/evaluate/broadcast.js";
import { type Tensor64, tensor64 } from "../graph/evaluate/tensor64.js";
import type { GraphNode } from "../graph/graph.js";
import { scalar } from "../graph/operator/checks.js";
import { describe, type NodeCall, type NodeContext, type Operator, refuse } from "../graph/operator/operator.js";
import { floats, signature } from "../graph/operator/signature.js";
import { conv } from "./conv.js";
import { matrixProduct } from "./matrix.js";
import { checkScales, quantizedRange, saturated } from "./quantize.js";

/** Which operands of an integer operator are which of the floating-point one's that it is. */
interface Places {
  /** The factors, and a bias. */
  readonly of: readonly number[];
  /** Of each factor. */
  readonly zeros: readonly number[];
}

/** The same node as the floating-point operator sees it. */
function seenAs<T extends NodeContext>(context: T, { of }: Places): T {
  const inputs = of.map((place) => context.node.inputs[place] ?? "");
  const last = inputs.findLastIndex((name) => name !== "");
  const node: GraphNode = { ...context.node, inputs: inputs.slice(0, last + 1) };
  return {
    ...context,
    node,
    shape: (input: number) => context.shape(of[input]),
    dtype: (input: number) => context.dtype(of[input]),
    contents: (input: number) => context.contents(of[input]),
  };
}

/**
 * A factor's scale or zero point: one number, or one for each row of the left factor, column of the right one, output channel of a weight.
 * @param axis of these in the factor, from the end
 */
function checkPerAxis(context: NodeContext, factor: number, place: number, name: string, axis: number): void {
  const [x, given] = [context.shape(factor), context.shape(place)];
  if (!x || !given || given.every((size) => size === 1)) return;
  const size = x.at(axis);
  const own = given.length === 1 ? given[0] : given.at(axis);
  const others =
    given.length === 1 ? [] : given.filter((_, at) => at !== given.length + axis && at >= given.length - 2);
  const fits = own === size || typeof own === "string" || typeof size === "string";
  if (!fits || others.some((other) => other !== 1))
    refuse(context, `one number, or ${size} of them, as ${name}`, describe(given));
}

/** Numbers of {@link checkPerAxis} in a shape that broadcasts to the factor. */
function along(values: Tensor64 | undefined, factor: Tensor64, axis: number): Tensor64 {
  if (!values || values.data.length === 1) return tensor64([], Float64Array.of(values?.data[0] ?? 0));
  if (values.shape.length > 1 || factor.shape.length === 1) return values;
  const shape = factor.shape.map((_, at) => (at === factor.shape.length + axis ? values.data.length : 1));
  return tensor64(shape, values.data);
}

/** Whole numbers less their zero points. */
const centred = (x: Tensor64, zero: Tensor64 | undefined, axis: number): Tensor64 =>
  broadcast(x, along(zero, x, axis), "f64", (value, offset) => value - offset);

/** Axes of the zero points (and scales) of both factors. */
const rowsAndColumns = [-2, -1] as const;

function productOf(call: NodeCall, as: Operator, places: Places, axes: readonly [number, number]): Tensor64 {
  const inputs = places.of.map((place) => call.inputs[place]);
  const factors = [0, 1].map((i) => centred(inputs[i]!, call.inputs[places.zeros[i]], axes[i]));
  const bias = inputs[2] && { ...inputs[2], dtype: "f64" as const };
  const seen = seenAs(call, places);
  return as.evaluate!({ ...seen, inputs: bias ? [...factors, bias] : factors, outputShapes: call.outputShapes })[0];
}

const eight = { T1: ["i8", "u8"], T2: ["i8", "u8"], T3: ["i8", "u8"] } as const;
const matMulIntegerSignature = signature("A:T1 B:T2 a_zero_point?:T1 b_zero_point?:T2 -> Y:i32", eight);
const matMulPlaces: Places = { of: [0, 1], zeros: [2, 3] };

/** (A − zero point) · (B − zero point), exactly. */
const matMulInteger: Operator = {
  name: "MatMulInteger",
  versions: [10],
  signature: () => matMulIntegerSignature,
  infer(context) {
    checkPerAxis(context, 0, 2, "a_zero_point", -2);
    checkPerAxis(context, 1, 3, "b_zero_point", -1);
    return matrixProduct.infer(seenAs(context, matMulPlaces));
  },
  evaluate: (call) => [{ ...productOf(call, matrixProduct, matMulPlaces, rowsAndColumns), dtype: "i32" }],
};

const convIntegerSignature = signature("x:T1 w:T2 x_zero_point?:T1 w_zero_point?:T2 -> y:i32", eight);

/** Along the output channels of a weight [O, …]; the input has one zero point. */
const weightAxis = (call: NodeContext, weight: number): readonly [number, number] => [
  0,
  -(call.shape(weight)?.length ?? 4),
];

const convInteger: Operator = {
  name: "ConvInteger",
  versions: [10],
  signature: () => convIntegerSignature,
  infer(context) {
    scalar(context, 2, "x_zero_point");
    checkPerAxis(context, 1, 3, "w_zero_point", weightAxis(context, 1)[1]);
    return conv.infer(seenAs(context, matMulPlaces));
  },
  evaluate: (call) => [{ ...productOf(call, conv, matMulPlaces, weightAxis(call, 1)), dtype: "i32" }],
};

/** y = saturate(round(product · scales / y_scale) + zero point), the factor in float32 as runtimes have it. */
function requantized(
  call: NodeCall,
  product: Tensor64,
  scales: readonly [Tensor64, Tensor64],
  output: { readonly scale: number; readonly zero: number },
): Tensor64 {
  for (const { data } of [...scales, call.inputs[output.scale]!]) checkScales(call, data);
  const factors = broadcast(scales[0], scales[1], "f64", (a, b) =>
    Math.fround(Math.fround(a * b) / call.inputs[output.scale]!.data[0]),
  );
  const zero = call.inputs[output.zero]!;
  const range = quantizedRange(zero.dtype)!;
  return broadcast(product, factors, zero.dtype, (value, factor) =>
    saturated(roundHalfEven(Math.fround(value * factor)) + zero.data[0], range),
  );
}

const qLinearTypes = { ...eight, TS: floats };
const qLinearMatMulSignature = signature(
  "a:T1 a_scale:TS a_zero_point:T1 b:T2 b_scale:TS b_zero_point:T2 y_scale:TS y_zero_point:T3 -> y:T3",
  qLinearTypes,
);
const qLinearMatMulPlaces: Places = { of: [0, 3], zeros: [2, 5] };

const qLinearMatMul: Operator = {
  name: "QLinearMatMul",
  versions: [10, 21],
  signature: () => qLinearMatMulSignature,
  infer(context) {
    for (const place of [1, 2]) checkPerAxis(context, 0, place, place === 1 ? "a_scale" : "a_zero_point", -2);
    for (const place of [4, 5]) checkPerAxis(context, 3, place, place === 4 ? "b_scale" : "b_zero_point", -1);
    scalar(context, 6, "y_scale");
    scalar(context, 7, "y_zero_point");
    return matrixProduct.infer(seenAs(context, qLinearMatMulPlaces));
  },
  evaluate: (call) => {
    const [a, b] = [call.inputs[0]!, call.inputs[3]!];
    const product = productOf(call, matrixProduct, qLinearMatMulPlaces, rowsAndColumns);
    const scales = [along(call.inputs[1], a, -2), along(call.inputs[4], b, -1)] as const;
    return [requantized(call, product, scales, { scale: 6, zero: 7 })];
  },
};

const qLinearConvSignature = signature(
  "x:T1 x_scale:f32 x_zero_point:T1 w:T2 w_scale:f32 w_zero_point:T2 y_scale:f32 y_zero_point:T3 B?:i32 -> y:T3",
  eight,
);
const qLinearConvPlaces: Places = { of: [0, 3, 8], zeros: [2, 5] };

const qLinearConv: Operator = {
  name: "QLinearConv",
  versions: [10],
  signature: () => qLinearConvSignature,
  infer(context) {
    for (const [place, name] of [
      [1, "x_scale"],
      [2, "x_zero_point"],
      [6, "y_scale"],
      [7, "y_zero_point"],
    ] as const)
      scalar(context, place, name);
    for (const place of [4, 5])
      checkPerAxis(context, 3, place, place === 4 ? "w_scale" : "w_zero_point", weightAxis(context, 3)[1]);
    return conv.infer(seenAs(context, qLinearConvPlaces));
  },
  evaluate: (call) => {
    const product = productOf(call, conv, qLinearConvPlaces, weightAxis(call, 3));
    const scale = call.inputs[4]!;
    const spatial = product.shape.length - 2;
    const perChannel =
      scale.data.length === 1
        ? tensor64([], scale.data)
        : tensor64([elementCount(scale.shape), ...new Array<number>(spatial).fill(1)], scale.data);
    return [requantized(call, product, [tensor64([], call.inputs[1]!.data), perChannel], { scale: 6, zero: 7 })];
  },
};

/** Products of whole numbers with a zero point each. */
export const integerProductOperators: readonly Operator[] = [convInteger, matMulInteger, qLinearConv, qLinearMatMul];
