import { ofWholeSource, sliceChannels } from "../../conv-algebra/channels.js";
import { concat } from "../../conv-algebra/concat.js";
import type { Pair } from "../../conv-algebra/geometry.js";
import { macsPerPosition } from "../../conv-algebra/geometry.js";
import { expandGroups } from "../../conv-algebra/groups.js";
import type { LinearMap, Refusal } from "../../conv-algebra/linear-map.js";
import { identityMap, isRefusal, settled } from "../../conv-algebra/linear-map.js";
import { negate, sum } from "../../conv-algebra/sum.js";
import type { Dimension, Graph, GraphNode } from "../graph.js";
import { consumersOf } from "../validate.js";
import type { JoiningNode, LinearNode, SplittingNode, UnaryNode } from "./linear/linear-node.js";
import { linearNode } from "./linear-nodes.js";

/** One way to see a value: as a linear map of an earlier value, its source. */
export interface Candidate {
  readonly source: string;
  readonly map: LinearMap;
  /** Positions of the value: of the image where its size is known, else for one of the nearest value before it of unknown size. */
  readonly area: number;
  /** Multiply-accumulates of the map as one convolution of the source. */
  readonly folded: number;
  /** Of the cheapest way from source to value that is known otherwise: node by node, or folded in parts. */
  readonly unfolded: number;
}

export interface Propagation {
  /** For each value that a linear node gives: its candidates, the farthest source first. */
  readonly candidates: ReadonlyMap<string, readonly Candidate[]>;
  readonly linear: ReadonlyMap<GraphNode, LinearNode>;
  /** Multiply-accumulates of each linear node. */
  readonly macs: ReadonlyMap<GraphNode, number>;
  readonly refusals: ReadonlyMap<GraphNode, readonly NodeRefusal[]>;
  /** Place of each value in the graph's order. */
  readonly order: ReadonlyMap<string, number>;
}

/** Why a node could not be merged with what lies between it and `source`; without a source: with anything. */
export interface NodeRefusal {
  readonly source: string | undefined;
  readonly reason: string;
}

/** Regions are not followed over more sources than this: bounds the work on long linear chains. */
const mostCandidates = 8;

/** A graph that states more channels than this makes no sense. */
const mostChannels = 2 ** 24;

/**
 * Linear-map propagation: walks the graph in order and gives each value its maps from the values it linearly depends on. Only
 * geometry and biases are computed; kernels are expressions until a region is chosen.
 */
export function propagate(graph: Graph, shapes: ReadonlyMap<string, readonly Dimension[]>): Propagation {
  const walk = new Walk(graph, shapes);
  for (const node of graph.nodes) walk.visit(node);
  return walk;
}

class Walk implements Propagation {
  readonly candidates = new Map<string, readonly Candidate[]>();
  readonly linear = new Map<GraphNode, LinearNode>();
  readonly macs = new Map<GraphNode, number>();
  readonly refusals = new Map<GraphNode, NodeRefusal[]>();
  readonly order = new Map<string, number>();
  readonly #graph: Graph;
  readonly #shapes: ReadonlyMap<string, readonly Dimension[]>;
  readonly #shared: ReadonlySet<string>;
  /** Positions of each value: its static area, or relative to the nearest value of unknown size. */
  readonly #areas = new Map<string, number>();
  readonly #producers = new Map<string, GraphNode>();

