import type { GraphNode } from "../graph/graph.js";
import { blockSize, depthMode } from "../operators/depth-to-space.js";
import type { Lowering } from "./context.js";
import { createLike, emitCopies, stepsOf } from "./strided.js";

type Four = readonly [number, number, number, number];

/** DepthToSpace: channels become blocks of block × block positions. */
export function lowerDepthToSpace(lowering: Lowering, node: GraphNode): void {
  const context = lowering.context(node);
  const block = blockSize(context);
  const x = lowering.tensor(node.inputs[0]!, node);
  const output = createLike(lowering, node.outputs[0]!, lowering.shapeOf(node.outputs[0]!), x);
  const channels = output.shape[1]!;
  // How many channels of x lie between two channels of y, two rows and two columns of a block.
  const [channel, row, column] =
    depthMode(context) === "DCR" ? [1, block * channels, channels] : [block * block, block, 1];
  const [images, height, width] = [x.shape[0]!, x.shape[2]!, x.shape[3]!];
  const [read, written] = [stepsOf(x) as Four, stepsOf(output) as Four];
  const axes = [
    { size: images, from: read[0], to: written[0] },
    { size: channels, from: read[1] * channel, to: written[1] },
    { size: height, from: read[2], to: written[2] * block },
    { size: block, from: read[1] * row, to: written[2] },
    { size: width, from: read[3], to: written[3] * block },
    { size: block, from: read[1] * column, to: written[3] },
  ];
  lowering.define(node.outputs[0]!, emitCopies(lowering, node, output, [{ source: x, axes }]));
}

/** SpaceToDepth: blocks of positions become channels, the block's place counted before the channels. */
export function lowerSpaceToDepth(lowering: Lowering, node: GraphNode): void {
  const block = blockSize(lowering.context(node));
  const x = lowering.tensor(node.inputs[0]!, node);
  const output = createLike(lowering, node.outputs[0]!, lowering.shapeOf(node.outputs[0]!), x);
  const [images, channels] = [x.shape[0]!, x.shape[1]!];
  const [height, width] = [output.shape[2]!, output.shape[3]!];
  const [read, written] = [stepsOf(x) as Four, stepsOf(output) as Four];
  const axes = [
    { size: images, from: read[0], to: written[0] },
    { size: channels, from: read[1], to: written[1] },
    { size: height, from: read[2] * block, to: written[2] },
    { size: block, from: read[2], to: written[1] * block * channels },
    { size: width, from: read[3] * block, to: written[3] },
    { size: block, from: read[3], to: written[1] * channels },
  ];
  lowering.define(node.outputs[0]!, emitCopies(lowering, node, output, [{ source: x, axes }]));
}
