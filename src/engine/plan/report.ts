import type { ConvGeometry } from "../../core/conv-geometry.js";

/** What one step of a plan does and costs. */
export interface StepReport {
  /** Node that the step is named after, and the ONNX operators done in it ("Conv+Add+Relu"; "Affine" is a BatchNormalization or constant scale and shift). */
  readonly name: string;
  /** The ONNX operators done in the step: "Conv+Add+Relu"; "Affine" is a BatchNormalization or a constant scale and shift. */
  readonly op: string;
  /** How it is computed, by name: of a 3×3 convolution "winograd4" or "direct", say. */
  readonly algorithm: string;
  /** As the graph has it: NCHW. */
  readonly outputShape: readonly number[];
  /** Elements of the result, where they are no float32: bytes of a quantized net. */
  readonly type?: "u8";
  /** Multiply-accumulates, as defined: of Winograd's algorithms too. */
  readonly macs: number;
  /** What is convolved, where the step is a convolution or a matrix product. */
  readonly convolution?: ConvGeometry;
  /** Activations and packed weights read, activations written; each byte counted once. */
  readonly bytesRead: number;
  /** Activations written. */
  readonly bytesWritten: number;
  /** Of bytesRead, the constants. */
  readonly weightBytes: number;
  /** Scratch memory. */
  readonly workspaceBytes: number;
  /** Bytes of all activations that are alive during the step, its operands and result included; without the workspace. */
  readonly liveBytes: number;
  /** Of liveBytes, what is still needed when the step is done: by later steps, or as an output. */
  readonly keptBytes: number;
  /** Number of separate activations that are alive during the step. */
  readonly liveBuffers: number;
}

/** A plan in numbers. */
export interface PlanReport {
  /** Names and shapes of what the graph reads, as it has them: images NCHW. */
  readonly inputs: readonly { readonly name: string; readonly shape: readonly number[] }[];
  /** Names and shapes of what it gives. */
  readonly outputs: readonly { readonly name: string; readonly shape: readonly number[] }[];
  /** In the order in which they run. */
  readonly steps: readonly StepReport[];
  /** Multiply-accumulates of all steps. */
  readonly macs: number;
  /** Most bytes of activations alive at once. */
  readonly peakActivationBytes: number;
  /** Bytes of the one arena that holds all activations and workspaces. */
  readonly arenaBytes: number;
  /** Bytes of packed weights and per-channel vectors. */
  readonly weightBytes: number;
  /** Of a quantized net: layers that run in float32 all the same, each with the reason; absent where there are none. */
  readonly inFloat?: readonly { readonly name: string; readonly op: string; readonly reason: string }[];
}
