import { elementCount } from "../../core/named-arrays.js";
/**
 * What a value along one axis is made of: element i of the result is Σ_tap weights[i · taps + tap] · x[indices[i · taps + tap]].
 * Index {@link outside} reads a constant instead of the input. A tap of weight 0 is not read at all, so that it spreads no infinity.
 */
export interface AxisTable {
  readonly taps: number;
  /** [result size][taps] */
  readonly indices: Int32Array;
  /** [result size][taps] */
  readonly weights: Float64Array;
}

/** The index of what lies in no input: a pad's value, or Resize's `extrapolation_value`. */
export const outside = -1;

/** Whether the table gives the axis back as it is. */
export function isIdentityTable({ taps, indices, weights }: AxisTable, size: number): boolean {
  if (indices.length !== size * taps) return false;
  return indices.every((index, at) => weights[at] === 0 || (index === Math.floor(at / taps) && weights[at] === 1));
}

/** Applies a table along `axis` of a row-major value, in float64. `value` is what {@link outside} reads. */
export function resampleAxis(
  x: { readonly shape: readonly number[]; readonly data: Float64Array },
  axis: number,
  { taps, indices, weights }: AxisTable,
  value = 0,
): { readonly shape: readonly number[]; readonly data: Float64Array } {
  const from = x.shape[axis]!;
  const to = indices.length / taps;
  const [outer, inner] = [elementCount(x.shape.slice(0, axis)), elementCount(x.shape.slice(axis + 1))];
  const data = new Float64Array(outer * to * inner);
  for (let o = 0; o < outer; o++) {
    for (let at = 0; at < indices.length; at++) {
      const weight = weights[at]!;
      if (weight === 0) continue;
      const result = (o * to + Math.floor(at / taps)) * inner;
      const source = (o * from + indices[at]!) * inner;
      for (let i = 0; i < inner; i++) {
        data[result + i]! += weight * (indices[at] === outside ? value : x.data[source + i]!);
      }
    }
  }
  return { shape: x.shape.with(axis, to), data };
}
