import { elementCount } from "../core/named-arrays.js";
import type { AxisTable } from "../graph/evaluate/axis-table.js";
import type { GraphNode } from "../graph/graph.js";
import { memoryAxes } from "./axes.js";
import { plainConstant } from "./constants.js";
import type { Lowering } from "./context.js";
import type { Tensor } from "./step.js";

/**
 * A value's axes interpolated, padded or picked from, one after another: those that shrink most first. Tables are by axis; an axis without
 * one stays. `value` is what tables read where they say `outside`.
 */
export function resample(
  lowering: Lowering,
  node: GraphNode,
  input: Tensor,
  tables: readonly (AxisTable | undefined)[],
  value: number,
): Tensor {
  const growth = (axis: number): number => tables[axis]!.indices.length / tables[axis]!.taps / input.shape[axis]!;
  const axes = tables.flatMap((table, axis) => (table ? [axis] : [])).sort((a, b) => growth(a) - growth(b) || a - b);
  // Images become channels-last, where lanes run along channels; everything else stays as it is.
  let from = input.shape.length === 4 ? lowering.channelsLast(input) : input;
  const channelsLast = from.layout === "channels-last" || from.shape.length === 4;
  for (const axis of axes) from = resampleAxis(lowering, node, from, axis, tables[axis]!, value, channelsLast);
  return from;
}

function resampleAxis(
  lowering: Lowering,
  node: GraphNode,
  input: Tensor,
  axis: number,
  table: AxisTable,
  value: number,
  channelsLast: boolean,
): Tensor {
  const { taps } = table;
  const [from, to] = [input.shape[axis]!, table.indices.length / taps];
  const [name, shape] = [node.outputs[0]!, input.shape.with(axis, to)];
  const output = channelsLast ? lowering.create(name, shape) : lowering.createRowMajor(name, shape);
  const order = memoryAxes(input.shape.length, channelsLast).map((own) => [own, input.shape[own]!] as const);
  const place = order.findIndex(([own]) => own === axis);
  const product = (part: typeof order): number => elementCount(part.map(([, size]) => size));
  const [outer, inner] = [product(order.slice(0, place)), product(order.slice(place + 1))];
  // The key says all about a table: plans of other sizes share it where it is the same.
  const key = `${name} axis ${axis} ${from} → ${to}`;
  const indices = plainConstant(`${key} indices`, table.indices);
  const weights = plainConstant(`${key} weights`, table.weights);
  return lowering.emit({
    name: node.name,
    op: node.op,
    algorithm: "resample_axis",
    reads: [input],
    output,
    constants: [indices, weights],
    calls: (at) => [
      {
        kernel: "resample_axis_forward",
        args: {
          ...{ x: at.of(input.buffer), y: at.of(output.buffer) },
          ...{ indices: at.constant(indices), weights: at.constant(weights) },
          ...{ outer, from, to, inner, taps, value },
        },
      },
    ],
  });
}
