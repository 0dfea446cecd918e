import { asOneConvolution } from "../conv-algebra/form.js";
import type { Sizes } from "../conv-algebra/geometry.js";
import { macsPerPosition, spatialRank } from "../conv-algebra/geometry.js";
import type { LinearMap } from "../conv-algebra/linear-map.js";
import { identityMap, isRefusal } from "../conv-algebra/linear-map.js";
import { negate, sum } from "../conv-algebra/sum.js";
import { node as makeNode, Names } from "../graph/build.js";
import type { Dimension, Graph, GraphNode } from "../graph/graph.js";
import { valueNames } from "../graph/subgraphs.js";
import { type Candidate, cheapest, type Propagation } from "./candidates.js";
import type { Dataflow } from "./dataflow.js";
import { isPerChannel } from "./linear/affine-nodes.js";
import type { Selection } from "./select.js";
import { type SumChain, sumChains, type Term } from "./sum-chains.js";

/** A chain of sums and how its terms shall be bracketed. */
export interface Regrouping {
  readonly chain: SumChain;
  /** Terms that are linear in one value, to be added among themselves first. */
  readonly groups: readonly (readonly Term[])[];
}

/**
 * Chains in which terms that fold into one convolution stand apart: in `(s + a(x)) + b(x)` neither sum is linear in one value, in
 * `s + (a(x) + b(x))` the inner one is. Only groups that are closed, exact and not dearer than `maxCost`, and only where that takes
 * more sums away than the regions of the given order do.
 */
export function regroupings(
  graph: Graph,
  shapes: ReadonlyMap<string, readonly Dimension[]>,
  flow: Dataflow,
  { propagation, selection, maxCost }: { propagation: Propagation; selection: Selection; maxCost: number },
): Regrouping[] {
  return sumChains(graph, flow).flatMap((chain) => {
    if (chain.nodes.every((node) => selection.absorbed.has(node))) return [];
    const rank = shapes.get(chain.nodes.at(-1)!.outputs[0])?.length ?? 4;
    const shifts = chain.terms.filter(({ value }) => {
      const constant = graph.initializers.get(value);
      return constant && isPerChannel(constant.shape, rank);
    });
    const sources = new Set(chain.terms.flatMap(({ value }) => mapsOf(value, propagation).map(({ source }) => source)));
    const classes = [...sources].flatMap((source) => {
      const terms = closedTerms(chain, source, propagation, flow);
      return classesOf(terms, source, propagation, maxCost, propagation.facts.spatialSizes(source));
    });
    const groups = largestFirst(classes);
    if (groups.length === 0) return [];
    groups[0] = [...groups[0], ...shifts];
    const taken = groups.reduce((sums, group) => sums + group.length - 1, 0);
    const before = chain.nodes.filter((node) => selection.absorbed.has(node)).length;
    return taken > before && groups[0].length < chain.terms.length ? [{ chain, groups }] : [];
  });
}

/** Candidates of a value that lies as its map gives it: with channels on the second axis. */
function mapsOf(value: string, { candidates }: Propagation): readonly Candidate[] {
  return (candidates.get(value) ?? []).filter(({ channelAxis, permutation }) => channelAxis === 1 && !permutation);
}

/** Terms with a map from a source (or the source itself) between which nothing else reads a value inside. */
function closedTerms({ terms, nodes }: SumChain, source: string, propagation: Propagation, flow: Dataflow): Term[] {
  let open = terms
    .filter(({ value }) => mapsOf(value, propagation).some((each) => each.source === source) && flow.onlyReader(value))
    .map((term) => ({ term, inside: flow.between(source, flow.producers.get(term.value)!) }));
  for (;;) {
    const union = new Set([...nodes, ...open.flatMap(({ inside }) => [...inside])]);
    const leak = flow.leak(union, nodes.at(-1)!.outputs[0]);
    if (!leak) break;
    open = open.filter(({ inside }) => ![...inside].some(({ outputs }) => outputs[0] === leak.value));
  }
  const closed = new Set(open.map(({ term }) => term));
  return terms.filter((term) => closed.has(term) || (term.value === source && closed.size > 0));
}

interface Class {
  readonly terms: readonly Term[];
  readonly map: LinearMap;
  /** Multiply-accumulates at best. */
  readonly cost: number;
  /** Positions of the value; undefined where only the source itself is in the class. */
  readonly area: number | undefined;
}

