import { UserError } from "../../core/errors.js";
import type { GraphNode } from "../graph.js";
import type { Tensor64 } from "./tensor64.js";

/** One ONNX operator: values in, values out. An absent optional input is undefined. */
export type Operator = (inputs: readonly (Tensor64 | undefined)[], node: GraphNode) => Tensor64[];

export type Operators = Readonly<Record<string, Operator>>;

/** Input i of a node. @throws UserError where it is absent. */
export function required(inputs: readonly (Tensor64 | undefined)[], index: number, node: GraphNode): Tensor64 {
  const input = inputs[index];
  if (!input) {
    throw new UserError({ expected: `input ${index} of ${node.op} "${node.name}"`, received: "none" });
  }
  return input;
}

/** The integers of an input, or of the attribute that older opsets have in its place; undefined where neither is there. */
export function integers(input: Tensor64 | undefined, attribute: readonly number[] | undefined): number[] | undefined {
  return input ? Array.from(input.data) : attribute && [...attribute];
}
