import type { KernelCall } from "../../../backend/backend.js";
import { isInteger } from "../../../graph/evaluate/tensor64.js";
import type { GraphNode } from "../../../graph/graph.js";
import type { Addresses, Step, Tensor } from "../step.js";
import type { Lowering } from "./context.js";

/** Whole numbers are float32 words: exact below this. */
const limit = 2 ** 24;

/** Operators whose integer result may be larger than their operands. */
const growing = new Set("Add,Mul,Pow,ReduceL1,ReduceProd,ReduceSum,ReduceSumSquare,Sub,Sum".split(","));

/** Whether a node's result is of whole numbers that may leave what float32 holds exactly. */
export function mayGrow(lowering: Lowering, node: GraphNode): boolean {
  return growing.has(node.op) && isInteger(lowering.graph.dtypes.get(node.outputs[0]!) ?? "f32");
}

/** What a step does besides where its result {@link mayGrow}: it looks whether all numbers are still exact, and refuses where they are not. */
export function wholeCheck(
  lowering: Lowering,
  node: GraphNode,
): { readonly refusal: NonNullable<Step["refusal"]>; calls(output: Tensor, at: Addresses): KernelCall[] } | undefined {
  if (!mayGrow(lowering, node)) return undefined;
  return {
    refusal: {
      expected: `whole numbers below 2^24 as result of node "${node.name}" (${node.op})`,
      received: "larger ones, which float32 does not hold exactly",
    },
    calls: ({ buffer }, at) => [
      {
        kernel: "check_range",
        args: { x: at.of(buffer), status: at.status, n: buffer.words, low: 1 - limit, high: limit - 1 },
      },
    ],
  };
}
