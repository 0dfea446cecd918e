import { ShapeError } from "../../core/errors.js";
import type { DType } from "../../core/named-arrays.js";
import type { Tensor64 } from "../evaluate/tensor64.js";
import type { Dimension, GraphNode } from "../graph.js";
import type { Signature } from "./signature.js";

export type Shape = readonly Dimension[];

/** What is known of a node's operands before it runs: everything that shape rules, fold rules and lowerings may ask. */
export interface NodeContext {
  readonly node: GraphNode;
  /** Of the operator: the newest of {@link Operator.versions} that the node's operator set has. */
  readonly version: number;
  /** Shape of an input; undefined where its rank is unknown or the input is absent. Dynamic sizes by name. */
  shape(input: number): Shape | undefined;
  dtype(input: number): DType | undefined;
  /** Elements of a small constant vector or scalar (shapes, axes, pads, scales), dynamic sizes by name; undefined where unknown or absent. */
  contents(input: number): readonly Dimension[] | undefined;
}

/** A node with its operands, to be computed. */
export interface NodeCall extends NodeContext {
  /** An absent optional input is undefined. */
  readonly inputs: readonly (Tensor64 | undefined)[];
  /** What the shape rule says of the outputs; undefined for those that depend on the data. */
  readonly outputShapes: readonly (readonly number[] | undefined)[];
}

/**
 * One operator of the default ONNX domain: all that this package knows of its meaning. Shape inference, the float64 evaluator, the fold
 * and the engine ask here, so that they cannot disagree.
 */
export interface Operator {
  readonly name: string;
  /** Since-versions of ONNX's schema that are understood, ascending. A node of an older operator set is not. */
  readonly versions: readonly number[];
  /** Names, element types and arity of the operands; by version where they differ in more than the types allowed. */
  signature(version: number): Signature;
  /**
   * Checks operands and attributes against the definition, as far as they are known, and gives the outputs' shapes.
   * @returns undefined for a shape that cannot be told
   * @throws ShapeError that names the node, what it expected and what it received
   */
  infer(context: NodeContext): readonly (Shape | undefined)[];
  /** By the definition, in float64, without any cleverness. Operands have passed {@link infer}. Absent: not evaluated. */
  evaluate?(call: NodeCall): readonly Tensor64[];
  /** Element types of outputs where the signature does not tell them (Cast, Constant). */
  dtypes?(context: NodeContext): readonly (DType | undefined)[];
  /**
   * Elements of a small integer output whose sizes may be dynamic: what the Shape → Gather → Concat → Reshape chains of exporters carry.
   * Asked only where not all inputs are constants.
   */
  contents?(context: NodeContext): readonly Dimension[] | undefined;
}

/** @throws ShapeError that names the node. */
export function refuse(
  { node }: Pick<NodeContext, "node">,
  expected: string,
  received: string,
  remedy?: string,
): never {
  throw new ShapeError({
    expected: `${expected} in ${node.op} "${node.name}"`,
    received,
    ...(remedy !== undefined && { remedy }),
  });
}

/** "[2, 3]", for messages. */
export function describe(shape: Shape): string {
  return `[${shape.join(", ")}]`;
}
