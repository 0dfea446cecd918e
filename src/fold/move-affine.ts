import type { NamedArray } from "../core/named-arrays.js";
import { storageConstructor } from "../core/named-arrays.js";
import { intAttribute } from "../graph/attributes.js";
import { Names } from "../graph/build.js";
import type { Graph, GraphNode } from "../graph/graph.js";
import { valueNames } from "../graph/subgraphs.js";
import type { Propagation } from "./candidates.js";
import type { Dataflow } from "./dataflow.js";
import { axisOf } from "./linear/linear-node.js";
import type { Selection } from "./select.js";

interface Found {
  readonly graph: Graph;
  readonly flow: Dataflow;
  readonly propagation: Propagation;
  readonly selection: Selection;
}

/** A node that is replaced: by these nodes in its place, and itself (and another) no longer. */
interface Move {
  readonly gone: ReadonlySet<GraphNode>;
  readonly at: GraphNode;
  readonly nodes: readonly GraphNode[];
}

/**
 * The graph with scales and shifts (BatchNormalization, or a constant per channel) moved across what only arranges channels, to where a
 * convolution takes them in: from behind a Concat before it, each part with its channels' constants, where at most one part has no convolution
 * to take them; and from before a Flatten behind it, each constant as often as its channel has positions, where a fully connected layer reads
 * it. Constants are copied, not computed. Undefined where nothing moves.
 */
export function withMovedAffines(found: Found): Graph | undefined {
  const mover = new Mover(found);
  const touched = new Set<GraphNode>();
  const moves = found.graph.nodes.flatMap((node) => {
    const move = mover.beforeConcat(node) ?? mover.behindFlatten(node);
    if (!move || [...move.gone].some((gone) => touched.has(gone))) return [];
    for (const gone of move.gone) touched.add(gone);
    return [move];
  });
  if (moves.length === 0) return undefined;
  const at = new Map(moves.map((move) => [move.at, move.nodes]));
  const nodes = found.graph.nodes.flatMap((node) => at.get(node) ?? (touched.has(node) ? [] : [node]));
  return { ...found.graph, nodes, initializers: mover.initializers };
}

class Mover {
  readonly initializers: Map<string, NamedArray>;
  readonly #found: Found;
  readonly #values: Names;
  readonly #nodes: Names;
  /** Nodes that a convolution takes in where they are. */
  readonly #absorbed: ReadonlySet<GraphNode>;

  constructor(found: Found) {
    const { graph } = found;
    this.#found = found;
    this.initializers = new Map(graph.initializers);
    const weighted = [...found.selection.regions.values()].filter(({ candidate }) => candidate.weighted);
    this.#absorbed = new Set(weighted.flatMap(({ nodes }) => nodes));
    this.#nodes = new Names(graph.nodes.map(({ name }) => name));
    this.#values = valueNames(graph);
  }

