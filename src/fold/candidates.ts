import { concat } from "../conv-algebra/concat.js";
import { asOneConvolution } from "../conv-algebra/form.js";
import { macsPerPosition, product, spatialRank } from "../conv-algebra/geometry.js";
import type { LinearMap } from "../conv-algebra/linear-map.js";
import { isRefusal, settled } from "../conv-algebra/linear-map.js";
import { scaledBy, sum } from "../conv-algebra/sum.js";
import type { Analysis } from "../graph/analyze/analyze.js";
import type { Graph, GraphNode } from "../graph/graph.js";
import type { NodeContext } from "../graph/operator/operator.js";
import { producersOf } from "../graph/validate.js";
import type { JoiningNode, LinearNode, SplittingNode, UnaryNode, View } from "./linear/linear-node.js";
import { axisOf } from "./linear/linear-node.js";
import type { Rule } from "./linear/rule.js";
import { type Refusal, refuse } from "./refusals.js";
import { linearNode } from "./rules.js";
import { ValueFacts } from "./value-facts.js";
import { asPixels, type Candidate, identityOf, pixelsOf, reshapedView, sameView, transposed, viewOf } from "./view.js";

export interface Propagation {
  /** For each value that a linear node gives: its candidates, the farthest source first. */
  readonly candidates: ReadonlyMap<string, readonly Candidate[]>;
  readonly linear: ReadonlyMap<GraphNode, LinearNode>;
  /** The rule that a node is linear by, or refused by. */
  readonly rules: ReadonlyMap<GraphNode, Rule>;
  /** Multiply-accumulates of each linear node. */
  readonly macs: ReadonlyMap<GraphNode, number>;
  readonly refusals: ReadonlyMap<GraphNode, readonly NodeRefusal[]>;
  /** Place of each value in the graph's order. */
  readonly order: ReadonlyMap<string, number>;
  readonly facts: ValueFacts;
}

/** Why a node could not be merged with what lies between it and `source`; without a source: with anything. */
export interface NodeRefusal extends Refusal {
  readonly source: string | undefined;
}

/** Regions are not followed over more sources than this: bounds the work on long linear chains. */
const mostCandidates = 8;

/**
 * Linear-map propagation: walks the graph in order and gives each value its maps from the values it linearly depends on. Only
 * geometry and biases are computed; kernels are expressions until a region is chosen.
 */
export function propagate(graph: Graph, analysis: Pick<Analysis, "shapes" | "dtypes" | "context">): Propagation {
  const walk = new Walk(graph, analysis);
  for (const node of graph.nodes) walk.visit(node);
  return walk;
}

class Walk implements Propagation {
  readonly candidates = new Map<string, readonly Candidate[]>();
  readonly linear = new Map<GraphNode, LinearNode>();
  readonly rules = new Map<GraphNode, Rule>();
  readonly macs = new Map<GraphNode, number>();
  readonly refusals = new Map<GraphNode, NodeRefusal[]>();
  readonly order = new Map<string, number>();
  readonly facts: ValueFacts;
  readonly #graph: Graph;
  readonly #analysis: Pick<Analysis, "shapes" | "dtypes" | "context">;
  readonly #outputs: ReadonlySet<string>;
  readonly #producers: ReadonlyMap<string, GraphNode>;
  /** Positions of each value of unknown size, relative to the nearest value of unknown size before it. */
  readonly #areas = new Map<string, number>();

  constructor(graph: Graph, analysis: Pick<Analysis, "shapes" | "dtypes" | "context">) {
    this.#graph = graph;
    this.#analysis = analysis;
    this.facts = new ValueFacts(graph, analysis.shapes);
    this.#producers = producersOf(graph);
    this.#outputs = new Set(graph.outputs.map(({ name }) => name));
    graph.inputs.forEach(({ name }, i) => void this.order.set(name, i - graph.inputs.length));
  }

