import type { NamedArray } from "../../core/named-arrays.js";
import { f32 } from "../../core/named-arrays.js";

/**
 * W + diag(α)·I as numbers, for graphs; the op addDirac does the same where gradients flow. I is the Dirac kernel, which gives
 * output channel o the input channel o modulo the number that a filter sees: at the centre of the kernel, zero elsewhere.
 * @param kernel [O, I/groups, kh, kw], changed in place; kh and kw are odd
 * @param alpha [O]; left out: all 1
 */
export function withDirac(kernel: Float64Array, shape: readonly number[], alpha?: ArrayLike<number>): NamedArray {
  const [outputs, inputs, height, width] = shape as [number, number, number, number];
  const [taps, centre] = [height * width, (height * width - 1) / 2];
  for (let o = 0; o < outputs; o++) kernel[(o * inputs + (o % inputs)) * taps + centre]! += alpha ? alpha[o]! : 1;
  return f32(shape, Float32Array.from(kernel));
}
