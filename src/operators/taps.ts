import type { Window } from "../graph/window.js";

/** A window written for three spatial axes, missing ones in front: one loop nest serves 1-D, 2-D and 3-D. */
export interface Window3 {
  readonly input: readonly number[];
  readonly output: readonly number[];
  readonly kernel: readonly number[];
  readonly strides: readonly number[];
  readonly dilations: readonly number[];
  readonly begins: readonly number[];
}

export function window3(
  window: Window & { pads: readonly number[] },
  input: readonly number[],
  output: readonly number[],
): Window3 {
  const { kernel, strides, dilations, pads } = window;
  const fill = (values: readonly number[], missing: number): number[] => [
    ...new Array<number>(3 - values.length).fill(missing),
    ...values,
  ];
  return {
    input: fill(input, 1),
    output: fill(output, 1),
    kernel: fill(kernel, 1),
    strides: fill(strides, 1),
    dilations: fill(dilations, 1),
    begins: fill(pads.slice(0, kernel.length), 0),
  };
}

/** Calls `visit(output position, input position or −1 in the padding, tap)` for every output position and tap of a window. */
export function forEachTap(w: Window3, visit: (output: number, input: number, tap: number) => void): void {
  const at = (axis: number, output: number, tap: number): number =>
    output * w.strides[axis]! - w.begins[axis]! + tap * w.dilations[axis]!;
  const [kd, kh, kw] = w.kernel as [number, number, number];
  const [od, oh, ow] = w.output as [number, number, number];
  const [id, ih, iw] = w.input as [number, number, number];
  for (let tap = 0; tap < kd * kh * kw; tap++) {
    const [tz, ty, tx] = [Math.floor(tap / (kh * kw)), Math.floor(tap / kw) % kh, tap % kw];
    for (let z = 0, output = 0; z < od; z++) {
      const iz = at(0, z, tz);
      for (let y = 0; y < oh; y++) {
        const iy = at(1, y, ty);
        const row = iz >= 0 && iz < id && iy >= 0 && iy < ih ? (iz * ih + iy) * iw : -1;
        for (let x = 0; x < ow; x++, output++) {
          const ix = at(2, x, tx);
          visit(output, row >= 0 && ix >= 0 && ix < iw ? row + ix : -1, tap);
        }
      }
    }
  }
}