  visit(node: GraphNode): void {
    for (const output of node.outputs) this.order.set(output, this.order.size);
    const constants = this.#graph.initializers;
    const { shapes, dtypes } = this.#analysis;
    const contextOf = (other: GraphNode): NodeContext | undefined => this.#analysis.context(other);
    const own = contextOf(node);
    const ruled = own && linearNode({ node, own, constants, shapes, dtypes, producers: this.#producers, contextOf });
    if (!ruled) return;
    const linear = ruled.made;
    this.rules.set(node, ruled.rule);
    if ("refused" in linear) {
      this.#refuse(node, undefined, linear);
      return;
    }
    if (linear.kind === "split") {
      this.#split(node, linear);
      return;
    }
    if (node.outputs.slice(1).some((output) => output !== "")) return; // Dropout's mask is read
    const found = this.#found(node, linear);
    if (found.length === 0) return;
    this.linear.set(node, linear);
    this.candidates.set(node.outputs[0], this.#withParts(found));
  }

  #found(node: GraphNode, linear: Exclude<LinearNode, SplittingNode>): Candidate[] {
    if (linear.kind === "unary") return this.#unary(node, linear);
    return linear.kind === "reshape" ? this.#reshape(node, linear.input) : this.#joining(node, linear);
  }

  #reshape(node: GraphNode, input: string): Candidate[] {
    const { shapes } = this.#analysis;
    const [from, to] = [shapes.get(input), shapes.get(node.outputs[0])];
    if (!to) return [];
    this.macs.set(node, 0);
    const pixels = this.#graph.initializers.has(input) ? undefined : pixelsOf(input, from, to);
    const known = [...(this.candidates.get(input) ?? []), ...this.#identities(input)];
    const found = known.flatMap((each) => reshapedView(each, from, to, shapes.get(each.source)) ?? []);
    // A value of one position is its own features, and needs no Reshape before.
    return pixels && !found.some(({ source }) => source === input) ? [...found, pixels] : found;
  }

  #unary(node: GraphNode, linear: UnaryNode): Candidate[] {
    const { input, weighted = false } = linear;
    const known = this.candidates.get(input) ?? [];
    // An affine node never has a reason to begin a region at a value that only it reads, unless that is seen through a Reshape alone.
    const seen = known.some(({ image, lead }) => !image && !lead);
    const begins = !linear.free || !seen || this.facts.isRead(input, 2) || this.#outputs.has(input);
    const after = (from: Candidate): Candidate[] => {
      const given = from.image ? linear.afterPixels?.(from.map, from.image) : linear.after(from.map, from);
      if (!given) return [];
      if (isRefusal(given)) {
        this.#refuse(node, from.source, given);
        return [];
      }
      const after = "image" in given ? { ...given, rank: given.image.length + 1 } : { map: given };
      const made = { ...from, ...(linear.permutation && transposed(from, linear.permutation)), ...after };
      const { image } = made;
      const own = image
        ? linear.macs(image[0]) * product(image.slice(1))
        : linear.macs(made.map.outChannels) * this.#area(node.outputs[0], made);
      this.macs.set(node, own);
      return [this.#candidate(node.outputs[0], made, cheapest(from) + own, from.weighted || weighted)];
    };
    const found = known.flatMap(after);
    if (!begins && found.length > 0) return found;
    return [...found, ...this.#identities(input, linear.channelsLast).flatMap(after)];
  }

  #split(node: GraphNode, linear: SplittingNode): void {
    const inputs = [...(this.candidates.get(linear.input) ?? []), ...this.#identities(linear.input)];
    const found = inputs.flatMap((from) => {
      if (from.image) return [];
      const parts = linear.parts(from.map, from);
      if (!parts) return [];
      if (isRefusal(parts)) this.#refuse(node, from.source, parts);
      return isRefusal(parts) ? [] : [{ from, parts }];
    });
    this.macs.set(node, 0);
    node.outputs.forEach((output, i) => {
      const ways = found.flatMap(({ from, parts }) => {
        if (output === "" || parts[i].share <= 0) return [];
        const { map, share } = parts[i];
        // The rest is other outputs' cost.
        return [this.#candidate(output, { ...from, map }, share * cheapest(from), from.weighted)];
      });
      if (ways.length === 0) return;
      this.linear.set(node, linear);
      this.candidates.set(output, this.#withParts(ways));
    });
  }

  #joining(node: GraphNode, { kind, inputs, signs, axis = 1 }: JoiningNode): Candidate[] {
    const known = inputs.map((input) => [...(this.candidates.get(input) ?? []), ...this.#identities(input)]);
    const sisters = known.flat();
    const pixels = kind === "sum" ? new Set(sisters.filter(({ flat }) => flat).map(({ source }) => source)) : undefined;
    // A value that is a source of its sisters is a map of itself, whatever else is known of it.
    const options = known.map((list, i) => [
      ...list,
      ...sisters.flatMap((sister) => {
        const upright = sister.source === inputs[i] && !sister.permutation && !sister.image;
        const itself = upright ? this.#itself(inputs[i], sister) : undefined;
        return itself && !list.some((each) => sameView(each, itself)) ? [itself] : [];
      }),
      // Beside a layer over all pixels of a source, a convolution of it is one too.
      ...list.flatMap((each) =>
        pixels?.has(each.source) ? (asPixels(each, this.#analysis.shapes.get(each.source)) ?? []) : [],
      ),
    ]);
    const common = (options[0] ?? []).filter((each) =>
      options.every((list) => list.some((other) => sameView(each, other))),
    );
    const joined =
      kind === "sum"
        ? common
        : common.filter(({ rank, channelAxis, image, lead }) => axisOf(axis, rank) === channelAxis && !image && !lead);
    if (common.length === 0 && kind === "sum") {
      this.#refuse(node, undefined, refuse("no-common-source", this.#noCommonSource(inputs, options)));
    }
    return joined.flatMap((view) => {
      const parts = options.map((list) => list.find((candidate) => sameView(candidate, view))!);
      const maps = parts.map(({ map }, i) => scaledBy(map, signs[i]));
      const sizes = spatialRank(view.map) > 0 ? this.facts.spatialSizes(view.source) : undefined;
      const map = kind === "sum" ? sum(maps, sizes) : concat(maps, sizes);
      if (isRefusal(map)) {
        this.#refuse(node, view.source, map);
        return [];
      }
      const made = { ...view, map };
      const own = kind === "sum" ? map.outChannels * this.#area(node.outputs[0], made) * (inputs.length - 1) : 0;
      this.macs.set(node, own);
      const unfolded = parts.reduce((total, part) => total + cheapest(part), own);
      return [
        this.#candidate(
          node.outputs[0],
          made,
          unfolded,
          parts.some(({ weighted }) => weighted),
        ),
      ];
    });
  }

  #candidate(
    value: string,
    made: View & Pick<Candidate, "source" | "map">,
    unfolded: number,
    weighted: boolean,
  ): Candidate {
    const map = settled(made.map);
    const area = this.#area(value, { ...made, map });
    const folded = macsPerPosition(asOneNode(map)) * area;
    return { source: made.source, map, ...viewOf(made), weighted, area, folded, unfolded };
  }

  /** Compares each candidate also with two steps: source → nearer source → value. */
  #withParts(found: readonly Candidate[]): Candidate[] {
    const sorted = found
      .toSorted((a, b) => this.order.get(a.source)! - this.order.get(b.source)!)
      .slice(-mostCandidates);
    return sorted.map((far) => {
      let { unfolded } = far;
      for (const near of sorted) {
        if (near.image && !far.image) continue; // counted for other batches
        const first = this.candidates.get(near.source)?.find(({ source }) => source === far.source);
        if (first) unfolded = Math.min(unfolded, cheapest(first) + cheapest(near));
      }
      return { ...far, unfolded };
    });
  }

  /** The value as the identity of itself, where its channels are known: on the second axis, on the last one too if wanted. A constant has no source. */
  #identities(value: string, channelsLast = false): Candidate[] {
    if (this.#graph.initializers.has(value)) return [];
    const own = this.candidates.get(value)?.find(({ permutation, image }) => !permutation && !image);
    const rank = this.facts.rank(value) ?? own?.rank;
    if (rank === undefined) return [];
    const axes = channelsLast && rank > 2 ? [1, rank - 1] : [1];
    return axes.flatMap((axis) => {
      const channels =
        this.facts.channels(value, axis) ?? (own?.channelAxis === axis ? own.map.outChannels : undefined);
      const axesOfPositions = axis === rank - 1 ? 0 : rank - 2;
      return channels === undefined ? [] : [identityOf(value, channels, rank, axesOfPositions)];
    });
  }

  /** The source of a candidate as the identity of itself. */
  #itself(value: string, { map, rank }: Candidate): Candidate {
    return identityOf(value, map.sourceChannels, rank, spatialRank(map));
  }

  #area(value: string, { source, map, channelAxis, image }: View & Pick<Candidate, "source" | "map">): number {
    if (image) return 1; // all its positions are channels of the map
    const stated = this.facts.positions(value, channelAxis);
    if (stated !== undefined) return stated;
    const known = this.#areas.get(value);
    if (known !== undefined) return known;
    const before = this.facts.positions(source, spatialRank(map) > 0 ? 1 : channelAxis) ?? this.#areas.get(source) ?? 1;
    const area = (before * product(map.upsampling)) / product(map.stride);
    this.#areas.set(value, area);
    return area;
  }

  #refuse(node: GraphNode, source: string | undefined, refusal: Refusal): void {
    const list = this.refusals.get(node) ?? [];
    list.push({ source, ...refusal });
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

/** A map as the node that it becomes computes it: a matrix has no groups. */
function asOneNode(map: LinearMap): LinearMap {
  const whole = asOneConvolution(map);
  return spatialRank(map) === 0 ? { ...whole, groups: 1 } : whole;
}

/** What a candidate costs at best. */
export function cheapest({ folded, unfolded }: Candidate): number {
  return Math.min(folded, unfolded);
}
