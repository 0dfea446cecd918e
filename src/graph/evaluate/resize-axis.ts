import { UserError } from "../../core/errors.js";
import { type AxisTable, outside } from "./axis-table.js";
import { checkCount } from "./tensor64.js";

/** `mode` of ONNX's Resize. */
export type ResizeMode = "nearest" | "linear" | "cubic";

/** `coordinate_transformation_mode`; tf_half_pixel_for_nn of operator sets 11 and 12 only. */
export const resizeCoordinates = [
  "half_pixel",
  "half_pixel_symmetric",
  "pytorch_half_pixel",
  "align_corners",
  "asymmetric",
  "tf_crop_and_resize",
  "tf_half_pixel_for_nn",
] as const;
export type ResizeCoordinates = (typeof resizeCoordinates)[number];

/** `nearest_mode`; "simple" is what there was before there was the attribute: up where it shrinks, down where it grows. */
export const nearestModes = ["round_prefer_floor", "round_prefer_ceil", "floor", "ceil", "simple"] as const;
export type NearestMode = (typeof nearestModes)[number];

/** How one axis is resized: ONNX's Resize, operator sets 10 to 19. */
export interface ResizeAxis {
  readonly inSize: number;
  readonly outSize: number;
  /** As given, or outSize / inSize where sizes are given. outSize need not be inSize · scale: it may have been rounded. */
  readonly scale: number;
  readonly mode: ResizeMode;
  readonly coordinates: ResizeCoordinates;
  /** Default "round_prefer_floor". */
  readonly nearestMode?: NearestMode;
  /** Filters of linear and cubic are widened where the axis shrinks. */
  readonly antialias?: boolean;
  /** `cubic_coeff_a`, default −0.75. */
  readonly cubicCoefficient?: number;
  /** Weights of what lies outside are 0, and the others are scaled to sum 1; otherwise the edge goes on outside. */
  readonly excludeOutside?: boolean;
  /** tf_crop_and_resize: where the part that is shown begins and ends; 0 is the first element, 1 the last. */
  readonly region?: readonly [start: number, end: number];
}

/**
 * What each element of a resized axis is made of. Interpolation is separable: one axis after the other. Elements that tf_crop_and_resize
 * finds outside read {@link outside}: the extrapolation value.
 * Source: onnx/docs/Operators.md, Resize-19 (coordinates, `antialias`); Keys, "Cubic Convolution Interpolation for Digital Image
 * Processing", 1981 (cubic).
 * @throws UserError where ONNX's description and its reference implementation disagree on what is computed
 */
export function resizeAxis(axis: ResizeAxis): AxisTable {
  refuseAmbiguous(axis);
  const { inSize, outSize, mode } = axis;
  if (mode === "nearest") return nearestTable(axis);
  const shrink = axis.antialias ? Math.min(axis.scale, 1) : 1;
  const filter = mode === "linear" ? linearFilter : cubicFilter(axis.cubicCoefficient ?? -0.75);
  const first = Math.floor(-(mode === "linear" ? 1 : 2) / shrink) + 1;
  const taps = 2 - 2 * first;
  checkCount(outSize * taps, "a resized axis");
  const indices = new Int32Array(outSize * taps);
  const weights = new Float64Array(outSize * taps);
  const values = new Float64Array(taps);
  for (let i = 0; i < outSize; i++) {
    const at = coordinate(axis, i);
    if (at === undefined) {
      indices.fill(outside, i * taps, (i + 1) * taps);
      weights[i * taps] = 1;
      continue;
    }
    const start = Math.floor(at) + first;
    for (let tap = 0; tap < taps; tap++) {
      const index = start + tap;
      const excluded = axis.excludeOutside && (index < 0 || index >= inSize);
      values[tap] = excluded ? 0 : filter((index - at) * shrink);
      indices[i * taps + tap] = Math.min(inSize - 1, Math.max(0, index));
    }
    const sum = axis.antialias || axis.excludeOutside ? values.reduce((total, value) => total + value, 0) : 1;
    for (let tap = 0; tap < taps; tap++) weights[i * taps + tap] = values[tap]! / sum;
  }
  return { taps, indices, weights };
}

function nearestTable(axis: ResizeAxis): AxisTable {
  checkCount(axis.outSize, "a resized axis");
  const indices = new Int32Array(axis.outSize);
  for (let i = 0; i < axis.outSize; i++) {
    const at = coordinate(axis, i);
    indices[i] = at === undefined ? outside : Math.min(axis.inSize - 1, Math.max(0, round(at, axis)));
  }
  return { taps: 1, indices, weights: new Float64Array(axis.outSize).fill(1) };
}

