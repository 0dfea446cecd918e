import { toFloat64 } from "../../core/named-arrays.js";
import { attribute, floatAttribute, intAttribute } from "../../graph/attributes.js";
import type { Dimension, Graph, GraphNode } from "../../graph/graph.js";
import { windowOf } from "../../graph/window.js";

/** A convolution but for its numbers; a fully connected layer is a 1×1 one. Pairs are (height, width), pads (top, left, bottom, right). */
export interface KernelGeometry {
  readonly outChannels: number;
  readonly inChannels: number;
  readonly groups: number;
  readonly kernelSize: readonly number[];
  readonly strides: readonly number[];
  readonly pads: readonly number[];
  readonly dilations: readonly number[];
}

/** A convolution with its numbers in float64. */
export interface Kernel extends KernelGeometry {
  /** [O, I/groups, kh, kw] */
  readonly weight: Float64Array;
  /** [O] */
  readonly bias: Float64Array;
}

/** The kernel of a Conv, Gemm or MatMul node with constant weights; undefined for any other. */
export function kernelOfNode(
  node: GraphNode,
  constants: Graph["initializers"],
  inputShape?: readonly Dimension[],
): Kernel | undefined {
  if (node.domain !== "") return undefined;
  const [weight, bias] = node.inputs.slice(1).map((name) => constants.get(name));
  if (!weight || (node.inputs[2] && !bias)) return undefined;
  const values = bias && toFloat64(bias);
  if (node.op === "Conv") {
    if (weight.shape.length !== 4) return undefined;
    const [outChannels, groupChannels, ...kernelSize] = weight.shape;
    const groups = intAttribute(node, "group", 1);
    const { strides, dilations, pads } = windowOf(node, kernelSize, inputShape?.slice(2));
    return {
      ...{ outChannels, inChannels: groupChannels * groups, groups, kernelSize, strides, dilations },
      pads: pads ?? [0, 0, 0, 0],
      weight: toFloat64(weight),
      bias: values ?? new Float64Array(outChannels),
    };
  }
  if ((node.op !== "Gemm" && node.op !== "MatMul") || weight.shape.length !== 2) return undefined;
  const transposed = node.op === "Gemm" && intAttribute(node, "transB", 0) === 1;
  const [outChannels, inChannels] = transposed ? weight.shape : weight.shape.toReversed();
  const [alpha, beta] =
    node.op === "Gemm" ? [floatAttribute(node, "alpha", 1), floatAttribute(node, "beta", 1)] : [1, 1];
  const stored = toFloat64(weight);
  return {
    ...{ outChannels, inChannels, groups: 1, ...pointwise },
    weight: stored.map((_, at) => {
      const [o, i] = [Math.floor(at / inChannels), at % inChannels];
      return alpha * stored[transposed ? at : i * outChannels + o];
    }),
    bias: Float64Array.from({ length: outChannels }, (_, o) => beta * (values?.[values.length === 1 ? 0 : o] ?? 0)),
  };
}

/** Geometry of a 1×1 convolution. */
const pointwise = { kernelSize: [1, 1], strides: [1, 1], pads: [0, 0, 0, 0], dilations: [1, 1] };

/** What can be told of a planned convolution before its numbers exist. Its kernel's size is an attribute, or that of its weight in `constants`. */
export function geometryOfNode(
  node: GraphNode,
  shapes: ReadonlyMap<string, readonly Dimension[]>,
  constants: Graph["initializers"],
): KernelGeometry | undefined {
  const [outChannels, inChannels] = [shapes.get(node.outputs[0])?.[1], shapes.get(node.inputs[0])?.[1]];
  if (typeof outChannels !== "number" || typeof inChannels !== "number") return undefined;
  if (node.op !== "Conv") return { outChannels, inChannels, groups: 1, ...pointwise };
  const kernelSize = constants.get(node.inputs[1])?.shape.slice(2) ?? attribute(node, "kernel_shape", "ints");
  if (!kernelSize) return undefined;
  const { strides, dilations, pads } = windowOf(node, kernelSize, shapes.get(node.inputs[0])?.slice(2));
  const groups = intAttribute(node, "group", 1);
  return { outChannels, inChannels, groups, kernelSize, strides, dilations, pads: pads ?? [0, 0, 0, 0] };
}

/** Both map the same channels with the same strides: their kernels can be compared number by number. */
export function comparable(a: KernelGeometry, b: KernelGeometry): boolean {
  const same = (x: readonly number[], y: readonly number[]): boolean => `${x}` === `${y}`;
  return (
    a.outChannels === b.outChannels &&
    a.inChannels === b.inChannels &&
    same(a.strides, b.strides) &&
    (same(a.dilations, b.dilations) || isPointwise(a) || isPointwise(b)) &&
    a.kernelSize.every((size, axis) => b.kernelSize[axis] - size === growth(b, axis) - growth(a, axis))
  );
}

const isPointwise = ({ kernelSize }: KernelGeometry): boolean => kernelSize.every((size) => size === 1);
const growth = ({ pads }: KernelGeometry, axis: number): number => pads[axis] + pads[axis + 2];

