import { elementCount } from "../core/named-arrays.js";
import type { GraphNode } from "../graph/graph.js";
import { refuse } from "../graph/operator/operator.js";
import { gridSampleOptions } from "../operators/sample.js";
import type { Lowering } from "./context.js";
import { operandsOfStep, rowMajorOperand } from "./operands.js";
import { placeOf } from "./strided.js";
import { refuseWhole } from "./whole-numbers.js";

/** As the kernel grid_sample_forward counts them. */
const modes = ["nearest", "linear", "cubic"];
const paddings = ["zeros", "border", "reflection"];

/** GridSample of images and volumes; the grid may be computed or constant. */
export function lowerGridSample(lowering: Lowering, node: GraphNode): void {
  const context = lowering.context(node);
  const { mode, padding, alignCorners } = gridSampleOptions(context);
  if (mode !== "nearest") refuseWhole(lowering, node, 0);
  const input = lowering.channelsLast(lowering.tensor(node.inputs[0]!, node));
  const [batch, channels, ...sizes] = input.shape as [number, number, ...number[]];
  const axes = sizes.length;
  if (axes !== 2 && axes !== 3) refuse(context, "images or volumes", `[${input.shape.join(", ")}]`);
  const grid = rowMajorOperand(lowering, node, 1);
  const value = node.outputs[0]!;
  const output = lowering.create(value, lowering.shapeOf(value));
  const [in_width, in_height, in_depth = 1] = sizes.toReversed() as [number, number, number?];
  const { reads, constants } = operandsOfStep([grid]);
  lowering.emit({
    name: node.name,
    op: node.op,
    algorithm: "grid_sample",
    reads: [input, ...reads],
    output,
    constants,
    calls: (at) => [
      {
        kernel: "grid_sample_forward",
        args: {
          ...{ x: at.of(input.buffer), grid: placeOf(grid.source, at), y: at.of(output.buffer) },
          ...{ batch, in_depth, in_height, in_width, channels, axes, points: elementCount(output.shape.slice(2)) },
          ...{ mode: modes.indexOf(mode), padding: paddings.indexOf(padding), align_corners: alignCorners ? 1 : 0 },
        },
      },
    ],
  });
  lowering.define(value, output);
}
