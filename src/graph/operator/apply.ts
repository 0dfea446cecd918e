import { UserError } from "../../core/errors.js";
import { elementCount } from "../../core/named-arrays.js";
import { notUnderstood, operatorOf } from "../../operators/registry.js";
import { checkCount, type Tensor64, wrapped } from "../evaluate/tensor64.js";
import type { GraphNode } from "../graph.js";
import { isListShape } from "./dimensions.js";
import { guarded, inferNode } from "./infer.js";
import { describe, type NodeContext } from "./operator.js";

/**
 * One node's outputs, by its operator's definition.
 * @param inputs an absent optional input is undefined
 * @throws UserError for an operator that is not understood, ShapeError for operands that do not fit; both name the node.
 */
export function apply(node: GraphNode, inputs: readonly (Tensor64 | undefined)[]): readonly Tensor64[] {
  const found = operatorOf(node);
  if (!found?.operator.evaluate) throw new UserError(notUnderstood(node));
  const { operator, version } = found;
  const context: NodeContext = {
    node,
    version,
    shape: (input) => inputs[input]?.shape,
    dtype: (input) => inputs[input]?.dtype,
    contents: (input) => {
      const value = inputs[input];
      return value && isListShape(value.shape) ? Array.from(value.data) : undefined;
    },
  };
  const { shapes } = inferNode(operator, context);
  const outputShapes = shapes.map((shape) =>
    shape?.every((size) => typeof size === "number") ? (shape as readonly number[]) : undefined,
  );
  for (const shape of outputShapes)
    if (shape) guarded(node, () => checkCount(elementCount(shape), `a result [${shape}]`));
  const results = guarded(node, () => operator.evaluate!({ ...context, inputs, outputShapes }));
  results.forEach((result, i) => {
    const expected = outputShapes[i];
    if (expected && `${expected}` !== `${result.shape}`) {
      throw new Error(
        `${node.op} "${node.name}" gave ${describe(result.shape)} where its rule says ${describe(expected)}`,
      );
    }
  });
  return results.map(wrapped);
}
