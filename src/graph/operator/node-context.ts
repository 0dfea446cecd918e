import type { DType, NamedArray } from "../../core/named-arrays.js";
import { toFloat64 } from "../../core/named-arrays.js";
import { operatorOf } from "../../operators/registry.js";
import type { GraphNode } from "../graph.js";
import { isListShape } from "./dimensions.js";
import type { NodeContext, Shape } from "./operator.js";

/** What passes know of the values around a node. */
export interface Surroundings {
  readonly constants: ReadonlyMap<string, NamedArray>;
  readonly shapes?: ReadonlyMap<string, Shape>;
  readonly dtypes?: ReadonlyMap<string, DType>;
}

/** A node with what is known of its operands; undefined for an operator that is not understood. */
export function nodeContext(node: GraphNode, { constants, shapes, dtypes }: Surroundings): NodeContext | undefined {
  const found = operatorOf(node);
  const constant = (input: number): NamedArray | undefined => constants.get(node.inputs[input] ?? "");
  return (
    found && {
      node,
      version: found.version,
      shape: (input) => shapes?.get(node.inputs[input] ?? "") ?? constant(input)?.shape,
      dtype: (input) => dtypes?.get(node.inputs[input] ?? "") ?? constant(input)?.dtype,
      contents(input) {
        const value = constant(input);
        return value && isListShape(value.shape) ? Array.from(toFloat64(value)) : undefined;
      },
    }
  );
}
