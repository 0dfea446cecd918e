import type { ConvGeometry } from "../../core/conv-geometry.js";

/** What one step of a plan does and costs. */
export interface StepReport {
  /** Node that the step is named after, and the ONNX operators done in it ("Conv+Add+Relu"; "Affine" is a BatchNormalization or constant scale and shift). */
  readonly name: string;
  readonly op: string;
  readonly algorithm: string;
  /** As the graph has it: NCHW. */
  readonly outputShape: readonly number[];
  readonly macs: number;
  /** What is convolved, where the step is a convolution or a matrix product. */
  readonly convolution?: ConvGeometry;
  /** Activations and packed weights read, activations written; each byte counted once. */
  readonly bytesRead: number;
  readonly bytesWritten: number;
  /** Of bytesRead, the constants. */
  readonly weightBytes: number;
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
  readonly inputs: readonly { readonly name: string; readonly shape: readonly number[] }[];
  readonly outputs: readonly { readonly name: string; readonly shape: readonly number[] }[];
  readonly steps: readonly StepReport[];
  readonly macs: number;
  /** Most bytes of activations alive at once. */
  readonly peakActivationBytes: number;
  /** Bytes of the one arena that holds all activations and workspaces. */
  readonly arenaBytes: number;
  /** Bytes of packed weights and per-channel vectors. */
  readonly weightBytes: number;
}