  /** affine ∘ Concat as Concat ∘ affines. */
  beforeConcat(node: GraphNode): Move | undefined {
    const { flow } = this.#found;
    const joined = this.#affineInput(node);
    const concat = joined === undefined ? undefined : flow.producers.get(joined);
    if (!joined || concat?.op !== "Concat" || concat.domain !== "" || flow.onlyReader(joined) !== node)
      return undefined;
    const channels = concat.inputs.map((part) => this.#channels(part));
    const total = channels.reduce<number>((sum, count) => sum + (count ?? Number.NaN), 0);
    if (this.#absorbed.has(concat) || !this.#onChannels(concat, joined) || !this.#fits(node, total)) return undefined;
    const taken = concat.inputs.filter((part) => flow.onlyReader(part) === concat && this.#endsInWeights(part));
    if (taken.length === 0 || taken.length < concat.inputs.length - 1) return undefined;
    let first = 0;
    const parts = concat.inputs.map((part, i) => {
      const rows = Array.from({ length: channels[i]! }, (_, c) => first + c);
      first += rows.length;
      return this.#copied(node, part, rows, `${node.outputs[0]}.${i}`);
    });
    const again = { ...concat, inputs: parts.map(({ outputs }) => outputs[0]), outputs: node.outputs };
    return { gone: new Set([node, concat]), at: node, nodes: [...parts, again] };
  }

  /** Flatten ∘ affine as affine ∘ Flatten. */
  behindFlatten(node: GraphNode): Move | undefined {
    const { flow, propagation } = this.#found;
    const input = this.#affineInput(node);
    const flatten = flow.onlyReader(node.outputs[0]);
    if (input === undefined || !flatten || !["Flatten", "Reshape"].includes(flatten.op)) return undefined;
    if (this.#absorbed.has(node) || flatten.domain !== "" || flatten.inputs[0] !== node.outputs[0]) return undefined;
    const [channels, features] = [this.#channels(input), propagation.facts.channels(flatten.outputs[0], 1)];
    const toFeatures = propagation.facts.rank(flatten.outputs[0]) === 2 && (propagation.facts.rank(input) ?? 0) > 2;
    const positions = propagation.facts.positions(input, 1);
    if (
      !this.#leadsToWeights(flatten.outputs[0]) ||
      !toFeatures ||
      !channels ||
      features !== channels * (positions ?? Number.NaN)
    )
      return undefined;
    if (!this.#fits(node, channels)) return undefined;
    const rows = Array.from({ length: features }, (_, f) => Math.floor(f / positions!));
    const name = `${node.outputs[0]}.flat`;
    const flat = { ...flatten, inputs: [input, ...flatten.inputs.slice(1)], outputs: [this.#values.take(name)] };
    const moved = this.#copied(node, flat.outputs[0], rows, name, flatten.outputs[0]);
    return { gone: new Set([node, flatten]), at: flatten, nodes: [flat, moved] };
  }

  /** What a scale or shift by constants reads; undefined for any other node. */
  #affineInput(node: GraphNode): string | undefined {
    const linear = this.#found.propagation.linear.get(node);
    if (linear?.kind !== "unary" || !linear.free || node.inputs.length < 2) return undefined;
    const { initializers } = this.#found.graph;
    return node.inputs.every((name) => name === linear.input || initializers.has(name)) ? linear.input : undefined;
  }

  #channels(value: string): number | undefined {
    const { facts, candidates } = this.#found.propagation;
    const own = candidates.get(value)?.find(({ channelAxis, permutation }) => channelAxis === 1 && !permutation);
    return facts.channels(value, 1) ?? own?.map.outChannels;
  }

  #onChannels(concat: GraphNode, joined: string): boolean {
    const axis = intAttribute(concat, "axis", 1);
    const rank = this.#found.propagation.facts.rank(joined);
    return axis === 1 || (rank !== undefined && axisOf(axis, rank) === 1);
  }

  /** Whether a node's constants are one a channel, or one for all. */
  #fits(node: GraphNode, channels: number): boolean {
    const rank = this.#found.propagation.facts.rank(this.#affineInput(node)!) ?? 4;
    return constantsOf(node, this.initializers).every((name) => {
      const axis = channelAxis(node, this.initializers.get(name)!, rank);
      const { shape } = this.initializers.get(name)!;
      const own = axis === undefined ? 1 : shape[axis];
      return shape.every((size, at) => size === 1 || at === axis) && (own === 1 || own === channels);
    });
  }

  /** Whether a value comes out of a convolution that takes a scale in. */
  #endsInWeights(value: string): boolean {
    const { flow, propagation, selection } = this.#found;
    const producer = flow.producers.get(value);
    if (!producer) return false;
    const region = selection.regions.get(producer);
    if (region) return region.candidate.weighted;
    const linear = propagation.linear.get(producer);
    return linear?.kind === "unary" && linear.weighted === true && producer.op !== "AveragePool";
  }

  /** Whether a layer with weights reads a value, or scales and shifts of it do that one reads. */
  #leadsToWeights(value: string): boolean {
    const reader = this.#found.flow.onlyReader(value);
    if (!reader) return false;
    if (this.#affineInput(reader) === value) return this.#leadsToWeights(reader.outputs[0]);
    const linear = this.#found.propagation.linear.get(reader);
    return linear?.kind === "unary" && linear.weighted === true && linear.input === value;
  }

  /** The node on another value, with the constants of these channels. */
  #copied(node: GraphNode, input: string, rows: readonly number[], name: string, output?: string): GraphNode {
    const from = this.#affineInput(node)!;
    const rank = this.#found.propagation.facts.rank(from) ?? 4;
    const flat = output !== undefined;
    const constants = new Map(
      constantsOf(node, this.initializers).map((constant) => {
        const array = this.initializers.get(constant)!;
        const axis = channelAxis(node, array, rank);
        if (axis === undefined || array.shape[axis] === 1) {
          const shape = flat && array.shape.length > 1 ? [1] : array.shape;
          return [constant, this.#add(`${constant}.${name}`, { ...array, shape } as NamedArray)];
        }
        const shape = flat ? [rows.length] : array.shape.with(axis, rows.length);
        return [constant, this.#add(`${constant}.${name}`, gathered(array, rows, shape))];
      }),
    );
    return {
      ...node,
      name: this.#nodes.take(name),
      inputs: node.inputs.map((value) => (value === from ? input : constants.get(value)!)),
      outputs: [output ?? this.#values.take(name)],
    };
  }

  #add(name: string, array: NamedArray): string {
    const taken = this.#values.take(name);
    this.initializers.set(taken, array);
    return taken;
  }
}

const constantsOf = (node: GraphNode, constants: ReadonlyMap<string, NamedArray>): string[] =>
  node.inputs.filter((name) => constants.has(name));

/** The axis of a constant that lies along the channels of a value of that rank; undefined where it has none there. */
function channelAxis({ op }: GraphNode, { shape }: NamedArray, rank: number): number | undefined {
  const axis = op === "BatchNormalization" ? 0 : 1 - rank + shape.length;
  return axis < 0 ? undefined : axis;
}

function gathered(array: NamedArray, rows: readonly number[], shape: readonly number[]): NamedArray {
  const { dtype, data } = array;
  const picked = new storageConstructor[dtype](rows.length);
  rows.forEach((row, i) => {
    picked[i] = data[row];
  });
  return { dtype, shape, data: picked } as NamedArray;
}
