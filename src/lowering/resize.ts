import { type AxisTable, outside } from "../graph/evaluate/axis-table.js";
import type { GraphNode } from "../graph/graph.js";
import { refuse } from "../graph/operator/operator.js";
import { resizePlan } from "../operators/resize.js";
import { plainConstant } from "./constants.js";
import type { Lowering } from "./context.js";
import { resample } from "./resample.js";
import type { Tensor } from "./step.js";
import { refuseWhole } from "./whole-numbers.js";

/** Resize and Upsample in all modes: height and width of images by the nearest neighbour at once, everything else axis by axis. */
export function lowerResize(lowering: Lowering, node: GraphNode): void {
  const context = lowering.context(node);
  const input = lowering.tensor(node.inputs[0]!, node);
  const plan = resizePlan(context, input.shape);
  if (!plan) refuse(context, "constant scales or sizes", "computed ones");
  const { tables, extrapolation } = plan;
  if (tables.some((table) => (table?.taps ?? 1) > 1)) refuseWhole(lowering, node, 0);
  const nearest = input.shape.length === 4 && !tables[0] && !tables[1] && tables.every(isNearest);
  const output = nearest
    ? resizeNearest(lowering, node, input, tables)
    : resample(lowering, node, input, tables, extrapolation);
  lowering.define(node.outputs[0]!, output);
}

function isNearest(table: AxisTable | undefined): boolean {
  return table === undefined || (table.taps === 1 && !table.indices.includes(outside));
}

function resizeNearest(
  lowering: Lowering,
  node: GraphNode,
  tensor: Tensor,
  tables: readonly (AxisTable | undefined)[],
): Tensor {
  const value = node.outputs[0]!;
  const input = lowering.channelsLast(tensor);
  const [batch, channels, in_height, in_width] = input.shape as [number, number, number, number];
  const sources = (axis: number) => {
    const size = input.shape[axis]!;
    const indices = tables[axis]?.indices ?? Int32Array.from({ length: size }, (_, i) => i);
    return plainConstant(`${value} source${axis} ${size} → ${indices.length}`, indices);
  };
  const [source_y, source_x] = [sources(2), sources(3)];
  const [out_height, out_width] = [source_y.words, source_x.words];
  const output = lowering.create(value, [batch, channels, out_height, out_width]);
  return lowering.emit({
    name: node.name,
    op: node.op,
    algorithm: "resize_nearest",
    reads: [input],
    output,
    constants: [source_y, source_x],
    calls: (at) => [
      {
        kernel: "resize_nearest_forward",
        args: {
          ...{ x: at.of(input.buffer), y: at.of(output.buffer) },
          ...{ source_y: at.constant(source_y), source_x: at.constant(source_x) },
          ...{ batch, in_height, in_width, out_height, out_width, channels },
        },
      },
    ],
  });
}
