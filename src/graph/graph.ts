import type { NamedArray } from "../core/named-arrays.js";

/**
 * The graph IR: ONNX's model of a net (operator names, attribute names and semantics of the default ONNX domain;
 * activations NCHW), as plain immutable records. Passes return a new graph and never change the one they were given.
 */
export interface Graph {
  /** As its file calls it. */
  readonly name: string;
  /** The values that the graph reads; initializers are none of them. */
  readonly inputs: readonly ValueInfo[];
  /** The values that the graph returns, in order. */
  readonly outputs: readonly ValueInfo[];
  /** In an order in which every value is written before it is read. */
  readonly nodes: readonly GraphNode[];
  /** Constant values by name: weights, biases, shapes. */
  readonly initializers: ReadonlyMap<string, NamedArray>;
  /** What the file says of values in between: of use where an operator is not understood. */
  readonly valueInfo?: readonly ValueInfo[];
}

/** A size, or the name of a dynamic one ("batch"). */
export type Dimension = number | string;

/** A value of a graph: name, type and, where it is known, shape. */
export interface ValueInfo {
  /** Unique in the graph. */
  readonly name: string;
  /** Type of its elements. */
  readonly dtype: NamedArray["dtype"];
  /** Undefined where the rank itself is unknown. */
  readonly shape: readonly Dimension[] | undefined;
}

/** Attribute values of ONNX; `tensor` and `graph` cover Constant and control flow. */
export type AttributeValue =
  | { readonly type: "int"; readonly value: number }
  | { readonly type: "float"; readonly value: number }
  | { readonly type: "string"; readonly value: string }
  | { readonly type: "ints"; readonly value: readonly number[] }
  | { readonly type: "floats"; readonly value: readonly number[] }
  | { readonly type: "strings"; readonly value: readonly string[] }
  | { readonly type: "tensor"; readonly value: NamedArray }
  /** Kept as its bytes: a part that we do not interpret but write back unchanged. */
  | { readonly type: "opaque"; readonly onnxType: number; readonly bytes: Uint8Array };

/** One operator of a graph, with what it reads and gives. */
export interface GraphNode {
  /** Unique in the graph; for our own nets the module's path, as `stage1.0.rbr_dense.conv`. */
  readonly name: string;
  /** ONNX operator: Conv, BatchNormalization, Relu, Add, … */
  readonly op: string;
  /** "" is the default ONNX domain. */
  readonly domain: string;
  /** Version of ONNX's operator set that the node is written in; absent in nodes that we make, which mean the same in all of them. */
  readonly opset?: number;
  /** Value names; "" where an optional input is absent. */
  readonly inputs: readonly string[];
  /** Value names; "" where an optional output is not wanted. */
  readonly outputs: readonly string[];
  /** By ONNX's names. */
  readonly attributes: Readonly<Record<string, AttributeValue>>;
}