/** Two comparable kernels with the same groups and kernel size: zeros where one of them has nothing. */
export function inCommonFrame(a: Kernel, b: Kernel): [Kernel, Kernel] {
  const larger = a.kernelSize[0] * a.kernelSize[1] >= b.kernelSize[0] * b.kernelSize[1] ? a : b;
  const groups = greatestCommonDivisor(a.groups, b.groups);
  const frame = (kernel: Kernel): Kernel => withGroups(withSize(kernel, larger), groups);
  return [frame(a), frame(b)];
}

function withSize(kernel: Kernel, { kernelSize, pads, dilations }: KernelGeometry): Kernel {
  if (`${kernel.kernelSize}` === `${kernelSize}`) return kernel;
  const [height, width] = kernel.kernelSize;
  const [top, left] = [pads[0] - kernel.pads[0], pads[1] - kernel.pads[1]];
  const taps = kernelSize[0] * kernelSize[1];
  const weight = new Float64Array((kernel.weight.length / (height * width)) * taps);
  kernel.weight.forEach((value, at) => {
    const tap = at % (height * width);
    const place = (top + Math.floor(tap / width)) * kernelSize[1] + left + (tap % width);
    weight[Math.floor(at / (height * width)) * taps + place] = value;
  });
  return { ...kernel, kernelSize, pads, dilations, weight };
}

/** The same kernel with fewer groups, which divide its own: zeros between the groups. */
export function withGroups(kernel: Kernel, groups: number): Kernel {
  const { outChannels, inChannels, kernelSize } = kernel;
  if (groups === kernel.groups) return kernel;
  const own = (inChannels / kernel.groups) * kernelSize[0] * kernelSize[1];
  const row = (inChannels / groups) * kernelSize[0] * kernelSize[1];
  const weight = new Float64Array(outChannels * row);
  for (let o = 0; o < outChannels; o++) {
    const group = Math.floor(o / (outChannels / kernel.groups));
    const offset = group % (kernel.groups / groups);
    weight.set(kernel.weight.subarray(o * own, (o + 1) * own), o * row + offset * own);
  }
  return { ...kernel, groups, weight };
}

function greatestCommonDivisor(a: number, b: number): number {
  return b === 0 ? a : greatestCommonDivisor(b, a % b);
}

/** The kernel with each weight moved: `source(o, i, y, x)` is where in [O, I/groups, kh, kw] the new weight is read; −1 is zero. */
export function rearranged(
  kernel: Kernel,
  source: (o: number, i: number, y: number, x: number) => readonly [number, number, number, number] | undefined,
): Kernel {
  const [height, width] = kernel.kernelSize;
  const channels = kernel.inChannels / kernel.groups;
  const weight = new Float64Array(kernel.weight.length);
  for (let at = 0; at < weight.length; at++) {
    const x = at % width;
    const y = Math.floor(at / width) % height;
    const i = Math.floor(at / (width * height)) % channels;
    const from = source(Math.floor(at / (width * height * channels)), i, y, x);
    if (from) weight[at] = kernel.weight[((from[0] * channels + from[1]) * height + from[2]) * width + from[3]];
  }
  return { ...kernel, weight };
}

/** How far two kernels in one frame are apart. */
export interface KernelDistance {
  /** ‖ΔW‖ / ‖W‖ and ‖Δb‖ / max(‖b‖, ‖W‖ / 100), Frobenius; infinite where one side has a number that is not finite. */
  readonly weight: number;
  readonly bias: number;
  /** The larger of the two in multiples of {@link roundingBounds}: up to 1 is float32 rounding. */
  readonly score: number;
}

/**
 * Two float32 folds of the same weights differ by less than this (relative): 16 units in the last place for weights; biases are
 * differences of larger terms (β − tμ, summed over the branches), which costs digits.
 */
export const roundingBounds = { weight: 2 ** -20, bias: 2 ** -17 } as const;

/** Brings both into one frame. @returns undefined when they are not {@link comparable}. */
export function distance(reference: Kernel, candidate: Kernel): KernelDistance | undefined {
  if (!comparable(reference, candidate)) return undefined;
  const [a, b] = inCommonFrame(reference, candidate);
  const weightNorm = norm(a.weight);
  const weight = relative(gap(a.weight, b.weight), weightNorm);
  const bias = relative(gap(a.bias, b.bias), Math.max(norm(a.bias), weightNorm / 100));
  return { weight, bias, score: Math.max(weight / roundingBounds.weight, bias / roundingBounds.bias) };
}

/** Cosine of the angle between two kernels in one frame: about 0 for unrelated ones. */
export function cosine(reference: Kernel, candidate: Kernel): number {
  const [a, b] = inCommonFrame(reference, candidate);
  const dot = a.weight.reduce((sum, value, at) => sum + value * b.weight[at], 0);
  return dot / (norm(a.weight) * norm(b.weight) || 1);
}

const relative = (difference: number, scale: number): number =>
  difference === 0 ? 0 : scale > 0 ? difference / scale : Number.POSITIVE_INFINITY;

/** Of the finite numbers. */
function norm(values: Float64Array): number {
  let sum = 0;
  for (const value of values) if (Number.isFinite(value)) sum += value * value;
  return Math.sqrt(sum);
}

function gap(a: Float64Array, b: Float64Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) {
    if (Number.isFinite(a[i]) && Number.isFinite(b[i])) sum += (a[i] - b[i]) ** 2;
    else if (!Object.is(a[i], b[i])) return Number.POSITIVE_INFINITY;
  }
  return Math.sqrt(sum);
}
