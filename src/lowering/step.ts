import type { KernelCall, Pointer } from "../backend/backend.js";
import type { ConvGeometry } from "../core/conv-geometry.js";
import type { Constant } from "./constants.js";

/** Memory for one activation while a plan is being made: how much, not yet where. */
export interface Buffer {
  /** Value or purpose, for reports and messages. */
  readonly name: string;
  readonly words: number;
  /** Of its elements; float32 where nothing is said. Bytes lie four a word. */
  readonly type?: "u8";
}

/** A value in memory, of whatever elements. */
export interface Held {
  readonly shape: readonly number[];
  readonly buffer: Buffer;
}

/**
 * An activation as the graph sees it (`shape`, NCHW) and as memory holds it. `channels-last`: [N][positions][C];
 * `row-major`: the order of `shape`. Where both orders are the same (one position or one channel, or a rank that
 * is not 4), the layout is `row-major`.
 */
export interface Tensor extends Held {
  readonly layout: "channels-last" | "row-major";
  /** How many of its first axis there are depends on the data, `shape` having the most: the number stands behind the elements. */
  readonly counted?: true;
}

/** Where a step finds its memory, once everything is placed. */
export interface Addresses {
  of(buffer: Buffer): Pointer;
  constant(constant: Constant): Pointer;
  /** Scratch of {@link Step.workspaceWords} words; 0 where the step needs none. */
  readonly workspace: Pointer;
  /** A word that is 0 when a run begins, where the step has a {@link Step.refusal}; else 0: none. */
  readonly status: Pointer;
}

/** One operation of a plan: what it reads and writes, and the kernel calls that do it. */
export interface Step {
  /** The graph node that gives the step its name, and the ONNX operators that it does ("Conv+Relu"). */
  readonly name: string;
  readonly op: string;
  /** As the kernels are named: "winograd4", "branch_sum", … */
  readonly algorithm: string;
  readonly outputShape: readonly number[];
  /** Multiply-accumulates of its convolutions (0 for everything else). */
  readonly macs: number;
  /** What is convolved, where the step is a convolution or a matrix product. */
  readonly convolution?: ConvGeometry;
  /** Activations that it reads, `accumulate` included. */
  readonly reads: readonly Buffer[];
  readonly write: Buffer;
  /** Those of `reads` whose memory `write` may take when they die here: read element by element, at the place written. */
  readonly mayOverwrite: readonly Buffer[];
  /** The result is added to what this buffer holds: `write` must have its memory, or a copy of it. */
  readonly accumulate?: Buffer;
  readonly constants: readonly Constant[];
  readonly workspaceWords: number;
  /** What is said when the step has written anything but 0 to its status word: it met numbers that it gives no right result for. */
  readonly refusal?: { readonly expected: string; readonly received: string; readonly remedy?: string };
  calls(at: Addresses): readonly KernelCall[];
}

/** Images, positions of one image and channels of a shape: [N, C, …] → N, ∏ …, C. A vector [C] is one image. */
export function extents(shape: readonly number[]): { batch: number; positions: number; channels: number } {
  if (shape.length < 2) return { batch: 1, positions: 1, channels: shape[0] ?? 1 };
  return { batch: shape[0]!, channels: shape[1]!, positions: shape.slice(2).reduce((a, b) => a * b, 1) };
}

/** Both layouts of this shape are the same bytes. */
export function layoutsCoincide(shape: readonly number[]): boolean {
  const { positions, channels } = extents(shape);
  return positions === 1 || channels === 1;
}
