import type { Graph } from "../graph/graph.js";
import { isQuantized } from "../graph/quantization.js";
import { canonical } from "../integer/canonical.js";
import { findIntegers } from "../integer/find.js";
import type { FloatLayer } from "../integer/integer-op.js";
import { quantizedSpellings } from "../integer/spellings.js";
import { prepare } from "../lowering/prepare.js";

/** What of a quantized net the engine runs on 8-bit numbers. */
export interface QuantizedLayers {
  /** Convolutions and matrix products in integers. */
  readonly inIntegers: number;
  /** Those that are quantized and run in float32 all the same, and why. */
  readonly inFloat: readonly FloatLayer[];
}

/**
 * How a quantized net would run for inputs of these shapes; undefined for a net that is not quantized.
 * @throws UserError where it cannot be run
 */
export function quantizedLayers(
  graph: Graph,
  inputShapes: Readonly<Record<string, readonly number[]>>,
): QuantizedLayers | undefined {
  const form = canonical(graph);
  if (!isQuantized(form)) return undefined;
  const { taken, inFloat } = findIntegers(prepare(form, inputShapes, [], quantizedSpellings));
  const inIntegers = [...taken.values()].filter((op) => op?.kind === "convolution").length;
  return { inIntegers, inFloat };
}
