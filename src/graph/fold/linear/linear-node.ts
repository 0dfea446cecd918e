import type { LinearMap, Refusal } from "../../../conv-algebra/linear-map.js";
import type { NamedArray } from "../../../core/named-arrays.js";
import type { Dimension, GraphNode } from "../../graph.js";

/** A node that is linear in its inputs, as what it does to the maps that give them. */
export type LinearNode = UnaryNode | JoiningNode | SplittingNode;

export interface UnaryNode {
  readonly kind: "unary";
  readonly input: string;
  /** The node after a map. */
  after(map: LinearMap): LinearMap | Refusal;
  /** Per-channel affine: after any map it costs nothing and is always exact. */
  readonly free: boolean;
  /** Multiply-accumulates for one output position, of a value with that many channels. */
  macs(channels: number): number;
}

export interface JoiningNode {
  readonly kind: "sum" | "concat";
  readonly inputs: readonly string[];
  /** For sums: +1 or −1 of each input. */
  readonly signs: readonly number[];
}

/** A node whose outputs are channels of its input. */
export interface SplittingNode {
  readonly kind: "split";
  readonly input: string;
  /** The channels of each output, of a value with that many. */
  ranges(channels: number): readonly (readonly [first: number, last: number])[] | Refusal;
}

export type Shapes = ReadonlyMap<string, readonly Dimension[]>;

/** What a maker may look at. */
export interface Context {
  readonly node: GraphNode;
  readonly constants: ReadonlyMap<string, NamedArray>;
  readonly shapes: Shapes;
}

/** How one operator is linear; undefined where a node of it is not. */
export type Maker = (context: Context) => LinearNode | Refusal | undefined;
