import { ShapeError } from "../../core/errors.js";
import type { Tensor } from "../tensor.js";

/** @throws ShapeError naming `what` when the shapes differ. */
export function checkSameShape(what: string, a: Tensor, b: Tensor): void {
  if (a.shape.length !== b.shape.length || a.shape.some((size, axis) => size !== b.shape[axis])) {
    throw new ShapeError({ expected: `${what} of one shape`, received: `[${a.shape}] and [${b.shape}]` });
  }
}

/** [N, …, C] as batch × positions × channels. @throws ShapeError for fewer than 2 axes. */
export function byChannel(what: string, x: Tensor): { batch: number; positions: number; channels: number } {
  const { shape, size } = x;
  if (shape.length < 2) throw new ShapeError({ expected: `${what} of [N, …, C]`, received: `[${shape}]` });
  const [batch, channels] = [shape[0]!, shape.at(-1)!];
  return { batch, positions: size / (batch * channels), channels };
}
