import type { GraphNode } from "../graph/graph.js";
import { integers } from "../graph/operator/checks.js";
import type { Lowering } from "./context.js";
import { lacking } from "./lacking.js";
import { repeatedTensor, withRank } from "./operands.js";
import { createLike, emitCopies, stepsOf } from "./strided.js";

/** Expand: numpy's broadcasting to a shape. */
export function lowerExpand(lowering: Lowering, node: GraphNode): void {
  const value = node.outputs[0]!;
  const shape = lowering.shapeOf(value);
  const x = lowering.tensor(node.inputs[0]!, node);
  const channelsLast = x.layout === "channels-last" && x.shape.length === shape.length;
  const source = channelsLast ? x : lowering.rowMajor(x);
  const own = withRank(x.shape, shape.length);
  const { buffer, layout } = repeatedTensor(lowering, node, { ...source, shape: own }, shape);
  lowering.define(value, { shape, layout, buffer });
}

/** Tile: the value again and again along each axis. */
export function lowerTile(lowering: Lowering, node: GraphNode): void {
  const value = node.outputs[0]!;
  const x = lowering.tensor(node.inputs[0]!, node);
  const times = integers(lowering.context(node), 1);
  if (!times) throw lacking(node, "constant repeats", "computed ones");
  const output = createLike(lowering, value, lowering.shapeOf(value), x);
  const [read, written] = [stepsOf(x), stepsOf(output)];
  const axes = x.shape.flatMap((size, axis) => [
    { size: times[axis]!, from: 0, to: size * written[axis]! },
    { size, from: read[axis]!, to: written[axis]! },
  ]);
  lowering.define(value, emitCopies(lowering, node, output, [{ source: x, axes }]));
}
