import type { NamedArray } from "../../core/named-arrays.js";
import type { FoldPlan } from "../../fold/emit.js";
import { inferShapes } from "../../graph/analyze/analyze.js";
import type { Graph, GraphNode } from "../../graph/graph.js";
import { producersOf } from "../../graph/validate.js";
import { proveRegion, type RegionProof } from "./prove-region.js";
import { whyNotUnchanged } from "./unchanged.js";

/** What is proven of a folded graph without running it as a whole. Plain data. */
export interface FoldProof {
  readonly regions: readonly RegionProof[];
  /** Why what lies outside the regions might compute something else; undefined where it is shown to be unchanged. */
  readonly changed?: string;
  /** Every region is proven, and the rest is unchanged: the folded graph computes what the given one does. */
  readonly proven: boolean;
}

/**
 * Proves a fold part by part: each region against the node that replaces it ({@link proveRegion}), and what is between them by its
 * structure ({@link whyNotUnchanged}). No operator outside the regions has to be known.
 *
 * @param folded the graph that is to be used or written: its numbers are compared, not the plan's
 * @param options.stored what storing makes of a constant; `halves`: it rounds weights of two and more axes to float16
 * @throws UserError when a graph is not valid.
 */
export function proveFold(
  original: Graph,
  plan: Pick<FoldPlan, "simplified" | "regions">,
  folded: Graph,
  options: { readonly stored?: (array: NamedArray) => NamedArray; readonly halves?: boolean } = {},
): FoldProof {
  const { simplified } = plan;
  const { stored, halves = false } = options;
  const producers = producersOf(folded);
  const places = new Map(simplified.nodes.map((node, place) => [node.name, { node, place }]));
  const shapes = inferShapes(simplified);
  const regions = plan.regions.map((region): RegionProof => {
    const made = madeNodes(region, producers);
    const { source, output } = region;
    const inside = region.nodes.map((name) => places.get(name)!);
    const nodes = inside.sort((a, b) => a.place - b.place).map(({ node }) => node);
    const read = shapes.get(source);
    return proveRegion({ source, output, nodes }, simplified.initializers, made, folded.initializers, read, halves);
  });
  const replaced = new Map(
    plan.regions.map(({ source, output }) => {
      const made = madeNodes({ source, output }, producers);
      const inside = made.slice(0, -1).map(({ outputs }) => outputs[0]);
      return [output, { source, output, reads: made[0].inputs[0], inside }];
    }),
  );
  const changed =
    whyNotUnchanged(original, simplified) ??
    whyNotUnchanged(simplified, folded, { replaced, ...(stored && { stored }) });
  return {
    regions,
    ...(changed !== undefined && { changed }),
    proven: changed === undefined && regions.every(({ proven }) => proven),
  };
}

/** The nodes that a region became, in order: one convolution or matrix, or a few of which each reads the one before it. */
function madeNodes(
  { source, output }: { readonly source: string; readonly output: string },
  producers: ReadonlyMap<string, GraphNode>,
): GraphNode[] {
  const made: GraphNode[] = [];
  for (let value = output; value !== source || made.length === 0; [value] = made[0].inputs) {
    const node = producers.get(value);
    if (!node || made.length === mostMade) {
      if (made.length > 0) return made.slice(-1); // the source has another name now
      throw new RangeError(`no node of the folded graph gives "${output}"`);
    }
    made.unshift(node);
  }
  return made;
}

/** MatMul, Add and Transpose. */
const mostMade = 3;
