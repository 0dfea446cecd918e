import type { Sizes } from "../../conv-algebra/geometry.js";
import type { LinearMap } from "../../conv-algebra/linear-map.js";
import type { PixelMap } from "../../conv-algebra/pixels.js";
import type { DType, NamedArray } from "../../core/named-arrays.js";
import type { Dimension, GraphNode } from "../../graph/graph.js";
import type { NodeContext } from "../../graph/operator/operator.js";
import type { Refusal } from "../refusals.js";

/** A node that is linear in its inputs, as what it does to the maps that give them. */
export type LinearNode = UnaryNode | JoiningNode | SplittingNode | ReshapingNode;

/**
 * How a value is what a map gives. A map with spatial axes gives [N, C, …positions]; one without gives [N, …, C]: features on the last
 * axis, whatever lies before it. Nodes that change the order of axes only are kept as the order.
 */
export interface View {
  readonly rank: number;
  /** Where the value has the map's channels. */
  readonly channelAxis: number;
  /** The value's axes as axes of what the map gives, where a Transpose lies in between. */
  readonly permutation?: readonly number[] | undefined;
  /**
   * Sizes behind the batch, where the value is [N, …image] of a pointwise map of all numbers of an image: the map gives [N, product of these, 1, 1],
   * in the same order.
   */
  readonly image?: Sizes | undefined;
  /** The map's source is not [N, F, 1, 1] yet, but a value of another shape in the same order. */
  readonly flat?: boolean | undefined;
  /** Sizes before the last axis of a value of features, where a Reshape made them others than the source's. */
  readonly lead?: readonly Dimension[] | undefined;
}

/** Whether a value lies as what its map gives, with the channels on the second axis. */
export const isUpright = ({ channelAxis, permutation, image, lead }: View): boolean =>
  channelAxis === 1 && !permutation && !image && !lead;

export interface UnaryNode {
  readonly kind: "unary";
  readonly input: string;
  /** The node after a map; undefined where it is not linear in a value seen so. */
  after(map: LinearMap, view: View): LinearMap | Refusal | undefined;
  /** The node after a map of an image's numbers ({@link View.image}); absent where it is none. */
  afterPixels?(map: LinearMap, image: Sizes): PixelMap | Refusal | undefined;
  /** Per-channel affine: after any map it costs nothing and is always exact. */
  readonly free: boolean;
  /** It has weights of its own: what is linear around it goes into them. */
  readonly weighted?: boolean;
  /** Its channels may lie on the last axis. */
  readonly channelsLast?: boolean;
  /** Multiply-accumulates for one output position, of a value with that many channels. */
  macs(channels: number): number;
  /** A Transpose's order of axes. */
  readonly permutation?: readonly number[];
}

export interface JoiningNode {
  readonly kind: "sum" | "concat";
  readonly inputs: readonly string[];
  /** For sums: what each input is multiplied by, +1 or −1; of a mean ±1/n. */
  readonly signs: readonly number[];
  /** For concatenations: the axis; negative from the end. */
  readonly axis?: number;
}

/** A node whose outputs are parts of its input. */
export interface SplittingNode {
  readonly kind: "split";
  readonly input: string;
  /** Each output after a map, and its share of the value; undefined where it is not linear in a value seen so. */
  parts(map: LinearMap, view: View): readonly Part[] | Refusal | undefined;
}

/** A node that gives its input's numbers in another shape. */
export interface ReshapingNode {
  readonly kind: "reshape";
  readonly input: string;
}

export interface Part {
  readonly map: LinearMap;
  /** From 0 to 1. */
  readonly share: number;
}

export type Shapes = ReadonlyMap<string, readonly Dimension[]>;

/** What a maker may look at. */
export interface Context {
  readonly node: GraphNode;
  /** The node by its operator's definition: version, operands' shapes and contents. */
  readonly own: NodeContext;
  readonly constants: ReadonlyMap<string, NamedArray>;
  readonly shapes: Shapes;
  /** Element types of values, as far as they are known. */
  readonly dtypes: ReadonlyMap<string, DType>;
  /** The node that gives a value. */
  readonly producers: ReadonlyMap<string, GraphNode>;
  /** Another node by its operator's definition; undefined for operators that are not understood. */
  contextOf(node: GraphNode): NodeContext | undefined;
}

/** How one operator is linear; undefined where a node of it is not. */
export type Maker = (context: Context) => LinearNode | Refusal | undefined;

/** An axis of a value of that rank; negative ones count from the end. */
export const axisOf = (axis: number, rank: number): number => (axis < 0 ? axis + rank : axis);

/** Axes of positions: those behind the channels of a value that lies as a convolution gives it. */
export const isPlain = ({ channelAxis, permutation }: View, map: LinearMap): boolean =>
  !permutation && channelAxis === 1 && map.kernelSize.length > 0;
