import type { NamedArray } from "../../core/named-arrays.js";
import { elementCount, toFloat64 } from "../../core/named-arrays.js";
import { type Rng, rngFor } from "../../core/rng.js";
import type { Graph } from "../../graph/graph.js";

/** So often the weights are moved, up and down: one number alone may hardly move by chance. */
export const noiseDraws = 4;

/**
 * By how much weights are moved to see what rounding may do to the outputs: 64 roundings of float32 (sums of thousands of terms and Winograd's
 * transforms amplify them; Barabasz et al., arXiv:1803.10986), 4 of float16, whose sums are float32 all the same.
 */
export const noiseOf = { f32: 64 * 2 ** -24, f16: 4 * 2 ** -11 } as const;

const withWeights = new Set(
  "Add,BatchNormalization,Conv,ConvTranspose,Div,Gemm,InstanceNormalization,LayerNormalization,MatMul,Mul,PRelu,Sub".split(
    ",",
  ),
);

/**
 * The graph with each weight multiplied by 1 ± noise, the sign by chance. What it then gives differently is how far rounding can move
 * its outputs: a difference of this size says nothing against a candidate. (Stochastic arithmetic, La Porte and Vignes 1974: the
 * same program with perturbed roundings.)
 * @param sign of all perturbations of a draw: two graphs of opposite signs move each output both ways
 */
export function withNoise(graph: Graph, noise: number, draw: number, sign: 1 | -1): Graph {
  const weights = new Set(
    graph.nodes
      .filter(({ op, domain }) => domain === "" && withWeights.has(op))
      .flatMap(({ inputs }) => inputs.filter((name) => graph.initializers.has(name))),
  );
  const initializers = new Map(graph.initializers);
  for (const name of weights) {
    const array = graph.initializers.get(name)!;
    // Single numbers are settings (exponents, slopes) as often as weights.
    if (!/^b?f/.test(array.dtype) || elementCount(array.shape) < 2) continue;
    initializers.set(name, perturbed(array, noise * sign, rngFor(draw, "noise", name)));
  }
  return { ...graph, initializers };
}

function perturbed(array: NamedArray, noise: number, rng: Rng): NamedArray {
  const data = toFloat64(array).map((value) => value * (rng.next() < 0.5 ? 1 + noise : 1 - noise));
  return { dtype: "f64", shape: array.shape, data };
}
