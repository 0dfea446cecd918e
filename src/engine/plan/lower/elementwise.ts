import { UserError } from "../../../core/errors.js";
import type { GraphNode } from "../../../graph/graph.js";
import { extents, type Tensor } from "../step.js";
import type { Lowering } from "./context.js";

/** y = f(x) element by element, in any layout, in place where x dies. */
export function lowerElementwise(
  lowering: Lowering,
  node: GraphNode,
  kernel: "relu_forward" | "sigmoid_forward",
  input: Tensor,
): Tensor {
  const value = node.outputs[0]!;
  const output: Tensor = { ...input, buffer: { name: value, words: input.buffer.words } };
  return lowering.emit({
    name: node.name,
    op: node.op,
    algorithm: kernel.replace("_forward", ""),
    reads: [input],
    output,
    mayOverwrite: [input],
    calls: (at) => [{ kernel, args: { x: at.of(input.buffer), y: at.of(output.buffer), n: input.buffer.words } }],
  });
}

export function lowerSigmoid(lowering: Lowering, node: GraphNode): void {
  const input = lowering.tensor(node.inputs[0]!, node);
  lowering.define(node.outputs[0]!, lowerElementwise(lowering, node, "sigmoid_forward", input));
}

/** Mul of two computed values: of one shape, or of [N, C, …] by a gate [N, C, 1, …]. Constants are taken in by fusion. */
export function lowerMul(lowering: Lowering, node: GraphNode): void {
  const [a, b] = node.inputs.map((value) => lowering.channelsLast(lowering.tensor(value, node))) as [Tensor, Tensor];
  const value = node.outputs[0]!;
  if (`${a.shape}` === `${b.shape}`) {
    lowering.define(value, multiply(lowering, node, a, b));
  } else if (isGateOf(b, a)) {
    lowering.define(value, multiplyByChannel(lowering, node, a, b));
  } else if (isGateOf(a, b)) {
    lowering.define(value, multiplyByChannel(lowering, node, b, a));
  } else {
    throw new UserError({
      expected: `operands of one shape, or [N, C, H, W] and [N, C, 1, 1], in node "${node.name}" (Mul)`,
      received: `[${a.shape}] and [${b.shape}]`,
    });
  }
}

function isGateOf(gate: Tensor, x: Tensor): boolean {
  const [g, e] = [extents(gate.shape), extents(x.shape)];
  return gate.shape.length === x.shape.length && g.batch === e.batch && g.channels === e.channels && g.positions === 1;
}

function multiply(lowering: Lowering, node: GraphNode, a: Tensor, b: Tensor): Tensor {
  const output = lowering.create(node.outputs[0]!, a.shape);
  return lowering.emit({
    name: node.name,
    op: node.op,
    algorithm: "multiply",
    reads: [a, b],
    output,
    mayOverwrite: [a, b],
    calls: (at) => [
      {
        kernel: "multiply",
        args: {
          a: at.of(a.buffer),
          b: at.of(b.buffer),
          y: at.of(output.buffer),
          n: output.buffer.words,
          accumulate: 0,
        },
      },
    ],
  });
}

function multiplyByChannel(lowering: Lowering, node: GraphNode, x: Tensor, gate: Tensor): Tensor {
  const output = lowering.create(node.outputs[0]!, x.shape);
  return lowering.emit({
    name: node.name,
    op: node.op,
    algorithm: "multiply_channel",
    reads: [x, gate],
    output,
    mayOverwrite: [x],
    calls: (at) => [
      {
        kernel: "multiply_channel_forward",
        args: { x: at.of(x.buffer), scale: at.of(gate.buffer), y: at.of(output.buffer), ...extents(x.shape) },
      },
    ],
  });
}
