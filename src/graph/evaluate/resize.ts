import { UserError } from "../../core/errors.js";
import { stringAttribute } from "../attributes.js";
import type { GraphNode } from "../graph.js";
import type { Tensor64 } from "./tensor64.js";
import { stridesOf, tensor64, zeros } from "./tensor64.js";

/** Resize by nearest neighbour, with ONNX's coordinate and rounding modes. @throws UserError for interpolating modes. */
export function resizeNearest(
  x: Tensor64,
  scales: readonly number[] | undefined,
  sizes: readonly number[] | undefined,
  node: GraphNode,
): Tensor64 {
  const mode = stringAttribute(node, "mode", "nearest");
  if (mode !== "nearest") {
    throw new UserError({
      expected: `${node.op} "${node.name}" in mode nearest`,
      received: `mode ${mode}`,
      remedy: "the reference evaluator does not interpolate",
    });
  }
  const shape = x.shape.map((size, axis) => sizes?.[axis] ?? Math.floor(size * (scales?.[axis] ?? 1)));
  const result = zeros(shape);
  const tables = nearestSources(node, x.shape, shape, scales, sizes);
  const strides = stridesOf(x.shape);
  const index = shape.map(() => 0);
  for (let at = 0; at < result.length; at++) {
    result[at] = x.data[index.reduce((offset, i, axis) => offset + tables[axis][i] * strides[axis], 0)];
    for (let axis = shape.length - 1; axis >= 0 && ++index[axis] === shape[axis]; axis--) index[axis] = 0;
  }
  return tensor64(shape, result, x.dtype);
}

/**
 * For each axis, which input index each output index shows. Resize says by attributes how it counts; Upsample counts asymmetrically and
 * rounds down.
 */
export function nearestSources(
  node: GraphNode,
  from: readonly number[],
  to: readonly number[],
  scales: readonly number[] | undefined,
  sizes: readonly number[] | undefined,
): Int32Array[] {
  const upsample = node.op === "Upsample";
  const coordinates = upsample ? "asymmetric" : stringAttribute(node, "coordinate_transformation_mode", "half_pixel");
  const rounding = upsample ? "floor" : stringAttribute(node, "nearest_mode", "round_prefer_floor");
  return to.map((size, axis) => {
    const scale = sizes || !scales ? size / from[axis] : scales[axis];
    return Int32Array.from({ length: size }, (_, i) => {
      const at = round(coordinate(i, scale, size, from[axis], coordinates), rounding);
      return Math.min(from[axis] - 1, Math.max(0, at));
    });
  });
}

function coordinate(i: number, scale: number, outSize: number, inSize: number, mode: string): number {
  switch (mode) {
    case "asymmetric":
      return i / scale;
    case "align_corners":
      return outSize === 1 ? 0 : (i * (inSize - 1)) / (outSize - 1);
    case "pytorch_half_pixel":
      return outSize > 1 ? (i + 0.5) / scale - 0.5 : 0;
    default:
      return (i + 0.5) / scale - 0.5;
  }
}

function round(x: number, mode: string): number {
  switch (mode) {
    case "floor":
      return Math.floor(x);
    case "ceil":
      return Math.ceil(x);
    case "round_prefer_ceil":
      return Math.floor(x + 0.5);
    default:
      return Math.ceil(x - 0.5);
  }
}
