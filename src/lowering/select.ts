import { elementCount } from "../core/named-arrays.js";
import { flagAttribute } from "../graph/attributes.js";
import type { GraphNode } from "../graph/graph.js";
import { axisAttribute, axisOf } from "../graph/operator/checks.js";
import { refuse } from "../graph/operator/operator.js";
import type { Lowering } from "./context.js";
import type { Tensor } from "./step.js";
import { createLike, stepsOf } from "./strided.js";
import { wholeCheck } from "./whole-numbers.js";

/** A value as [outer][size][inner] around an axis, in the order in which memory has it. */
function around(tensor: Tensor, axis: number): { outer: number; size: number; inner: number } {
  const [size, inner] = [tensor.shape[axis]!, stepsOf(tensor)[axis]!];
  return { outer: elementCount(tensor.shape) / size / inner, size, inner };
}

/** The places of an axis that a float32 counts, and of a task's scratch memory. */
const mostPlaces = 2 ** 24;
const mostKept = 2 ** 19;

/** The k largest or smallest along an axis and their places, sorted; each output that is wanted is a step. */
export function lowerTopK(lowering: Lowering, node: GraphNode): void {
  const context = lowering.context(node);
  const input = lowering.tensor(node.inputs[0]!, node);
  const axis = axisAttribute(context, "axis", -1, input.shape.length);
  const sizes = around(input, axis);
  const largest = context.version >= 11 ? Number(flagAttribute(node, "largest", true)) : 1;
  node.outputs.forEach((value, place) => {
    if (!value || !lowering.graph.uses.has(value)) return;
    const output = createLike(lowering, value, lowering.shapeOf(value), input);
    const k = output.shape[axis]!;
    if (k > mostKept || sizes.size > mostPlaces) {
      refuse(context, `at most ${mostKept} of ${mostPlaces} elements`, `${k} of ${sizes.size}`);
    }
    lowering.emit({
      name: node.name,
      op: node.op,
      algorithm: "top_k",
      reads: [input],
      output,
      calls: (at) => {
        const y = at.of(output.buffer);
        const outputs = place === 0 ? { y, indices: 0 } : { y: 0, indices: y };
        return [{ kernel: "top_k_forward", args: { x: at.of(input.buffer), ...outputs, ...sizes, k, largest } }];
      },
    });
    lowering.define(value, output);
  });
}

/** Sums up to each element of a constant axis. */
export function lowerCumSum(lowering: Lowering, node: GraphNode): void {
  const context = lowering.context(node);
  const input = lowering.tensor(node.inputs[0]!, node);
  const given = context.contents(1)?.[0];
  if (typeof given !== "number") refuse(context, "a constant axis", "a computed one");
  const sizes = around(input, axisOf(context, given, input.shape.length));
  const value = node.outputs[0]!;
  const output = createLike(lowering, value, input.shape, input);
  const flags = {
    exclusive: Number(flagAttribute(node, "exclusive", false)),
    reverse: Number(flagAttribute(node, "reverse", false)),
  };
  const check = wholeCheck(lowering, node);
  lowering.emit({
    name: node.name,
    op: node.op,
    algorithm: "cumulative_sum",
    reads: [input],
    output,
    mayOverwrite: [input],
    ...(check && { refusal: check.refusal }),
    calls: (at) => [
      {
        kernel: "cumulative_sum_forward",
        args: { x: at.of(input.buffer), y: at.of(output.buffer), ...sizes, ...flags },
      },
      ...(check?.calls(output, at) ?? []),
    ],
  });
  lowering.define(value, output);
}
