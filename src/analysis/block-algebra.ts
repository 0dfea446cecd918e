import { applyAffine, batchNormAffine } from "../conv-algebra/affine.js";
import type { MapGeometry } from "../conv-algebra/geometry.js";
import { atItsPlace } from "../conv-algebra/kernel.js";
import { convolutionMap, identityMap, isRefusal, type LinearMap } from "../conv-algebra/linear-map.js";
import { sum } from "../conv-algebra/sum.js";
import { UserError } from "../core/errors.js";
import { toFloat64 } from "../core/named-arrays.js";
import { epsilonOf } from "../nn/architecture.js";
import { type BlockLayout, blockLayouts } from "../nn/layout.js";
import type { Model } from "../nn/model.js";

/** A branch of a block in training form. */
export type BranchName = "dense" | "pointwise" | "identity";

/** What was done to a branch's kernel: `stored` as it is in the model; BatchNorm taken in; in the middle of 3×3 zeros. */
export type KernelStage = "stored" | "normalized" | "padded";

/** A part of a kernel in numbers. */
export interface KernelView {
  /** [outChannels][inChannels][height][width] of the channels that were asked for. */
  readonly weight: Float32Array;
  /** [outChannels] of the channels that were asked for. */
  readonly bias: Float32Array;
  /** Pixels of the kernel: 1×1 or 3×3. */
  readonly size: readonly [height: number, width: number];
}

/** A branch of a block: its kernel as stored and after each step of folding. */
export interface BranchAlgebra {
  /** Which of the three it is. */
  readonly branch: BranchName;
  /** In the order of the algebra. The identity is stored as nothing: its kernel is the 1×1 identity matrix. */
  readonly stages: readonly ({ readonly stage: KernelStage } & KernelView)[];
}

/** How the branches of a block become one convolution, step by step (paper, figure 4). */
export interface BlockAlgebra {
  /** Of the block: "stage1.0". */
  readonly path: string;
  /** Channels that the views show: of the block's outputs, and of the inputs that each output reads. */
  readonly outChannels: readonly [from: number, to: number];
  /** Of the inputs that each output reads, counted within a group: from the first to before the last. */
  readonly inChannels: readonly [from: number, to: number];
  /** None in plain form. */
  readonly branches: readonly BranchAlgebra[];
  /** The one 3×3 kernel that the branches add up to, with its bias. */
  readonly sum: KernelView;
}

/** Which part of the kernels {@link blockAlgebra} shows. */
export interface BlockAlgebraOptions {
  /** Output channels to show. Default: all. */
  readonly outChannels?: readonly [from: number, to: number];
  /** Input channels to show, counted within a group. Default: all. */
  readonly inChannels?: readonly [from: number, to: number];
}

/**
 * The kernels of a block at each step of folding, computed by the algebra that folds.
 * @param path of the block: "stage1.0"
 * @throws UserError for a path that the net has not, channels that the block has not, or another kind of block in training form.
 */
export function blockAlgebra(model: Model, path: string, options: BlockAlgebraOptions = {}): BlockAlgebra {
  const layouts = blockLayouts(model.architecture);
  const layout = layouts.find((candidate) => candidate.path === path);
  if (!layout) {
    const known = `${layouts[0]!.path} … ${layouts.at(-1)!.path}`;
    throw new UserError({ expected: `a block of the net (${known})`, received: `"${path}"` });
  }
  const outChannels = range(options.outChannels, layout.outChannels, "output");
  const inChannels = range(options.inChannels, layout.inChannels / layout.groups, "input");
  const view = (map: LinearMap, kernelSize: number): KernelView =>
    kernelView(map, layout, kernelSize, outChannels, inChannels);
  if (model.form === "plain" || layout.folded) {
    const folded = convolution(model, layout, `${path}.rbr_reparam`, 3);
    return { path, outChannels, inChannels, branches: [], sum: view(folded, 3) };
  }
  const { kind } = model.architecture.block;
  if (kind !== "repvgg") {
    throw new UserError({
      expected: "a net of RepVGG blocks, to show their algebra",
      received: `blocks of kind ${kind} in training form`,
      remedy: "fold the net to see its kernels",
    });
  }
  const branches = branchMaps(model, layout);
  const folded = sum(branches.map(({ normalized }) => normalized));
  if (isRefusal(folded)) throw new Error(`the branches of ${path} do not add up: ${folded.refused}`);
  return {
    path,
    outChannels,
    inChannels,
    branches: branches.map(({ branch, stored, normalized, size }) => ({
      branch,
      stages: [
        { stage: "stored" as const, ...view(stored, size) },
        { stage: "normalized" as const, ...view(normalized, size) },
        ...(size === 3 ? [] : [{ stage: "padded" as const, ...view(normalized, 3) }]),
      ],
    })),
    sum: view(folded, 3),
  };
}

