import type { BlockAlgebra, BranchAlgebra, BranchName, EngineNet } from "repvgg/browser";

/** What one branch does from one input to one output channel. 3×3 kernels row by row. */
export interface BranchPair {
  readonly name: BranchName;
  /** As trained: 9 numbers (3×3), 1 (1×1), or none (the identity has no weight). */
  readonly weight: readonly number[];
  /** BatchNorm's scale t = γ / √(σ² + ε) and shift β − t μ of the output channel. */
  readonly factor: number;
  readonly shift: number;
  /** t · W, padded to 3×3. */
  readonly folded: readonly number[];
}

/** A block from one input to one output channel, through every step of its fold. */
export interface BlockPair {
  readonly output: number;
  /** Counted inside the output channel's group. */
  readonly input: number;
  /** Empty where the net came in plain form. */
  readonly branches: readonly BranchPair[];
  /** The one 3×3 kernel. */
  readonly sum: readonly number[];
  readonly bias: number;
}

export async function blockPair(net: EngineNet, path: string, output: number, input: number): Promise<BlockPair> {
  // All inputs of one output: BatchNorm's scale is read off the largest weight.
  const algebra = await net.blockAlgebra(path, { outChannels: [output, output + 1] });
  return {
    output,
    input,
    branches: algebra.branches.map((branch) => branchPair(branch, input)),
    sum: kernelAt(algebra.sum, input),
    bias: algebra.sum.bias[0]!,
  };
}

function branchPair({ branch, stages }: BranchAlgebra, input: number): BranchPair {
  const [stored, normalized] = stages as [BranchAlgebra["stages"][0], BranchAlgebra["stages"][0]];
  let largest = 0;
  stored.weight.forEach((weight, i) => {
    if (Math.abs(weight) > Math.abs(stored.weight[largest]!)) largest = i;
  });
  return {
    name: branch,
    weight: branch === "identity" ? [] : kernelAt(stored, input),
    factor: normalized.weight[largest]! / stored.weight[largest]!,
    shift: normalized.bias[0]!,
    folded: kernelAt(stages.at(-1)!, input),
  };
}

function kernelAt({ weight, size }: BlockAlgebra["sum"], input: number): number[] {
  const taps = size[0] * size[1];
  return [...weight.subarray(input * taps, (input + 1) * taps)];
}
