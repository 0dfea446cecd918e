import type { Backend, KernelCall, Pointer } from "../backend.js";
import type { KernelArguments } from "../kernels.generated.js";

/** What a plan must know of the backend that will run it; nothing of it shows in the result. */
export type ByteConvTarget = Pick<Backend, "lanes" | "panelColumns" | "microRows" | "threads" | "multipliesBytes">;

/** As kernels/kernels.def names them. */
export type ByteConvAlgorithm = "igemm" | "depthwise" | "winograd2" | "winograd4" | "winograd4_stride2";

/**
 * A convolution of bytes made ready. All algorithms give the same bits, on every machine. Activations are uint8 NHWC whose channels are filled
 * up to a multiple of 4; weights int8 HWIO with zero point 0. Memory is the caller's.
 */
export interface ByteConvPlan {
  readonly algorithm: ByteConvAlgorithm;
  /** Words for the packed weights. */
  readonly packedWords: number;
  /** int8 HWIO weights → packed; once at load. */
  pack(weight: Pointer, packed: Pointer): readonly KernelCall[];
  run(at: ByteConvBuffers): readonly KernelCall[];
}

/** y = (Σ x · w + bias) · multiplier (+ (residual − its zero) · its multiplier) + zero, clamped; see kernels/kernels.def. */
export interface ByteConvBuffers {
  readonly input: Pointer;
  /** The byte that stands for 0 in the input: what padding reads. The bias takes it away: − inputZero · Σ w. */
  readonly inputZero: number;
  readonly packed: Pointer;
  /** int32, one for each output channel. */
  readonly bias: Pointer;
  /** float32, one for each output channel: scale of input · scale of weights / scale of output; or, for floats, of the first two. */
  readonly multiplier: Pointer;
  readonly output: Pointer;
  /** How bytes are made of results; absent: they stay float32, [N][OH][OW][O]. */
  readonly bytes?: ByteRange;
  /** Of the output's shape; for bytes only. */
  readonly residual?: { readonly at: Pointer; readonly zero: number; readonly multiplier: number };
}

/** The byte that stands for 0, and those to which results are clamped: a ReLU's `low` is `zero`. */
export interface ByteRange {
  readonly zero: number;
  readonly low: number;
  readonly high: number;
}

/** The arguments of kernels that all algorithms have. */
export type ByteConvArguments = Omit<
  KernelArguments["conv_u8_winograd2_forward"],
  "groups" | "block_tiles" | "block_panels"
>;

/** What an algorithm brings to a plan. */
export interface ByteConvParts {
  readonly packedWords: number;
  pack(weight: Pointer, packed: Pointer): readonly KernelCall[];
  run(args: ByteConvArguments): KernelCall;
}
