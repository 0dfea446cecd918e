import type { DType } from "../../core/named-arrays.js";
import { broadcastShapes } from "../shapes.js";
import type { Tensor64 } from "./tensor64.js";
import { stridesOf, tensor64, zeros } from "./tensor64.js";

/** f(a, b) element by element with numpy's broadcasting. */
export function broadcast(a: Tensor64, b: Tensor64, dtype: DType, f: (x: number, y: number) => number): Tensor64 {
  const shape = broadcastShapes(a.shape, b.shape) as number[];
  const result = zeros(shape);
  const [stepsA, stepsB] = [broadcastStrides(a.shape, shape), broadcastStrides(b.shape, shape)];
  const last = shape.length - 1;
  const width = shape.length === 0 ? 1 : shape[last]!;
  const [stepA, stepB] = [stepsA[last] ?? 0, stepsB[last] ?? 0];
  const index = new Array<number>(shape.length).fill(0);
  for (let at = 0; at < result.length; at += width) {
    let [fromA, fromB] = [0, 0];
    for (let axis = 0; axis < last; axis++) {
      fromA += index[axis]! * stepsA[axis]!;
      fromB += index[axis]! * stepsB[axis]!;
    }
    for (let j = 0; j < width; j++) result[at + j] = f(a.data[fromA + j * stepA]!, b.data[fromB + j * stepB]!);
    for (let axis = last - 1; axis >= 0 && ++index[axis]! === shape[axis]; axis--) index[axis] = 0;
  }
  return tensor64(shape, result, dtype);
}

/** The value repeated to a larger shape. */
export function expanded(x: Tensor64, shape: readonly number[]): Tensor64 {
  return broadcast(x, tensor64(shape, zeros(shape)), x.dtype, (value) => value);
}

/** Strides of a value read with a larger shape: 0 along the axes it is repeated along. */
export function broadcastStrides(own: readonly number[], shape: readonly number[]): number[] {
  const strides = stridesOf(own);
  const missing = shape.length - own.length;
  return shape.map((_, axis) => (axis < missing || own[axis - missing] === 1 ? 0 : strides[axis - missing]!));
}

/** A value of the given shape whose element at an index is x's at `from(index)`; undefined gives `fill`. */
export function gatherElements(
  x: Tensor64,
  shape: readonly number[],
  from: (index: readonly number[]) => readonly number[] | undefined,
  fill = 0,
): Tensor64 {
  const strides = stridesOf(x.shape);
  const result = zeros(shape);
  const index = new Array<number>(shape.length).fill(0);
  for (let at = 0; at < result.length; at++) {
    const source = from(index);
    result[at] = source ? x.data[source.reduce((offset, i, axis) => offset + i * strides[axis]!, 0)]! : fill;
    for (let axis = shape.length - 1; axis >= 0 && ++index[axis]! === shape[axis]; axis--) index[axis] = 0;
  }
  return tensor64(shape, result, x.dtype);
}

/** x element by element. */
export function mapped(x: Tensor64, f: (value: number) => number, dtype: DType = x.dtype): Tensor64 {
  return tensor64(x.shape, x.data.map(f), dtype);
}
