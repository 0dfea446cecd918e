import type { Branch } from "../../tensor/ops/branch-sum.js";
import { conv2d } from "../../tensor/ops/conv2d.js";
import type { Tape } from "../../tensor/tape.js";
import type { Parameter, Tensor } from "../../tensor/tensor.js";
import type { BlockLayout } from "../layout.js";
import type { SchemaBuilder } from "../schema-builder.js";
import type { NetGraphBuilder } from "../to-graph-builder.js";
import type { BatchNormLayer, Weights } from "../weights.js";

/** Height and width; odd, so that padding of half of it keeps the size. */
export type KernelSize = readonly [height: number, width: number];

export const square3: KernelSize = [3, 3];
export const square1: KernelSize = [1, 1];

/** A convolution without bias, and the BatchNorm after it. */
export interface ConvBatchNorm {
  /** [kh,kw,I/groups,O] */
  readonly weight: Parameter;
  readonly norm: BatchNormLayer;
}

/** Where the two are in a state. Official: `<branch>.conv` and `<branch>.bn`. */
export interface ConvBatchNormPaths {
  readonly conv: string;
  readonly norm: string;
}

/** The official names of a branch's convolution and BatchNorm. */
export function branchPaths(branch: string): ConvBatchNormPaths {
  return { conv: `${branch}.conv`, norm: `${branch}.bn` };
}

export function convBatchNorm(weights: Weights, paths: ConvBatchNormPaths): ConvBatchNorm {
  return { weight: weights.parameter(`${paths.conv}.weight`), norm: weights.batchNorm(paths.norm) };
}

/** A convolution of a block, padded by half its kernel. @returns [N,H/stride,W/stride,O] */
export function blockConv(tape: Tape, x: Tensor, weight: Tensor, { stride, groups }: BlockLayout): Tensor {
  const [height, width] = weight.shape as unknown as KernelSize;
  return conv2d(tape, x, weight, { stride, groups, padding: [(height - 1) / 2, (width - 1) / 2] });
}

/** The branch as a summand; nothing is normalised yet. */
export function convBranch(tape: Tape, x: Tensor, { weight, norm }: ConvBatchNorm, layout: BlockLayout): Branch {
  return { x: blockConv(tape, x, weight, layout), norm };
}

export function addConvState(schema: SchemaBuilder, path: string, layout: BlockLayout, kernel: KernelSize): void {
  schema.conv(path, layout.outChannels, layout.inChannels / layout.groups, kernel);
}

export function addConvBatchNormState(
  schema: SchemaBuilder,
  paths: ConvBatchNormPaths,
  layout: BlockLayout,
  kernel: KernelSize,
): void {
  addConvState(schema, paths.conv, layout, kernel);
  schema.batchNorm(paths.norm, layout.outChannels);
}

/** Conv and BatchNormalization as nodes. @param output name of the value that they give; default: the BatchNorm's path */
export function addConvBatchNormNodes(
  builder: NetGraphBuilder,
  paths: ConvBatchNormPaths,
  { stride, groups }: BlockLayout,
  kernel: KernelSize,
  input: string,
  output?: string,
): string {
  return builder.batchNorm(paths.norm, builder.conv(paths.conv, input, { kernel, stride, groups }), output);
}
