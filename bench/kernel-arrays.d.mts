import type { ListedKernel } from "../scripts/kernel-list.mjs";

export interface KernelArray {
  readonly name: string;
  readonly values: Float32Array;
  readonly written: boolean;
}
export function kernelArrays(kernel: ListedKernel): readonly KernelArray[];
