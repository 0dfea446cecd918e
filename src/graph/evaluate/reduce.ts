import { intAttribute, intsAttribute } from "../attributes.js";
import type { GraphNode } from "../graph.js";
import type { Operator, Operators } from "./operator.js";
import { integers, required } from "./operator.js";
import type { Tensor64 } from "./tensor64.js";
import { normalAxis, stridesOf, tensor64 } from "./tensor64.js";

interface Reduction {
  readonly start: number;
  step(total: number, x: number): number;
  end?(total: number, count: number): number;
}

/** Reduces the given axes; with `keep` they stay with size 1. */
function reduce(x: Tensor64, axes: readonly number[], keep: boolean, reduction: Reduction): Tensor64 {
  const reduced = new Set(axes.map((axis) => normalAxis(axis, x.shape.length)));
  const kept = x.shape.map((size, axis) => (reduced.has(axis) ? 1 : size));
  const strides = stridesOf(kept).map((stride, axis) => (reduced.has(axis) ? 0 : stride));
  const own = stridesOf(x.shape);
  const result = new Float64Array(kept.reduce((n, size) => n * size, 1)).fill(reduction.start);
  x.data.forEach((value, at) => {
    let to = 0;
    for (let axis = 0; axis < own.length; axis++) to += (Math.floor(at / own[axis]) % x.shape[axis]) * strides[axis];
    result[to] = reduction.step(result[to], value);
  });
  const count = x.data.length / Math.max(1, result.length);
  const shape = keep ? kept : x.shape.filter((_, axis) => !reduced.has(axis));
  return tensor64(shape, reduction.end ? result.map((total) => reduction.end!(total, count)) : result, x.dtype);
}

const sum: Reduction = { start: 0, step: (total, x) => total + x };
const mean: Reduction = { ...sum, end: (total, count) => total / count };
const reductions: Record<string, Reduction> = {
  ReduceL2: { start: 0, step: (total, x) => total + x * x, end: Math.sqrt },
  ReduceMax: { start: Number.NEGATIVE_INFINITY, step: Math.max },
  ReduceMean: mean,
  ReduceMin: { start: Number.POSITIVE_INFINITY, step: Math.min },
  ReduceProd: { start: 1, step: (total, x) => total * x },
  ReduceSum: sum,
};

/** Axes: an input since opset 13 or 18, an attribute before; none means all (or none with noop_with_empty_axes). */
function reduceOperator(reduction: Reduction): Operator {
  return (inputs, node) => {
    const x = required(inputs, 0, node);
    const axes = integers(inputs[1], intsAttribute(node, "axes")) ?? [];
    if (axes.length === 0 && intAttribute(node, "noop_with_empty_axes", 0)) return [x];
    const all = axes.length === 0 ? x.shape.map((_, axis) => axis) : axes;
    return [reduce(x, all, intAttribute(node, "keepdims", 1) === 1, reduction)];
  };
}

const spatial = (x: Tensor64): number[] => x.shape.map((_, axis) => axis).slice(2);

function softmax(x: Tensor64, axis: number): Tensor64 {
  const at = normalAxis(axis, x.shape.length);
  const size = x.shape[at];
  const inner = x.shape.slice(at + 1).reduce((n, s) => n * s, 1);
  const result = new Float64Array(x.data.length);
  for (let first = 0; first < result.length; first++) {
    if (Math.floor(first / inner) % size !== 0) continue;
    let max = Number.NEGATIVE_INFINITY;
    let total = 0;
    for (let j = 0; j < size; j++) max = Math.max(max, x.data[first + j * inner]);
    for (let j = 0; j < size; j++) total += Math.exp(x.data[first + j * inner] - max);
    for (let j = 0; j < size; j++) result[first + j * inner] = Math.exp(x.data[first + j * inner] - max) / total;
  }
  return tensor64(x.shape, result, x.dtype);
}

function argMax(x: Tensor64, node: GraphNode): Tensor64 {
  const axis = normalAxis(intAttribute(node, "axis", 0), x.shape.length);
  const size = x.shape[axis];
  const inner = x.shape.slice(axis + 1).reduce((n, s) => n * s, 1);
  const result = new Float64Array(x.data.length / size);
  for (let at = 0; at < result.length; at++) {
    const first = Math.floor(at / inner) * size * inner + (at % inner);
    for (let j = 1; j < size; j++) {
      if (x.data[first + j * inner] > x.data[first + result[at] * inner]) result[at] = j;
    }
  }
  const keep = intAttribute(node, "keepdims", 1) === 1;
  const shape = x.shape.flatMap((s, a) => (a !== axis ? [s] : keep ? [1] : []));
  return tensor64(shape, result, "i64");
}

export const reduceOperators: Operators = {
  ...Object.fromEntries(Object.entries(reductions).map(([op, reduction]) => [op, reduceOperator(reduction)])),
  ArgMax: (inputs, node) => [argMax(required(inputs, 0, node), node)],
  GlobalAveragePool: (inputs, node) => {
    const x = required(inputs, 0, node);
    return [reduce(x, spatial(x), true, mean)];
  },
  GlobalMaxPool: (inputs, node) => {
    const x = required(inputs, 0, node);
    return [reduce(x, spatial(x), true, reductions.ReduceMax)];
  },
  LogSoftmax: (inputs, node) => {
    const x = softmax(required(inputs, 0, node), intAttribute(node, "axis", -1));
    return [tensor64(x.shape, x.data.map(Math.log), x.dtype)];
  },
  Softmax: (inputs, node) => [softmax(required(inputs, 0, node), intAttribute(node, "axis", -1))],
};
