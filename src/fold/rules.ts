import { isInteger } from "../graph/evaluate/tensor64.js";
import { batchNorm, scaleAndShift } from "./linear/affine-nodes.js";
import { borderWrites } from "./linear/border.js";
import { concatenated, splits } from "./linear/channel-nodes.js";
import { crop } from "./linear/crop.js";
import { matrix } from "./linear/fully-connected.js";
import type { Context, LinearNode } from "./linear/linear-node.js";
import { pads } from "./linear/pad-nodes.js";
import { passThrough, transposes } from "./linear/passing.js";
import { reshapes } from "./linear/reshape.js";
import type { Rule } from "./linear/rule.js";
import { mean, sum } from "./linear/sums.js";
import { averages, composition, transposed } from "./linear/window-nodes.js";
import type { Refusal } from "./refusals.js";

/** The rules of the fold. Of an operator that several cover, the one that asks for more comes first. */
export const rules: readonly Rule[] = [
  batchNorm,
  composition,
  transposed,
  averages,
  pads,
  borderWrites,
  scaleAndShift,
  sum,
  mean,
  concatenated,
  splits,
  crop,
  matrix,
  passThrough,
  reshapes,
  transposes,
];

/** Operators that fold, in some form at least. */
export const linearOperators: ReadonlySet<string> = new Set(rules.flatMap(({ makers }) => Object.keys(makers)));

const rulesOf = new Map<string, readonly Rule[]>();
for (const rule of rules) {
  for (const op of Object.keys(rule.makers)) rulesOf.set(op, [...(rulesOf.get(op) ?? []), rule]);
}

/** How a node is linear, or why not although its rule is about nodes like it. */
export interface Ruled {
  readonly rule: Rule;
  readonly made: LinearNode | Refusal;
}

/**
 * How a node is linear; a refusal where it would be but for something in it; undefined where it is not (ReLU, SE's product, …) and
 * bounds regions. Only floating-point values are linear: integers are rounded at every step.
 */
export function linearNode(context: Context): Ruled | undefined {
  const { node } = context;
  if (node.domain !== "") return undefined;
  for (const rule of rulesOf.get(node.op) ?? []) {
    const made = rule.makers[node.op](context);
    if (made) return "refused" in made || !isOfIntegers(made, context) ? { rule, made } : undefined;
  }
  return undefined;
}

function isOfIntegers(made: LinearNode, { node, constants, dtypes }: Context): boolean {
  const operands = made.kind === "unary" && (made.free || made.weighted) ? node.inputs : [];
  const typed = operands.find((name) => constants.has(name));
  const value = "input" in made ? made.input : made.inputs[0];
  const type = typed ? constants.get(typed)!.dtype : (dtypes.get(node.outputs[0]) ?? dtypes.get(value));
  return type !== undefined && isInteger(type);
}