interface BranchMaps {
  readonly branch: BranchName;
  readonly stored: LinearMap;
  readonly normalized: LinearMap;
  readonly size: 1 | 3;
}

function branchMaps(model: Model, layout: BlockLayout): BranchMaps[] {
  const { path } = layout;
  const branch = (name: BranchName, stored: LinearMap, norm: string, size: 1 | 3): BranchMaps => ({
    branch: name,
    stored,
    normalized: applyAffine(stored, batchNorm(model, `${path}.${norm}`)),
    size,
  });
  const maps = [branch("dense", convolution(model, layout, `${path}.rbr_dense.conv`, 3), "rbr_dense.bn", 3)];
  if (layout.pointwise) {
    maps.push(branch("pointwise", convolution(model, layout, `${path}.rbr_1x1.conv`, 1), "rbr_1x1.bn", 1));
  }
  if (layout.identity) maps.push(branch("identity", identityMap(layout.outChannels), "rbr_identity", 1));
  return maps;
}

function numbers(model: Model, name: string): Float64Array {
  return toFloat64(model.state.get(name)!);
}

function convolution(model: Model, layout: BlockLayout, name: string, size: 1 | 3): LinearMap {
  const bias = model.state.has(`${name}.bias`) ? numbers(model, `${name}.bias`) : undefined;
  return convolutionMap(numbers(model, `${name}.weight`), bias, geometry(layout, size));
}

function geometry({ inChannels, outChannels, groups, stride }: BlockLayout, size: number): MapGeometry {
  const padding = (size - 1) / 2;
  return {
    ...{ outChannels, inChannels, groups, firstChannel: 0, sourceChannels: inChannels },
    kernelSize: [size, size],
    stride: [stride, stride],
    pads: [padding, padding, padding, padding],
    dilation: [1, 1],
    upsampling: [1, 1],
  };
}

function batchNorm(model: Model, name: string) {
  return batchNormAffine({
    gamma: numbers(model, `${name}.weight`),
    beta: numbers(model, `${name}.bias`),
    mean: numbers(model, `${name}.running_mean`),
    variance: numbers(model, `${name}.running_var`),
    epsilon: epsilonOf(model.architecture, name),
  });
}

/** A map's kernel, written into one of `size` × `size` with the block's groups: so a 1×1 lands in the middle of a 3×3. */
function kernelView(
  map: LinearMap,
  layout: BlockLayout,
  size: number,
  [firstOut, lastOut]: readonly [number, number],
  [firstIn, lastIn]: readonly [number, number],
): KernelView {
  const at = geometry(layout, size);
  const channels = layout.inChannels / layout.groups;
  const taps = size * size;
  const target = new Float64Array((lastOut - firstOut) * channels * taps);
  const depth = (size - map.kernelSize[0]) / 2;
  map.kernel.addTo({ target, at, rows: [firstOut, lastOut], ...atItsPlace, offset: [depth, depth] });
  const shown = lastIn - firstIn;
  const weight = new Float32Array((lastOut - firstOut) * shown * taps);
  for (let o = 0; o < lastOut - firstOut; o++) {
    const from = (o * channels + firstIn) * taps;
    weight.set(target.subarray(from, from + shown * taps), o * shown * taps);
  }
  return { weight, bias: Float32Array.from(map.bias.subarray(firstOut, lastOut)), size: [size, size] };
}

function range(
  given: readonly [number, number] | undefined,
  count: number,
  what: string,
): readonly [from: number, to: number] {
  const [from, to] = given ?? [0, count];
  if (Number.isInteger(from) && Number.isInteger(to) && from >= 0 && from < to && to <= count) return [from, to];
  throw new UserError({ expected: `${what} channels from 0 to at most ${count}`, received: `${from} to ${to}` });
}