/** The terms that have a map from one source, merged as long as two classes of them have an exact sum that is not dearer. */
function classesOf(
  terms: readonly Term[],
  source: string,
  propagation: Propagation,
  maxCost: number,
  size: Sizes | undefined,
): Class[] {
  const found = terms.flatMap((term) => {
    const candidate = mapsOf(term.value, propagation).find((each) => each.source === source);
    return candidate ? [{ term, candidate }] : [];
  });
  const classes = found.map(({ term, candidate }): Class => {
    const map = term.sign < 0 ? negate(candidate.map) : candidate.map;
    return { terms: [term], map, cost: cheapest(candidate), area: candidate.area };
  });
  if (classes.length === 0) return [];
  const { map } = found[0].candidate;
  const identity = identityMap(map.sourceChannels, spatialRank(map));
  for (const term of terms) {
    if (term.value !== source) continue;
    classes.push({ terms: [term], map: term.sign < 0 ? negate(identity) : identity, cost: 0, area: undefined });
  }
  for (let at = 0; at < classes.length; at++) {
    for (let other = at + 1; other < classes.length; other++) {
      const merged = mergedClass(classes[at], classes[other], maxCost, size);
      if (!merged) continue;
      classes.splice(other, 1);
      classes[at] = merged;
      at = -1; // a merged class may take in what a smaller one could not
      break;
    }
  }
  return classes;
}

function mergedClass(a: Class, b: Class, maxCost: number, size: Sizes | undefined): Class | undefined {
  const area = a.area ?? b.area;
  if (area === undefined) return undefined;
  const map = sum([a.map, b.map], size);
  if (isRefusal(map)) return undefined;
  const folded = macsPerPosition(asOneConvolution(map)) * area;
  const unfolded = a.cost + b.cost + map.outChannels * area;
  if (folded > maxCost * unfolded) return undefined;
  return { terms: [...a.terms, ...b.terms], map, cost: Math.min(folded, unfolded), area };
}

/** Groups of at least two terms, no term in two of them. */
function largestFirst(classes: readonly Class[]): Term[][] {
  const taken = new Set<Term>();
  const groups: Term[][] = [];
  for (const { terms } of classes.toSorted((a, b) => b.terms.length - a.terms.length)) {
    const free = terms.filter((term) => !taken.has(term));
    if (free.length < 2) continue;
    for (const term of free) taken.add(term);
    groups.push(free);
  }
  return groups;
}

/**
 * The graph with each chain as the sum of its groups and of the terms that are in none. Sums take over the names of the chain's nodes;
 * the last one gives the chain's value, the others new ones, since what they give is not what the chain's gave.
 */
export function regrouped(graph: Graph, changes: readonly Regrouping[]): Graph {
  const values = valueNames(graph);
  const names = new Names(graph.nodes.map(({ name }) => name));
  const replaced = new Map<GraphNode, readonly GraphNode[]>();
  for (const { chain, groups } of changes) {
    const { nodes, terms } = chain;
    const root = nodes.at(-1)!;
    const [output] = root.outputs;
    const free = nodes.slice(0, -1).map(({ name }) => name);
    const made: GraphNode[] = [];
    const add = (parts: readonly Term[], what: string, last?: GraphNode): Term => {
      const positive = parts.findIndex(({ sign }) => sign > 0);
      const turned = positive < 0; // −a − b as −(a + b)
      const [first, ...others] = positive > 0 ? [parts[positive], ...parts.toSpliced(positive, 1)] : parts;
      let { value } = first;
      others.forEach((term, i) => {
        const final = last && i === others.length - 1;
        const target = final ? output : values.take(`${output}.${what}`);
        const name = final ? last.name : (free.shift() ?? names.take(target));
        made.push(makeNode(term.sign > 0 || turned ? "Add" : "Sub", name, [value, term.value], [target]));
        value = target;
      });
      return { value, sign: turned ? -1 : 1 };
    };
    const groupOf = new Map(groups.flatMap((group) => group.map((term) => [term, group] as const)));
    const done = new Set<readonly Term[]>();
    const items = terms.flatMap((term): Term[] => {
      const group = groupOf.get(term);
      if (!group) return [term];
      if (done.has(group)) return [];
      done.add(group);
      return [add(group, "linear")];
    });
    add(items, "sum", root);
    for (const node of nodes) replaced.set(node, node === root ? made : []);
  }
  return { ...graph, nodes: graph.nodes.flatMap((node) => replaced.get(node) ?? [node]) };
}
