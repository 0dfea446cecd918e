import type { KernelName } from "#repvgg/backend/kernels.generated.js";

export type Equality = "all" | "fused" | "unfused";

export interface ListedKernel {
  readonly name: KernelName;
  readonly args: readonly { readonly name: string; readonly type: "ptr" | "i32" | "f32" }[];
  readonly comment: string;
  readonly bits: Equality;
  /** What its bench runs: values of the arguments that are no pointers; of a convolution's kernels, layers of nets. */
  readonly shape?: Readonly<Record<string, number>>;
  readonly nets?: readonly string[];
}

export const equalities: readonly Equality[];
export function readKernels(): readonly ListedKernel[];
export function parseKernels(text: string): readonly ListedKernel[];