  constructor(graph: Graph, shapes: ReadonlyMap<string, readonly Dimension[]>) {
    this.#graph = graph;
    this.#shapes = shapes;
    const consumers = consumersOf(graph);
    this.#shared = new Set([
      ...[...consumers].filter(([, nodes]) => nodes.length > 1).map(([name]) => name),
      ...graph.outputs.map(({ name }) => name),
    ]);
    graph.inputs.forEach(({ name }, i) => void this.order.set(name, i - graph.inputs.length));
  }

  visit(node: GraphNode): void {
    for (const output of node.outputs) {
      this.order.set(output, this.order.size);
      this.#producers.set(output, node);
    }
    const linear = linearNode(node, this.#graph, this.#shapes);
    if (!linear) return;
    if ("refused" in linear) {
      this.#refuse(node, undefined, linear);
      return;
    }
    if (linear.kind === "split") {
      this.#split(node, linear);
      return;
    }
    if (node.outputs.slice(1).some((output) => output !== "")) return; // Dropout's mask is read
    const found = linear.kind === "unary" ? this.#unary(node, linear) : this.#joining(node, linear);
    if (found.length === 0) return;
    this.linear.set(node, linear);
    this.candidates.set(node.outputs[0], this.#withParts(found));
  }

  #unary(node: GraphNode, linear: UnaryNode): Candidate[] {
    const { input } = linear;
    const known = this.candidates.get(input) ?? [];
    // An affine node never has a reason to begin a region at a value that only it reads.
    const begins = !linear.free || known.length === 0 || this.#shared.has(input);
    const inputs = [...known, ...(begins ? this.#identity(input, node) : [])];
    return inputs.flatMap((from) => {
      const map = linear.after(from.map);
      if (isRefusal(map)) {
        this.#refuse(node, from.source, map);
        return [];
      }
      const own = linear.macs(map.outChannels) * this.#area(node.outputs[0], from.source, map);
      this.macs.set(node, own);
      return [this.#candidate(node.outputs[0], from.source, map, cheapest(from) + own)];
    });
  }

  #split(node: GraphNode, linear: SplittingNode): void {
    const inputs = [...(this.candidates.get(linear.input) ?? []), ...this.#identity(linear.input, node)];
    const parts = inputs.map((from) => ({ from, ranges: linear.ranges(from.map.outChannels) }));
    this.macs.set(node, 0);
    for (const { from, ranges } of parts) if (isRefusal(ranges)) this.#refuse(node, from.source, ranges);
    node.outputs.forEach((output, i) => {
      const found = parts.flatMap(({ from, ranges }) => {
        const [first, last] = isRefusal(ranges) ? [0, 0] : ranges[i];
        if (output === "" || first >= last) return [];
        // The other channels are other outputs' cost.
        const share = (last - first) / from.map.outChannels;
        return [this.#candidate(output, from.source, sliceChannels(from.map, first, last), share * cheapest(from))];
      });
      if (found.length === 0) return;
      this.linear.set(node, linear);
      this.candidates.set(output, this.#withParts(found));
    });
  }

  #joining(node: GraphNode, { kind, inputs, signs }: JoiningNode): Candidate[] {
    const options = inputs.map((input) => [...(this.candidates.get(input) ?? []), ...this.#identity(input, node)]);
    const common = (options[0] ?? [])
      .map(({ source }) => source)
      .filter((source) => options.every((list) => list.some((candidate) => candidate.source === source)));
    if (common.length === 0) {
      if (kind === "sum") this.#refuse(node, undefined, { refused: this.#noCommonSource(inputs, options) });
      return [];
    }
    return common.flatMap((source) => {
      const parts = options.map((list) => list.find((candidate) => candidate.source === source)!);
      const maps = parts.map(({ map }, i) => (signs[i] < 0 ? negate(map) : map));
      const map = kind === "sum" ? sum(maps, this.#size(source)) : concat(maps, this.#size(source));
      if (isRefusal(map)) {
        this.#refuse(node, source, map);
        return [];
      }
      const own = kind === "sum" ? map.outChannels * this.#area(node.outputs[0], source, map) * (inputs.length - 1) : 0;
      this.macs.set(node, own);
      return [
        this.#candidate(
          node.outputs[0],
          source,
          map,
          parts.reduce((total, part) => total + cheapest(part), own),
        ),
      ];
    });
  }

  #candidate(value: string, source: string, made: LinearMap, unfolded: number): Candidate {
    // A fully connected layer has no groups.
    const map = settled(this.#shapes.get(source)?.length === 2 ? expandGroups(made, 1) : made);
    const area = this.#area(value, source, map);
    return { source, map, area, folded: macsPerPosition(ofWholeSource(map)) * area, unfolded };
  }

  /** Compares each candidate also with two steps: source → nearer source → value. */
  #withParts(found: readonly Candidate[]): Candidate[] {
    const sorted = found
      .toSorted((a, b) => this.order.get(a.source)! - this.order.get(b.source)!)
      .slice(-mostCandidates);
    return sorted.map((far) => {
      let { unfolded } = far;
      for (const near of sorted) {
        const first = this.candidates.get(near.source)?.find(({ source }) => source === far.source);
        if (first) unfolded = Math.min(unfolded, cheapest(first) + cheapest(near));
      }
      return { ...far, unfolded };
    });
  }

  /** The value as the identity of itself, where its channels are known; a constant has no source. */
  #identity(value: string, node: GraphNode): Candidate[] {
    if (this.#graph.initializers.has(value)) return [];
    const shape = this.#shapes.get(value);
    const convChannels = node.op === "Conv" ? this.#convChannels(node) : undefined;
    const channels =
      convChannels ??
      (shape?.length === 4 || shape?.length === 2 ? shape[1] : this.candidates.get(value)?.[0].map.outChannels);
    if (typeof channels !== "number" || !(channels >= 1 && channels <= mostChannels)) return [];
    return [{ source: value, map: identityMap(channels), area: 0, folded: 0, unfolded: 0 }];
  }

  /** A convolution tells its input's channels, whatever the graph says of its shape. */
  #convChannels(node: GraphNode): number | undefined {
    const weight = this.#graph.initializers.get(node.inputs[1]);
    const group = node.attributes.group;
    return weight && weight.shape[1] * (group?.type === "int" ? group.value : 1);
  }

  #area(value: string, source: string, map: LinearMap): number {
    const known = this.#areas.get(value);
    if (known !== undefined) return known;
    const [height, width] = this.#size(value) ?? [];
    const strides = map.stride[0] * map.stride[1];
    const area = height !== undefined && width !== undefined ? height * width : this.#sourceArea(source) / strides;
    this.#areas.set(value, area);
    return area;
  }

  #sourceArea(source: string): number {
    const size = this.#size(source);
    return size ? size[0] * size[1] : (this.#areas.get(source) ?? 1);
  }

  #size(value: string): Pair | undefined {
    const shape = this.#shapes.get(value);
    if (shape?.length === 2) return [1, 1];
    const [height, width] = shape?.slice(2) ?? [];
    return typeof height === "number" && typeof width === "number" ? [height, width] : undefined;
  }

  #refuse(node: GraphNode, source: string | undefined, { refused }: Refusal): void {
    const list = this.refusals.get(node) ?? [];
    list.push({ source, reason: refused });
    this.refusals.set(node, list);
  }

  #noCommonSource(inputs: readonly string[], options: readonly (readonly Candidate[])[]): string {
    const parts = inputs.map((input, i) => {
      const source = options[i][0]?.source ?? input;
      const producer = this.#producers.get(source);
      const what = producer ? `"${source}" (given by ${producer.op} "${producer.name}")` : `"${source}"`;
      return source === input ? what : `"${input}", linear in ${what}`;
    });
    return `its inputs are not linear in one common value: ${parts.join("; ")}`;
  }
}

/** What a candidate costs at best. */
export function cheapest({ folded, unfolded }: Candidate): number {
  return Math.min(folded, unfolded);
}
