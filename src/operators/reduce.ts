import type { DType } from "../core/named-arrays.js";
import { elementCount } from "../core/named-arrays.js";
import { flagAttribute, intAttribute } from "../graph/attributes.js";
import { stridesOf, type Tensor64, tensor64, zeros } from "../graph/evaluate/tensor64.js";
import { axesOf, axisAttribute, integers, isGiven } from "../graph/operator/checks.js";
import { type NodeContext, type Operator, refuse, type Shape } from "../graph/operator/operator.js";
import { floats, numbers, signature } from "../graph/operator/signature.js";

interface Reduction {
  /** From which version on axes are an input. */
  readonly inputSince: 13 | 18;
  readonly versions: readonly number[];
  readonly types?: readonly DType[];
  readonly start: number;
  readonly step: (total: number, x: number) => number;
  readonly end?: (total: number, count: number) => number;
}

const add = (total: number, x: number): number => total + x;
const usual = [1, 11, 13, 18];

const reductions: Readonly<Record<string, Reduction>> = {
  ReduceL1: { inputSince: 18, versions: usual, start: 0, step: (total, x) => total + Math.abs(x) },
  ReduceL2: { inputSince: 18, versions: usual, start: 0, step: (total, x) => total + x * x, end: Math.sqrt },
  ReduceLogSum: { inputSince: 18, versions: usual, start: 0, step: add, end: Math.log },
  ReduceLogSumExp: { inputSince: 18, versions: usual, start: Number.NEGATIVE_INFINITY, step: logSumExp },
  ReduceMax: {
    inputSince: 18,
    versions: [1, 11, 12, 13, 18, 20],
    types: [...numbers, "bool"],
    start: Number.NEGATIVE_INFINITY,
    step: Math.max,
  },
  ReduceMean: { inputSince: 18, versions: usual, start: 0, step: add, end: (total, count) => total / count },
  ReduceMin: {
    inputSince: 18,
    versions: [1, 11, 12, 13, 18, 20],
    types: [...numbers, "bool"],
    start: Number.POSITIVE_INFINITY,
    step: Math.min,
  },
  ReduceProd: { inputSince: 18, versions: usual, start: 1, step: (total, x) => total * x },
  ReduceSum: { inputSince: 13, versions: [1, 11, 13], start: 0, step: add },
  ReduceSumSquare: { inputSince: 18, versions: usual, start: 0, step: (total, x) => total + x * x },
};

/** log(eᵃ + eᵇ) without overflow. */
function logSumExp(a: number, b: number): number {
  const larger = Math.max(a, b);
  if (!Number.isFinite(larger)) return larger;
  return larger + Math.log(Math.exp(a - larger) + Math.exp(b - larger));
}

/** The same attribute means nothing where axes are an input. */
const axesByInput = ({ node, version }: NodeContext): boolean => version >= reductions[node.op].inputSince;

/** Axes as a node names them; undefined where it names none or they are computed. */
export function namedAxes(context: NodeContext): readonly number[] | undefined {
  return axesByInput(context) ? integers(context, 1) : integers(context, Number.POSITIVE_INFINITY, "axes");
}

/** Axes that a node reduces, ascending; empty where it does nothing; undefined where they are computed. @throws ShapeError for axes that are not there. */
export function reducedAxes(context: NodeContext, rank: number): readonly number[] | undefined {
  const byInput = axesByInput(context);
  const given = namedAxes(context);
  if (!given && byInput && isGiven(context, 1)) return undefined;
  if (!given || given.length === 0) {
    const nothing = byInput && flagAttribute(context.node, "noop_with_empty_axes", false);
    return nothing ? [] : Array.from({ length: rank }, (_, axis) => axis);
  }
  return axesOf(context, given, rank).sort((a, b) => a - b);
}

const byAttribute = (types: readonly DType[]) => signature("data:T -> reduced:T", { T: types });
const byInput = (types: readonly DType[]) => signature("data:T axes?:i64 -> reduced:T", { T: types });

function reduce(
  x: Tensor64,
  axes: readonly number[],
  shape: readonly number[],
  { start, step, end }: Reduction,
): Tensor64 {
  const reduced = new Set(axes);
  const kept = x.shape.map((size, axis) => (reduced.has(axis) ? 1 : size));
  const strides = stridesOf(kept).map((stride, axis) => (reduced.has(axis) ? 0 : stride));
  const own = stridesOf(x.shape);
  const result = zeros(kept).fill(start);
  x.data.forEach((value, at) => {
    let to = 0;
    for (let axis = 0; axis < own.length; axis++) to += (Math.floor(at / own[axis]) % x.shape[axis]) * strides[axis];
    result[to] = step(result[to], value);
  });
  const count = elementCount(axes.map((axis) => x.shape[axis]));
  return tensor64(shape, end ? result.map((total) => end(total, count)) : result, x.dtype);
}

