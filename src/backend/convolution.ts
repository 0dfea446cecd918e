import type { KernelCall, Pointer } from "./backend.js";

/**
 * A convolution made ready: which algorithm, how much memory, and the kernel calls for given addresses.
 * Activations are NHWC; weights arrive as [kernelHeight][kernelWidth][inChannels / groups][outChannels] ("HWIO").
 * Memory is the caller's: a plan only says how much.
 */
export interface ConvPlan {
  /** As the kernels are named: "igemm", "winograd4", "depthwise", … */
  readonly algorithm: string;
  /** Words for the packed or transformed weights. */
  readonly packedWords: number;
  /** Largest weight that packing holds; absent: any float32. */
  readonly largestWeight?: number;
  /** Words of scratch memory during `run`; shared by all convolutions that do not run at once. */
  readonly workspaceWords: number;
  /** HWIO weights → packed; once at load, or once a step in training. */
  pack(weight: Pointer, packed: Pointer): readonly KernelCall[];
  run(at: ConvBuffers): readonly KernelCall[];
}

export interface ConvBuffers {
  /** Forward: [N][H][W][I]. Backward-data: the gradient of the output, [N][OH][OW][O]. */
  readonly input: Pointer;
  readonly packed: Pointer;
  /** Forward: [N][OH][OW][O]. Backward-data: the gradient of the input, [N][H][W][I]. */
  readonly output: Pointer;
  readonly workspace: Pointer;
  /** One number for each channel of the output. */
  readonly bias?: Pointer;
  /** max(0, ·) after bias (and after `accumulate`). */
  readonly relu?: boolean;
  /** Adds to what `output` holds instead of overwriting it. */
  readonly accumulate?: boolean;
}

/** Whether positions that no tap reaches change as well: they are overwritten, or bias or ReLU is theirs, too. */
export function changesEverything(at: ConvBuffers): boolean {
  return !at.accumulate || at.bias !== undefined || at.relu === true;
}

/** The gradient of a convolution's weights: no packing, result in HWIO. */
export interface ConvWeightGradientPlan {
  readonly algorithm: string;
  readonly workspaceWords: number;
  run(at: {
    /** [N][H][W][I] */
    readonly input: Pointer;
    /** [N][OH][OW][O] */
    readonly outputGradient: Pointer;
    /** HWIO */
    readonly weightGradient: Pointer;
    readonly workspace: Pointer;
    readonly accumulate?: boolean;
  }): readonly KernelCall[];
}
