import { type NamedArrays, toFloat64 } from "../core/named-arrays.js";
import { fold } from "../graph/fold.js";
import type { Graph } from "../graph/graph.js";
import { some } from "./sentences.js";

/** Largest relative difference of kernels that count as the same: float32, folded by other code in another order. */
const sameWithin = 1e-4;

/**
 * Compares folded convolutions that stand beside branches with what the branches fold to. Code that registers both before one
 * is used saves both: then the folded one is noise.
 * @param graph of the net, with its branches
 * @param paths of the folded convolutions: `stage1.0.rbr_reparam`
 * @returns a sentence
 */
export function describePlaceholders(graph: Graph, weights: NamedArrays, paths: readonly string[]): string {
  const { initializers } = fold(graph).graph;
  const differences = paths.map((path) =>
    Math.max(...["weight", "bias"].map((name) => difference(initializers, weights, `${path}.${name}`))),
  );
  const worst = differences.reduce((a, b) => Math.max(a, b), 0);
  const which = `${some(paths)} beside the branches`;
  if (worst <= sameWithin)
    return `${which}: what the branches fold to (relative difference ${digits(worst)}); the branches are used`;
  const parted = differences.filter((value) => !(value <= sameWithin)).length;
  return `${which}: ${parted} of ${paths.length} hold other numbers than the branches fold to (relative difference up to ${digits(worst)}), taken for placeholders that were never filled; the branches are used`;
}

function difference(folded: NamedArrays, stored: NamedArrays, name: string): number {
  const [a, b] = [folded.get(name), stored.get(name)];
  if (!a || !b || a.shape.join() !== b.shape.join()) return Number.POSITIVE_INFINITY;
  const [own, other] = [toFloat64(a), toFloat64(b)];
  let [worst, scale] = [0, 0];
  for (let i = 0; i < own.length; i++) {
    worst = Math.max(worst, Math.abs(own[i]! - other[i]!));
    scale = Math.max(scale, Math.abs(own[i]!));
  }
  return Number.isFinite(worst) ? (worst === 0 ? 0 : worst / scale) : Number.POSITIVE_INFINITY;
}

function digits(value: number): string {
  return Number.isFinite(value) ? value.toPrecision(2) : "∞";
}
