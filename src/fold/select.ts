import type { Graph, GraphNode } from "../graph/graph.js";
import type { NodeRefusal, Propagation } from "./candidates.js";
import type { Dataflow } from "./dataflow.js";
import { type Form, formOf, type WrittenForm } from "./form.js";
import { type Refusal, refusalKinds, refuse } from "./refusals.js";
import type { RefusalReport } from "./report.js";
import type { Candidate } from "./view.js";

/** Linear nodes with one source and one visible output, to become one convolution (or matrix, or scale and shift). */
export interface Region {
  readonly candidate: Candidate;
  readonly form: Form;
  readonly output: string;
  /** In graph order; the last gives the output. */
  readonly nodes: readonly GraphNode[];
}

export interface Selection {
  /** By the node that gives the region's output. */
  readonly regions: ReadonlyMap<GraphNode, Region>;
  /** Nodes inside regions. */
  readonly absorbed: ReadonlySet<GraphNode>;
  readonly refusals: readonly RefusalReport[];
}

/**
 * Chooses regions from the outputs backwards: for each value that something outside asks for, the farthest source whose region is
 * closed (nothing else reads a value inside), of more than one node, and not dearer than `maxCost` × the cheapest other way.
 * @param obstacleOf another reason why a region cannot become one convolution
 */
export function selectRegions(
  graph: Graph,
  flow: Dataflow,
  propagation: Propagation,
  maxCost: number,
  obstacleOf: (region: Region) => Refusal | undefined = () => undefined,
): Selection {
  const position = new Map(graph.nodes.map((node, i) => [node, i]));
  const regions = new Map<GraphNode, Region>();
  const absorbed = new Set<GraphNode>();
  const rejected = new Map<GraphNode, NodeRefusal[]>();
  const needed = new Set(flow.wanted);

  for (const node of graph.nodes.toReversed()) {
    if (absorbed.has(node) || !node.outputs.some((output) => needed.has(output))) continue;
    const region = choose(node);
    if (region) {
      regions.set(node, region);
      for (const inside of region.nodes) absorbed.add(inside);
      needed.add(region.candidate.source);
    } else {
      for (const input of node.inputs) needed.add(input);
    }
  }
  return { regions, absorbed, refusals: collectRefusals(graph, propagation, regions, rejected) };

  function choose(node: GraphNode): Region | undefined {
    const [output, ...others] = node.outputs.filter((name) => name !== "");
    if (others.length > 0) return undefined; // what a Split gives is several values
    for (const candidate of propagation.candidates.get(output) ?? []) {
      const inside = flow.between(candidate.source, node);
      const written = formOf(candidate);
      const leak = flow.leak(inside, output);
      let refusal = leak ? refuse("read-elsewhere", leak.reason) : undefined;
      if (!refusal && inside.size > 1) refusal = costObstacle(candidate, written);
      if (!refusal && written && inside.size > 1 && inside.size <= written.nodes) {
        refusal = refuse("as-many-nodes", `what would take its place from "${candidate.source}" are as many nodes`);
      }
      if (!refusal && written && inside.size > written.nodes) {
        const nodes = [...inside].sort((a, b) => position.get(a)! - position.get(b)!);
        const region: Region = { candidate, form: written.form, output, nodes };
        refusal = obstacleOf(region);
        if (!refusal) return region;
      }
      if (refusal) rejected.set(node, [...(rejected.get(node) ?? []), { source: candidate.source, ...refusal }]);
    }
    return undefined;
  }

  function costObstacle(candidate: Candidate, written: WrittenForm | undefined): Refusal | undefined {
    if (candidate.folded > maxCost * candidate.unfolded) {
      const wanted = `one convolution from "${candidate.source}"`;
      if (candidate.unfolded === 0) {
        return refuse("free-now", `${wanted} would need multiplications, which the nodes do without`);
      }
      const ratio = (candidate.folded / candidate.unfolded).toPrecision(3);
      return refuse("cost", `${wanted} would cost ${ratio} × the multiply-accumulates (more than ${maxCost})`);
    }
    // Scales, shifts and moved positions go into a convolution; to become one they would have to be worth it.
    return !candidate.weighted && written?.form !== "affine" && maxCost <= 1 ? alone : undefined;
  }
}

const alone = refuse("alone", "there is no convolution that it could go into");

/** One reason for each linear node that stands alone or begins a region after another linear node: the nearest that held. */
function collectRefusals(
  graph: Graph,
  { refusals, order, rules }: Propagation,
  regions: ReadonlyMap<GraphNode, Region>,
  rejected: ReadonlyMap<GraphNode, readonly NodeRefusal[]>,
): RefusalReport[] {
  const regionOf = new Map<GraphNode, Region>();
  for (const region of regions.values()) for (const node of region.nodes) regionOf.set(node, region);
  return graph.nodes.flatMap((node) => {
    const region = regionOf.get(node);
    const all = [
      ...(refusals.get(node) ?? []),
      ...(region && region.nodes.at(-1) !== node ? [] : (rejected.get(node) ?? [])),
    ];
    const begin = region ? order.get(region.candidate.source)! : Number.POSITIVE_INFINITY;
    const relevant = all.filter(({ source }) => (source === undefined ? !region : order.get(source)! < begin));
    const nearest = relevant.at(-1) ?? (region?.form === "affine" && region.nodes.at(-1) === node ? alone : undefined);
    if (!nearest) return [];
    const { kind, refused: reason } = nearest;
    const rule = rules.get(node)!.id;
    const { remedy, ofRegion } = refusalKinds[kind];
    const page = `docs/fold/${ofRegion ? "regions" : rule}.md`;
    return [{ node: node.name, op: node.op, reason, kind, rule, remedy, page }];
  });
}