export const reduceOperators: readonly Operator[] = Object.entries(reductions).map(([name, reduction]): Operator => {
  const types = reduction.types ?? numbers;
  const [old, current] = [byAttribute(types), byInput(types)];
  return {
    name,
    versions: reduction.versions,
    signature: (version) => (version < reduction.inputSince ? old : current),
    infer(context) {
      const x = context.shape(0);
      const axes = x && reducedAxes(context, x.length);
      if (!axes) return [undefined];
      const keep = flagAttribute(context.node, "keepdims", true);
      return [
        keep ? x.map((size, axis) => (axes.includes(axis) ? 1 : size)) : x.filter((_, axis) => !axes.includes(axis)),
      ];
    },
    evaluate: (call) => {
      const x = call.inputs[0]!;
      const axes = reducedAxes(call, x.shape.length)!;
      // With no axes and noop_with_empty_axes each number is a sum of itself: ReduceL2 still takes |x|.
      return [reduce(x, axes, call.outputShapes[0]!, reduction)];
    },
  };
});

const argSignature = signature("data:T -> reduced:i64", { T: numbers });

/** Index of the largest (smallest) along an axis; of equal ones the first, or the last with select_last_index (since version 12). */
export const argOperators: readonly Operator[] = (["ArgMax", "ArgMin"] as const).map((name) => ({
  name,
  versions: [1, 11, 12, 13],
  signature: () => argSignature,
  infer(context) {
    const x = context.shape(0);
    if (!x) return [undefined];
    if (x.length === 0) return [[]];
    const axis = axisAttribute(context, "axis", 0, x.length);
    if (x[axis] === 0) refuse(context, `elements along axis ${axis}`, "none");
    return [flagAttribute(context.node, "keepdims", true) ? x.with(axis, 1) : x.toSpliced(axis, 1)];
  },
  evaluate: (call) => {
    const x = call.inputs[0]!;
    const axis = x.shape.length === 0 ? 0 : axisAttribute(call, "axis", 0, x.shape.length);
    const last = call.version >= 12 && flagAttribute(call.node, "select_last_index", false);
    const size = x.shape[axis] ?? 1;
    const inner = elementCount(x.shape.slice(axis + 1));
    const sign = name === "ArgMax" ? 1 : -1;
    const result = zeros(call.outputShapes[0]!).map((_, at) => {
      const first = Math.floor(at / inner) * size * inner + (at % inner);
      let best = 0;
      for (let j = 1; j < size; j++) {
        const difference = sign * (x.data[first + j * inner] - x.data[first + best * inner]);
        if (difference > 0 || (last && difference === 0)) best = j;
      }
      return best;
    });
    return [tensor64(call.outputShapes[0]!, result, "i64")];
  },
}));

/** [outer, size, inner] of the numbers that one softmax runs over: up to version 12 all axes from `axis` on are one. */
export function softmaxExtents(
  context: NodeContext,
  shape: Shape,
): readonly [outer: number, size: number, inner: number] {
  const sizes = shape as readonly number[];
  if (sizes.length === 0) return [1, 1, 1];
  if (context.version >= 13) {
    const axis = axisAttribute(context, "axis", -1, sizes.length);
    return [elementCount(sizes.slice(0, axis)), sizes[axis], elementCount(sizes.slice(axis + 1))];
  }
  const stated = intAttribute(context.node, "axis", 1);
  const axis = stated === sizes.length ? stated : axisAttribute(context, "axis", 1, sizes.length);
  return [elementCount(sizes.slice(0, axis)), elementCount(sizes.slice(axis)), 1];
}

const softmaxSignature = signature("input:T -> output:T", { T: floats });

const softmaxes: Readonly<Record<string, (x: number, max: number, total: number, first: boolean) => number>> = {
  Softmax: (x, max, total) => Math.exp(x - max) / total,
  LogSoftmax: (x, max, total) => x - max - Math.log(total),
  Hardmax: (x, max, _, first) => (x === max && first ? 1 : 0),
};

export const softmaxOperators: readonly Operator[] = Object.entries(softmaxes).map(([name, f]) => ({
  name,
  versions: [1, 11, 13],
  signature: () => softmaxSignature,
  infer(context) {
    const x = context.shape(0);
    if (x && x.length > 0 && (context.version >= 13 || intAttribute(context.node, "axis", 1) !== x.length)) {
      axisAttribute(context, "axis", context.version >= 13 ? -1 : 1, x.length);
    }
    return [x];
  },
  evaluate: (call) => {
    const x = call.inputs[0]!;
    const [outer, size, inner] = softmaxExtents(call, x.shape);
    const result = zeros(x.shape);
    for (let o = 0; o < outer; o++) {
      for (let i = 0; i < inner; i++) {
        const at = (j: number): number => (o * size + j) * inner + i;
        let max = Number.NEGATIVE_INFINITY;
        let total = 0;
        for (let j = 0; j < size; j++) max = Math.max(max, x.data[at(j)]);
        for (let j = 0; j < size; j++) total += Math.exp(x.data[at(j)] - max);
        let first = true;
        for (let j = 0; j < size; j++) {
          result[at(j)] = f(x.data[at(j)], max, total, first);
          if (x.data[at(j)] === max) first = false;
        }
      }
    }
    return [tensor64(x.shape, result, x.dtype)];
  },
}));
