import { ShapeError, UserError } from "../../core/errors.js";
import type { DType } from "../../core/named-arrays.js";
import type { GraphNode } from "../graph.js";
import { describe, type NodeContext, type Operator, refuse, type Shape } from "./operator.js";
import { outputDtypes, signatureFault } from "./signature.js";

/** What a node's operator says of its outputs; undefined entries cannot be told. */
export interface Inferred {
  readonly shapes: readonly (Shape | undefined)[];
  readonly dtypes: readonly (DType | undefined)[];
}

/** No value has more elements: its bytes could not be counted. */
const mostElements = 2 ** 48;

/**
 * Checks all operands and attributes of a node against its operator's definition, as far as they are known.
 * @throws ShapeError that names the node and its operator
 */
export function inferNode(operator: Operator, context: NodeContext): Inferred {
  const { node, version } = context;
  const signature = operator.signature(version);
  const fault = signatureFault(signature, node, (input) => context.dtype(input));
  if (fault) refuse(context, fault.expected, fault.received);
  return guarded(node, () => {
    const shapes = operator.infer(context);
    for (const shape of shapes) if (shape) checkShape(context, shape);
    return {
      shapes,
      dtypes: operator.dtypes?.(context) ?? outputDtypes(signature, node, (input) => context.dtype(input)),
    };
  });
}

function checkShape(context: NodeContext, shape: Shape): void {
  const sizes = shape.filter((size) => typeof size === "number");
  const fits =
    sizes.every((size) => Number.isInteger(size) && size >= 0) &&
    sizes.reduce((n, size) => n * size, 1) <= mostElements;
  if (!fits || shape.length > 64) refuse(context, "outputs of sizes from 0", describe(shape));
}

/** Operators index by what a graph states; in one that makes no sense that fails anywhere. */
export function guarded<T>(node: GraphNode, work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (error instanceof ShapeError && !error.message.includes(`"${node.name}"`)) {
      const { expected, received, remedy } = error;
      throw new ShapeError(
        { expected: `${expected} in ${node.op} "${node.name}"`, received, ...(remedy !== undefined && { remedy }) },
        { cause: error },
      );
    }
    if (error instanceof UserError) throw error;
    throw new UserError(
      { expected: `inputs and attributes that fit ${node.op} "${node.name}"`, received: String(error) },
      { cause: error },
    );
  }
}
