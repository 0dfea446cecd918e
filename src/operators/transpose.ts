import { intsAttribute } from "../graph/attributes.js";
import { gatherElements } from "../graph/evaluate/broadcast.js";
import { axesOf } from "../graph/operator/checks.js";
import { describe, type NodeContext, type Operator, refuse } from "../graph/operator/operator.js";
import { all, signature } from "../graph/operator/signature.js";

const own = signature("data:T -> transposed:T", { T: all });

/** The input's axis that stands at each place of the output; by default all turned around. */
export function permutation(context: NodeContext, rank: number): readonly number[] {
  const order = intsAttribute(context.node, "perm");
  if (!order) return Array.from({ length: rank }, (_, axis) => rank - 1 - axis);
  if (order.length !== rank) refuse(context, `a perm of ${rank} axes`, describe(order));
  return axesOf(context, order, rank);
}

export const transpose: Operator = {
  name: "Transpose",
  versions: [1, 13, 21, 23, 24, 25],
  signature: () => own,
  infer(context) {
    const x = context.shape(0);
    return [x && permutation(context, x.length).map((axis) => x[axis])];
  },
  evaluate: (call) => {
    const x = call.inputs[0]!;
    const order = permutation(call, x.shape.length);
    const places = x.shape.map((_, axis) => order.indexOf(axis));
    return [gatherElements(x, call.outputShapes[0]!, (index) => places.map((place) => index[place]))];
  },
};
