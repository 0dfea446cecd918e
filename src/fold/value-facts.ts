import type { NamedArray } from "../core/named-arrays.js";
import { intAttribute, intsAttribute } from "../graph/attributes.js";
import type { Dimension, Graph, GraphNode } from "../graph/graph.js";
import { consumersOf } from "../graph/validate.js";

/** A graph that states more channels than this makes no sense. */
const mostChannels = 2 ** 24;
/** Most spatial axes of a map. */
const mostAxes = 3;

/** Ranks, channels and sizes of values: as the graph states them, or as the nodes tell that read them. */
export class ValueFacts {
  readonly #constants: ReadonlyMap<string, NamedArray>;
  readonly #shapes: ReadonlyMap<string, readonly Dimension[]>;
  readonly #consumers: ReadonlyMap<string, readonly GraphNode[]>;
  readonly #ranks = new Map<string, number | undefined>();

  constructor(graph: Graph, shapes: ReadonlyMap<string, readonly Dimension[]>) {
    this.#constants = graph.initializers;
    this.#shapes = shapes;
    this.#consumers = consumersOf(graph);
  }

  isRead(value: string, times: number): boolean {
    return (this.#consumers.get(value)?.length ?? 0) >= times;
  }

  /** A value's rank where it has channels and at most three axes of positions. */
  rank(value: string): number | undefined {
    const stated = this.#shapes.get(value)?.length;
    const rank = stated ?? this.#readRank(value, 4);
    return rank !== undefined && rank >= 2 && rank <= 2 + mostAxes ? rank : undefined;
  }

  /** Channels of a value on an axis: the second, or the last. A convolution tells its input's, whatever the graph says of its shape. */
  channels(value: string, axis: number): number | undefined {
    const stated = this.#shapes.get(value)?.[axis];
    const readers = axis === 1 ? (this.#consumers.get(value) ?? []) : [];
    const read = readers.map((node) => this.#readChannels(node, value)).find((count) => count !== undefined);
    const count = read ?? stated;
    return typeof count === "number" && count >= 1 && count <= mostChannels ? count : undefined;
  }

  /** Positions of a value of which one axis is the channels; undefined where a size is not known. */
  positions(value: string, channelAxis: number): number | undefined {
    const sizes = this.#shapes.get(value)?.filter((_, axis) => axis !== 0 && axis !== channelAxis);
    if (!sizes?.every((size) => typeof size === "number")) return undefined;
    return sizes.reduce((total, size) => total * size, 1);
  }

  /** Sizes of a value behind its channels, where all are known. */
  spatialSizes(value: string): readonly number[] | undefined {
    const sizes = this.#shapes.get(value)?.slice(2);
    return sizes?.every((size) => typeof size === "number") ? (sizes as number[]) : undefined;
  }

  /** The rank that a reader's window tells; of the values behind it too where a reader keeps the rank. */
  #readRank(value: string, depth: number): number | undefined {
    if (this.#ranks.has(value)) return this.#ranks.get(value);
    let rank: number | undefined;
    for (const { op, domain, inputs, outputs, ...node } of this.#consumers.get(value) ?? []) {
      if (domain !== "" || inputs[0] !== value) continue;
      const weight = this.#constants.get(inputs[1] ?? "");
      if (op === "Conv" || op === "ConvTranspose") rank = weight?.shape.length;
      else if (/Pool$/.test(op) && node.attributes.kernel_shape) {
        rank = intsAttribute({ op, domain, inputs, outputs, ...node }, "kernel_shape")!.length + 2;
      } else if (op === "BatchNormalization" && depth > 0) rank = this.#readRank(outputs[0], depth - 1);
      if (rank !== undefined) break;
    }
    this.#ranks.set(value, rank);
    return rank;
  }

  #readChannels(node: GraphNode, value: string): number | undefined {
    if (node.domain !== "" || node.inputs[0] !== value) return undefined;
    const shape = this.#constants.get(node.inputs[1] ?? "")?.shape;
    if (!shape) return undefined;
    if (node.op === "Conv") return shape[1] * intAttribute(node, "group", 1);
    return node.op === "ConvTranspose" || node.op === "BatchNormalization" ? shape[0] : undefined;
  }
}
