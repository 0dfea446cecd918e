import { asFloat32 } from "../core/deferred-array.js";
import type { NamedArray, NamedArrays } from "../core/named-arrays.js";
import type { Graph } from "../graph/graph.js";
import { roundTo } from "../graph/precision.js";

/** Kernels and matrices are worth half their size; vectors (biases, BatchNorm) cost nothing and stay exact. */
export function isHalved({ dtype, shape }: NamedArray): boolean {
  return dtype === "f32" && shape.length >= 2;
}

/** Weights with kernels and matrices as float16. @throws UserError naming a weight that float16 cannot hold. */
export function halfWeights(weights: NamedArrays): NamedArrays {
  return new Map([...weights].map(([name, array]) => [name, isHalved(array) ? roundTo(array, "f16", name) : array]));
}

/** The graph with the numbers that {@link halfWeights} would store, in float32. */
export function withHalfRounding(graph: Graph): Graph {
  const rounded = [...graph.initializers].map(([name, array]): [string, NamedArray] => [name, storedHalf(array, name)]);
  return { ...graph, initializers: new Map(rounded) };
}

/** The numbers that {@link halfWeights} would store of an array, in float32. */
export function storedHalf(array: NamedArray, name = "a constant"): NamedArray {
  return isHalved(array) ? asFloat32(roundTo(array, "f16", name)) : array;
}
