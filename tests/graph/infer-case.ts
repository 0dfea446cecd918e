import type { DType } from "#repvgg/core/named-arrays.js";
import { node } from "#repvgg/graph/build.js";
import type { AttributeValue, Dimension } from "#repvgg/graph/graph.js";
import { type Inferred, inferNode } from "#repvgg/graph/operator/infer.js";
import type { NodeContext, Operator } from "#repvgg/graph/operator/operator.js";
import { operatorOf } from "#repvgg/operators/registry.js";

/** What is known of an operand. Short: a shape alone is one of float32. */
export interface Known {
  readonly dtype?: DType;
  readonly shape?: readonly Dimension[];
  readonly contents?: readonly Dimension[];
}
export type Operand = readonly Dimension[] | Known | undefined;
export type Attributes = Readonly<Record<string, AttributeValue>>;

export const whole = (...values: Dimension[]): Known => ({ dtype: "i64", shape: [values.length], contents: values });
export const one = (value: number): Known => ({ dtype: "i64", shape: [], contents: [value] });
export const scales = (...values: number[]): Known => ({ dtype: "f32", shape: [values.length], contents: values });
export const of = (dtype: DType, ...shape: Dimension[]): Known => ({ dtype, shape });
/** There, but nothing is known of it. */
export const unknown: Known = {};

/** A node of one operator by itself, of whose operands only that is known. */
export function described(
  op: string,
  opset: number,
  operands: readonly Operand[],
  attributes: Attributes,
  outputs = 1,
): { readonly operator: Operator; readonly context: NodeContext } {
  const known = operands.map((operand): Known | undefined =>
    Array.isArray(operand) ? { dtype: "f32", shape: operand } : (operand as Known | undefined),
  );
  const names = known.map((operand, i) => (operand ? `i${i}` : ""));
  const results = Array.from({ length: outputs }, (_, i) => `o${i}`);
  const here = node(op, "here", names, results, attributes, opset);
  const { operator, version } = operatorOf(here)!;
  return {
    operator,
    context: {
      node: here,
      version,
      shape: (i) => known[i]?.shape,
      dtype: (i) => known[i]?.dtype,
      contents: (i) => known[i]?.contents,
    },
  };
}

/** What its operator says of it. */
export function infer(...row: Parameters<typeof described>): Inferred {
  const { operator, context } = described(...row);
  return inferNode(operator, context);
}

export const map = [1, 4, 6, 6];
export const weight = [4, 4, 3, 3];
