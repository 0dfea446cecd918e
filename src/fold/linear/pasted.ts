import { toFloat64 } from "../../core/named-arrays.js";
import type { Context } from "./linear-node.js";
import type { Border } from "./written-border.js";

/**
 * A value put into the middle of a constant: ScatterND of it at the places of a box that spans batch and channels. What is left of the
 * constant is its border.
 */
export function pastedBorder({ node, own, constants }: Context): Border | undefined {
  if (node.op !== "ScatterND" || node.attributes.reduction || constants.has(node.inputs[2])) return undefined;
  const [base, indices] = [constants.get(node.inputs[0]), constants.get(node.inputs[1])];
  const sizes = own.shape(2);
  if (!base || !indices || !sizes?.every((size) => typeof size === "number")) return undefined;
  const { shape } = base;
  const rank = shape.length;
  // One index for each element of the value.
  if (sizes.length !== rank || rank < 3 || `${indices.shape}` !== `${[...sizes, rank]}`) return undefined;
  const places = toFloat64(indices);
  const first = places.subarray(0, rank);
  let at = 0;
  const box = everyPoint(sizes, (point) =>
    point.every((coordinate, axis) => places[at++] === first[axis] + coordinate),
  );
  const behind = shape.map((size, axis) => size - first[axis] - sizes[axis]);
  const whole = first[0] === 0 && first[1] === 0 && behind[0] === 0 && behind[1] === 0;
  if (!box || !whole || behind.some((p) => p < 0) || first.some((p) => p < 0)) return undefined;
  const mask = new Uint8Array(shape.reduce((total, size) => total * size, 1));
  const written = { shape, mask, values: toFloat64(base) };
  return { input: node.inputs[2], pads: [...first.slice(2), ...behind.slice(2)], written };
}

/** Whether something holds at every point of a box, the last axis fastest. */
function everyPoint(sizes: readonly number[], holds: (point: readonly number[]) => boolean): boolean {
  const point = sizes.map(() => 0);
  const count = sizes.reduce((total, size) => total * size, 1);
  for (let i = 0; i < count; i++) {
    if (!holds(point)) return false;
    for (let axis = sizes.length - 1; axis >= 0 && ++point[axis] === sizes[axis]; axis--) point[axis] = 0;
  }
  return count > 0;
}
