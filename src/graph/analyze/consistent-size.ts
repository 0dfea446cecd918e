import { UserError } from "../../core/errors.js";
import { constantFolding } from "../constant-folding.js";
import type { Graph } from "../graph.js";
import { analyze } from "./analyze.js";

/** Image sizes that nets are made for, tried before all others. */
const usual = [64, 224, 32, 28, 48, 96, 112, 128, 160, 192, 256, 299, 320, 384, 416, 448, 512, 640, 768, 1024];
const largest = 512;

/**
 * A side of square images at which all operands of a graph fit one another, where the graph leaves the size open: the one that a Gemm, a
 * Reshape or a Concat further down demands. Found by asking the shape rules, usual sizes first.
 * @param at the graph's inputs for a side
 * @returns undefined where no size fits, or the shapes do not depend on it
 */
export function consistentSide(graph: Graph, at: (side: number) => Graph["inputs"]): number | undefined {
  const folded = constantFolding(graph); // once: what is constant does not depend on the size
  const fits = (side: number): boolean => operandsFit({ ...folded, inputs: at(side) });
  return [...usual, ...Array.from({ length: largest }, (_, i) => i + 1)].find(fits);
}

/** Whether the shape rules find nothing wrong. */
export function operandsFit(graph: Graph): boolean {
  try {
    analyze(graph, { shapesOnly: true });
    return true;
  } catch (error) {
    if (error instanceof UserError) return false;
    throw error;
  }
}
