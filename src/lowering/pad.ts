import { padAxis } from "../graph/evaluate/pad-axis.js";
import type { GraphNode } from "../graph/graph.js";
import { refuse } from "../graph/operator/operator.js";
import { type Padding, padding, padMode, padValue } from "../operators/pad.js";
import { memoryAxes } from "./axes.js";
import type { Lowering } from "./context.js";
import { resample } from "./resample.js";
import type { Tensor } from "./step.js";

/** Pad in all modes along any axes; up to four by a constant at once, everything else axis by axis. */
export function lowerPad(lowering: Lowering, node: GraphNode): void {
  const context = lowering.context(node);
  const input = lowering.tensor(node.inputs[0]!, node);
  const rank = input.shape.length;
  const pads = padding(context, rank);
  if (!pads) refuse(context, "constant pads and axes", "computed ones");
  const mode = padMode(context);
  const value = mode === "constant" ? padValue(context) : 0;
  if (value === undefined) refuse(context, "a constant value to pad with", "a computed one");
  if (mode === "constant" && rank <= 4) {
    lowering.define(node.outputs[0]!, padByConstant(lowering, node, input, pads, value));
    return;
  }
  const tables = input.shape.map((size, axis) => {
    const [begin, end] = [pads.begins[axis]!, pads.ends[axis]!];
    if (begin === 0 && end === 0) return undefined;
    const indices = padAxis(size, begin, end, mode);
    return { taps: 1, indices, weights: new Float64Array(indices.length).fill(1) };
  });
  lowering.define(node.outputs[0]!, resample(lowering, node, input, tables, value));
}

type Four = [number, number, number, number];

function padByConstant(
  lowering: Lowering,
  node: GraphNode,
  tensor: Tensor,
  { begins }: Padding,
  value: number,
): Tensor {
  const input = lowering.channelsLast(tensor);
  const output = lowering.create(node.outputs[0]!, lowering.shapeOf(node.outputs[0]!));
  const rank = input.shape.length;
  const order = memoryAxes(rank, true);
  const four = (sizes: readonly number[], missing: number) =>
    [...Array<number>(4 - rank).fill(missing), ...order.map((axis) => sizes[axis]!)] as Four;
  const [in0, in1, in2, in3] = four(input.shape, 1);
  const [out0, out1, out2, out3] = four(output.shape, 1);
  const [begin0, begin1, begin2, begin3] = four(begins, 0);
  const sizes = { in0, in1, in2, in3, out0, out1, out2, out3, begin0, begin1, begin2, begin3, value };
  return lowering.emit({
    name: node.name,
    op: node.op,
    algorithm: "pad",
    reads: [input],
    output,
    calls: (at) => [{ kernel: "pad_forward", args: { x: at.of(input.buffer), y: at.of(output.buffer), ...sizes } }],
  });
}
