import { asFloat32 } from "../../core/deferred-array.js";
import type { NamedArray, NamedArrays } from "../../core/named-arrays.js";
import type { Graph } from "../../graph/graph.js";
import { roundTo } from "../../graph/precision.js";

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
  const rounded = [...halfWeights(graph.initializers)].map(([name, array]): [string, NamedArray] =>
    array.dtype === "f16" ? [name, asFloat32(array)] : [name, array],
  );
  return { ...graph, initializers: new Map(rounded) };
}
