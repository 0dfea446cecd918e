import { blockLayouts } from "../nn/layout.js";
import type { Model } from "../nn/model.js";
import { blockAlgebra, type KernelView } from "./block-algebra.js";

/** A 3×3 kernel of one output and one input channel, or the same statistic of all of them. */
export type Taps = readonly number[];

/** A block's kernels before and after folding, small enough to look at. */
export interface BlockKernels {
  readonly path: string;
  /** Those with the largest 3×3 kernels from a channel to itself. */
  readonly channels: readonly number[];
  /** "3×3", "1×1", "identity", with BatchNorm taken in and in the middle of 3×3; then the one that they became. */
  readonly kernels: readonly {
    readonly name: string;
    /** Mean absolute weight at each tap, over all channels. */
    readonly meanAbsolute: Taps;
    /** Kernels from input channel c to output channel c, for the block's `channels`. */
    readonly samples: readonly Taps[];
  }[];
}

const branchNames = { dense: "3×3", pointwise: "1×1", identity: "identity" } as const;

/** Kernels of single channels that are shown. */
const mostSamples = 4;

/**
 * Kernels of the blocks of a net in training form and of its folded form.
 * @param folded what the branches became, where that is a RepVGG of the same blocks; else what the algebra gives is shown
 * @param paths the blocks; default: the first with all branches of each stage, or its first
 * @returns none for nets whose blocks are no RepVGG blocks in training form
 */
export function blockKernels(
  reference: Model,
  folded: Model | undefined,
  paths: readonly string[] = tellingBlocks(reference),
): readonly BlockKernels[] {
  const { architecture, form } = reference;
  if (form !== "train" || architecture.block.kind !== "repvgg") return [];
  const sameBlocks = folded?.form === "plain" && JSON.stringify(shapes(folded)) === JSON.stringify(shapes(reference));
  return paths.map((path) => {
    const algebra = blockAlgebra(reference, path);
    const result = sameBlocks ? blockAlgebra(folded, path).sum : algebra.sum;
    const inputs = algebra.inChannels[1];
    const channels = strongChannels(algebra.branches[0]!.stages.at(-1)!, inputs);
    const shown = (name: string, view: KernelView) => ({
      name,
      meanAbsolute: meanAbsolute(view),
      samples: channels.map((channel) => kernelOf(view, inputs, channel)),
    });
    return {
      path,
      channels,
      kernels: [
        ...algebra.branches.map(({ branch, stages }) => shown(branchNames[branch], stages.at(-1)!)),
        shown("folded", result),
      ],
    };
  });
}

function shapes({ architecture }: Model): unknown {
  return blockLayouts(architecture).map(({ path, inChannels, outChannels, groups }) => [
    path,
    inChannels,
    outChannels,
    groups,
  ]);
}

function tellingBlocks({ architecture }: Model): readonly string[] {
  const layouts = blockLayouts(architecture).filter(({ folded }) => !folded);
  const stages = [...new Set(layouts.map(({ stage }) => stage))];
  return stages.map((stage) => {
    const own = layouts.filter((layout) => layout.stage === stage);
    return (own.find(({ identity }) => identity) ?? own[0]!).path;
  });
}

function meanAbsolute({ weight }: KernelView): Taps {
  const sums = new Array<number>(9).fill(0);
  for (let i = 0; i < weight.length; i++) sums[i % 9]! += Math.abs(weight[i]!);
  return sums.map((sum) => sum / (weight.length / 9));
}

/** @param inputs channels that each output reads */
function strongChannels(view: KernelView, inputs: number): readonly number[] {
  const outputs = view.weight.length / 9 / inputs;
  const strength = (channel: number): number =>
    kernelOf(view, inputs, channel).reduce((sum, w) => sum + Math.abs(w), 0);
  return Array.from({ length: outputs }, (_, channel) => ({ channel, strength: strength(channel) }))
    .sort((a, b) => b.strength - a.strength)
    .slice(0, mostSamples)
    .map(({ channel }) => channel)
    .sort((a, b) => a - b);
}

/** From input channel c (within its group) to output channel c. */
function kernelOf({ weight }: KernelView, inputs: number, channel: number): Taps {
  const at = (channel * inputs + (channel % inputs)) * 9;
  return Array.from(weight.subarray(at, at + 9));
}
