import type { KernelCall, Pointer } from "../backend/backend.js";
import { UserError } from "../core/errors.js";
import { toFloat64 } from "../core/named-arrays.js";
import { attribute, floatAttribute } from "../graph/attributes.js";
import type { GraphNode } from "../graph/graph.js";
import type { Lowering } from "./context.js";
import type { Tensor } from "./step.js";
import { wholeCheck } from "./whole-numbers.js";

/** Kernels of one operand and one result, [n], and what they take besides. */
type ElementwiseCall = (operands: { readonly x: Pointer; readonly y: Pointer; readonly n: number }) => KernelCall;

export const relu: ElementwiseCall = (args) => ({ kernel: "relu_forward", args });

/** y = f(x) element by element, in any layout, in place where x dies. */
export function lowerElementwise(lowering: Lowering, node: GraphNode, input: Tensor, call: ElementwiseCall): Tensor {
  const value = node.outputs[0]!;
  const output: Tensor = { ...input, buffer: { name: value, words: input.buffer.words } };
  const check = wholeCheck(lowering, node);
  return lowering.emit({
    name: node.name,
    op: node.op,
    algorithm: call({ x: 0, y: 0, n: 0 }).kernel.replace("_forward", ""),
    reads: [input],
    output,
    mayOverwrite: [input],
    ...(check && { refusal: check.refusal }),
    calls: (at) => [
      call({ x: at.of(input.buffer), y: at.of(output.buffer), n: input.buffer.words }),
      ...(check?.calls(output, at) ?? []),
    ],
  });
}

/** Functions of one element; Relu goes with sums (fusion). */
const functions: Readonly<Record<string, (lowering: Lowering, node: GraphNode) => ElementwiseCall>> = {
  Clip: (lowering, node) => {
    const low = limit(lowering, node, 1, "min") ?? Number.NEGATIVE_INFINITY;
    const high = limit(lowering, node, 2, "max") ?? Number.POSITIVE_INFINITY;
    return (args) => ({ kernel: "clip_forward", args: { ...args, low, high } });
  },
  HardSigmoid: (_, node) => {
    const [alpha, beta] = [floatAttribute(node, "alpha", 0.2), floatAttribute(node, "beta", 0.5)];
    return hardSigmoid(alpha, beta, node.inputs.length > 1 ? 1 : 0); // the second is the factor that fusion found
  },
  HardSwish: () => hardSigmoid(1 / 6, 0.5, 1), // whatever attributes stand there: it has none
  LeakyRelu: (_, node) => {
    const alpha = floatAttribute(node, "alpha", 0.01);
    return (args) => ({ kernel: "leaky_relu_forward", args: { ...args, alpha } });
  },
  Sigmoid: () => (args) => ({ kernel: "sigmoid_forward", args }),
  Swish: (_, node) => {
    const alpha = floatAttribute(node, "alpha", 1);
    return (args) => ({ kernel: "swish_forward", args: { ...args, alpha } });
  },
};

function hardSigmoid(alpha: number, beta: number, gated: 0 | 1): ElementwiseCall {
  return (args) => ({ kernel: "hard_sigmoid_forward", args: { ...args, alpha, beta, gated } });
}

/** An attribute up to opset 10, an input since. */
function limit(lowering: Lowering, node: GraphNode, index: number, name: string): number | undefined {
  const input = node.inputs[index];
  if (!input) return attribute(node, name, "float");
  const constant = lowering.graph.constants.get(input);
  if (constant) return toFloat64(constant)[0];
  throw new UserError({
    expected: `a constant ${name} in node "${node.name}" (Clip)`,
    received: `"${input}", which is computed`,
  });
}

function lowerFunction(lowering: Lowering, node: GraphNode): void {
  const input = lowering.tensor(node.inputs[0]!, node);
  lowering.define(node.outputs[0]!, lowerElementwise(lowering, node, input, functions[node.op]!(lowering, node)));
}

export const elementwiseLowerings = Object.fromEntries(Object.keys(functions).map((op) => [op, lowerFunction]));
