import { toFloat64 } from "../../../core/named-arrays.js";
import { floatAttribute, intsAttribute, stringAttribute } from "../../../graph/attributes.js";
import { normalAxis } from "../../../graph/evaluate/tensor64.js";
import type { GraphNode } from "../../../graph/graph.js";
import { outside } from "../../../graph/operators/axis-table.js";
import { resizePlan } from "../../../graph/operators/resize.js";
import { type Constant, plainConstant } from "../constants.js";
import type { Tensor } from "../step.js";
import { memoryAxes } from "./axes.js";
import type { Lowering } from "./context.js";
import { lacking } from "./lacking.js";

/** Pad by a constant value, along any axes. */
export function lowerPad(lowering: Lowering, node: GraphNode): void {
  const mode = stringAttribute(node, "mode", "constant");
  if (mode !== "constant") throw lacking(node, "mode constant", `mode ${mode}`);
  const rank = lowering.shapeOf(node.inputs[0]!).length;
  const pads = integers(lowering, node, 1, "pads");
  if (!pads) throw lacking(node, "constant pads", "computed ones");
  const axes = node.inputs[3] ? integers(lowering, node, 3) : Array.from({ length: rank }, (_, axis) => axis);
  if (!axes) throw lacking(node, "constant axes", "computed ones");
  const begins = Array<number>(rank).fill(0);
  axes.forEach((axis, i) => {
    begins[normalAxis(axis, rank)] = pads[i]!;
  });
  const given = node.inputs[2] ? lowering.graph.constants.get(node.inputs[2]) : undefined;
  if (node.inputs[2] && !given) throw lacking(node, "a constant value", "a computed one");
  const value = given ? toFloat64(given)[0]! : floatAttribute(node, "value", 0);
  lowering.define(node.outputs[0]!, emitPad(lowering, node, begins, value));
}

/** @param begins what stands before the input along each axis; what stands behind follows from the result's shape */
function emitPad(lowering: Lowering, node: GraphNode, begins: readonly number[], value: number): Tensor {
  const input = lowering.channelsLast(lowering.tensor(node.inputs[0]!, node));
  const output = lowering.create(node.outputs[0]!, lowering.shapeOf(node.outputs[0]!));
  const rank = input.shape.length;
  if (rank > 4) throw lacking(node, "at most four axes", `[${input.shape.join(", ")}]`);
  const order = memoryAxes(rank, true);
  const four = (sizes: readonly number[], missing: number) =>
    [...Array<number>(4 - rank).fill(missing), ...order.map((axis) => sizes[axis]!)] as [
      number,
      number,
      number,
      number,
    ];
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

/** Resize and Upsample of height and width by the nearest neighbour, in all of ONNX's ways of counting. */
export function lowerResize(lowering: Lowering, node: GraphNode): void {
  const value = node.outputs[0]!;
  const tensor = lowering.tensor(node.inputs[0]!, node);
  const shape = lowering.shapeOf(value);
  const mode = stringAttribute(node, "mode", "nearest");
  if (mode !== "nearest") throw lacking(node, "mode nearest", `mode ${mode}`);
  if (shape.length !== 4 || shape[0] !== tensor.shape[0] || shape[1] !== tensor.shape[1]) {
    throw lacking(node, "another height and width only", `[${tensor.shape.join(", ")}] → [${shape.join(", ")}]`);
  }
  const plan = resizePlan(lowering.context(node), tensor.shape);
  if (!plan) throw lacking(node, "constant scales or sizes", "computed ones");
  const sourcesOf = (axis: number): Constant => {
    const table = plan.tables[axis]?.indices ?? Int32Array.from({ length: shape[axis]! }, (_, i) => i);
    if (table.includes(outside)) throw lacking(node, "positions inside the input", "some outside (tf_crop_and_resize)");
    return plainConstant(`${value} source${axis} ${tensor.shape} ${shape}`, table);
  };
  const [source_y, source_x] = [sourcesOf(2), sourcesOf(3)];
  const input = lowering.channelsLast(tensor);
  const output = lowering.create(value, shape);
  const [batch, channels, in_height, in_width] = input.shape as [number, number, number, number];
  const [out_height, out_width] = shape.slice(2) as [number, number];
  lowering.emit({
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
  lowering.define(value, output);
}

/** Whole numbers of a constant input, or of the attribute that older opsets have in its place; undefined where they are computed. */
function integers(lowering: Lowering, node: GraphNode, index: number, name?: string): readonly number[] | undefined {
  if (!node.inputs[index]) return name === undefined ? undefined : intsAttribute(node, name);
  const constant = lowering.graph.constants.get(node.inputs[index]);
  return constant && [...toFloat64(constant)];
}
