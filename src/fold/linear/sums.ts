import type { Context, JoiningNode } from "./linear-node.js";
import type { Rule } from "./rule.js";

/** Maps of one source, added. @param signs what each input is multiplied by */
function terms({ node: { inputs } }: Context, signs: readonly number[]): JoiningNode {
  return { kind: "sum", inputs, signs };
}

const all = (inputs: readonly string[], sign: number): number[] => inputs.map(() => sign);

export const sum: Rule = {
  id: "sum",
  nodes: "Add, Sub, Sum of maps of one source",
  effect: "adds kernels, each tap at its place relative to the output, and biases",
  refuses: ["no-common-source", "channels", "strides", "sizes"],
  makers: {
    Add: (context) => terms(context, [1, 1]),
    Sub: (context) => terms(context, [1, -1]),
    Sum: (context) => terms(context, all(context.node.inputs, 1)),
  },
};

export const mean: Rule = {
  id: "mean",
  nodes: "Mean of maps of one source; ReduceSum, ReduceMean along an axis on which values were stacked",
  effect: "adds kernels and biases, and divides by their number",
  refuses: ["no-common-source", "channels", "strides", "sizes"],
  makers: { Mean: (context) => terms(context, all(context.node.inputs, 1 / context.node.inputs.length)) },
};
