import type { Dimension } from "../graph.js";

/** Product of the sizes, or undefined where one is dynamic. */
export function staticCount(shape: readonly Dimension[]): number | undefined {
  return shape.reduce<number | undefined>(
    (product, size) => (product === undefined || typeof size === "string" ? undefined : product * size),
    1,
  );
}

/** ⌊(size + growth) / stride⌋ + 1 of a size that may be dynamic: then a name made of it, equal for equal arithmetic. */
export function windowedDimension(size: Dimension, growth: number, stride: number): Dimension {
  if (typeof size === "number") return Math.floor((size + growth) / stride) + 1;
  if (stride === 1) return addTo(size, growth + 1);
  return growth === -1 ? `ceil(${size}/${stride})` : `floor((${addTo(size, growth)})/${stride})+1`;
}

function addTo(name: string, offset: number): string {
  return offset === 0 ? name : `${name}${offset < 0 ? "" : "+"}${offset}`;
}

/** The size of Reshape's −1: elements of `shape` divided by the sizes beside it; undefined where names do not cancel. */
export function remainingDimension(shape: readonly Dimension[], beside: readonly Dimension[]): Dimension | undefined {
  const names = shape.filter((size) => typeof size === "string");
  for (const size of beside) {
    if (typeof size !== "string") continue;
    const at = names.indexOf(size);
    if (at < 0) return undefined;
    names.splice(at, 1);
  }
  const numbers = (sizes: readonly Dimension[]): number =>
    sizes.reduce<number>((product, size) => (typeof size === "number" ? product * size : product), 1);
  const ratio = numbers(shape) / numbers(beside);
  if (names.length === 0) return ratio;
  return names.length === 1 && ratio === 1 ? names[0] : undefined;
}

/** A value of such a shape is a list, or one number whatever its rank: what shapes, axes, pads, scales and limits are given as. */
export function isListShape(shape: readonly number[]): boolean {
  return shape.length <= 1 || shape.every((size) => size === 1);
}