/** Where output i lies in the input's axis; undefined where tf_crop_and_resize finds it outside. */
function coordinate({ inSize, outSize, scale, coordinates, region }: ResizeAxis, i: number): number | undefined {
  switch (coordinates) {
    case "half_pixel":
      return (i + 0.5) / scale - 0.5;
    case "half_pixel_symmetric":
      return (inSize / 2) * (1 - outSize / (inSize * scale)) + (i + 0.5) / scale - 0.5;
    case "pytorch_half_pixel":
      return outSize > 1 ? (i + 0.5) / scale - 0.5 : 0;
    case "align_corners":
      return outSize > 1 ? (i * (inSize - 1)) / (outSize - 1) : 0;
    case "asymmetric":
      return i / scale;
    case "tf_half_pixel_for_nn":
      return (i + 0.5) / scale;
    case "tf_crop_and_resize": {
      const [start, end] = region ?? [0, 1];
      const last = inSize - 1;
      const at = outSize > 1 ? start * last + (i * (end - start) * last) / (outSize - 1) : 0.5 * (start + end) * last;
      return at >= 0 && at <= last ? at : undefined;
    }
  }
}

function round(at: number, { scale, nearestMode = "round_prefer_floor" }: ResizeAxis): number {
  switch (nearestMode) {
    case "floor":
      return Math.floor(at);
    case "ceil":
      return Math.ceil(at);
    case "round_prefer_ceil":
      return Math.floor(at + 0.5);
    case "round_prefer_floor":
      return Math.ceil(at - 0.5);
    case "simple":
      return scale < 1 ? Math.ceil(at) : Math.floor(at);
  }
}

function linearFilter(distance: number): number {
  return Math.max(0, 1 - Math.abs(distance));
}

function cubicFilter(a: number): (distance: number) => number {
  return (distance) => {
    const d = Math.abs(distance);
    if (d <= 1) return ((a + 2) * d - (a + 3)) * d * d + 1;
    return d < 2 ? ((a * d - 5 * a) * d + 8 * a) * d - 4 * a : 0;
  };
}

/**
 * Coordinates that count the resized axis: ONNX's text counts its elements (as ONNX Runtime and PyTorch do), its reference implementation
 * and tests count inSize · scale, also where that is no whole number.
 */
function refuseAmbiguous({ inSize, outSize, scale, mode, coordinates }: ResizeAxis): void {
  if (mode === "nearest" || outSize === 1) return;
  if (coordinates !== "align_corners" && coordinates !== "tf_crop_and_resize") return;
  if (Math.abs(inSize * scale - outSize) <= 1e-5 * outSize) return;
  throw new UserError({
    expected: `a Resize of ${coordinates} to a whole number of elements`,
    received: `${inSize} × ${scale}, on whose coordinates ONNX and its reference implementation disagree`,
    remedy: `give Resize sizes instead of scales, or scales that are exact, such as ${outSize}/${inSize}`,
  });
}

/** The sizes that Resize gives, and the scale of each axis. */
export interface ResizeSizes {
  readonly sizes: readonly number[];
  readonly scales: readonly number[];
}

/**
 * Sizes and scales of all axes from Resize's inputs, which name some axes (all where `axes` is undefined) in their own order.
 * `policy`: `keep_aspect_ratio_policy`, which looks at sizes only: one scale, the smallest (not_larger) or largest (not_smaller), for all axes.
 * @param shape of the input
 * @throws UserError when a number is not positive, or there are not as many as axes
 */
export function resizeSizes(
  shape: readonly number[],
  given: { readonly scales: readonly number[] } | { readonly sizes: readonly number[] },
  axes: readonly number[] | undefined,
  policy: "stretch" | "not_larger" | "not_smaller" = "stretch",
): ResizeSizes {
  const named = axes?.map((axis) => (axis < 0 ? axis + shape.length : axis)) ?? shape.map((_, axis) => axis);
  const numbers = "scales" in given ? given.scales : given.sizes;
  const valid = named.every((axis) => axis >= 0 && axis < shape.length) && new Set(named).size === named.length;
  if (!valid || numbers.length !== named.length || !numbers.every((number) => number > 0 && Number.isFinite(number))) {
    throw new UserError({
      expected: `a positive ${"scales" in given ? "scale" : "size"} for each of axes ${named.join(", ")} of a shape of ${shape.length}`,
      received: `[${numbers.join(", ")}]`,
    });
  }
  const sizes = [...shape];
  const scales: number[] = shape.map(() => 1);
  if ("scales" in given) {
    named.forEach((axis, i) => {
      scales[axis] = given.scales[i]!;
      sizes[axis] = Math.floor(shape[axis]! * scales[axis]!);
    });
  } else if (policy === "stretch") {
    named.forEach((axis, i) => {
      sizes[axis] = given.sizes[i]!;
      scales[axis] = sizes[axis]! / shape[axis]!;
    });
  } else {
    const each = named.map((axis, i) => given.sizes[i]! / shape[axis]!);
    const scale = policy === "not_larger" ? Math.min(...each) : Math.max(...each);
    for (const axis of named) {
      scales[axis] = scale;
      sizes[axis] = Math.floor(scale * shape[axis]! + 0.5);
    }
  }
  return { sizes, scales };
}
