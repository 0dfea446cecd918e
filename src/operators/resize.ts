import { UserError } from "../core/errors.js";
import { attribute, flagAttribute, floatAttribute, intsAttribute } from "../graph/attributes.js";
import { type AxisTable, isIdentityTable, resampleAxis } from "../graph/evaluate/axis-table.js";
import {
  nearestModes,
  type ResizeAxis,
  resizeAxis,
  resizeCoordinates,
  resizeSizes,
} from "../graph/evaluate/resize-axis.js";
import { tensor64, zeros } from "../graph/evaluate/tensor64.js";
import type { Dimension } from "../graph/graph.js";
import { choice, integers, isPresent } from "../graph/operator/checks.js";
import { describe, type NodeContext, type Operator, refuse, type Shape } from "../graph/operator/operator.js";
import { all, floats, signature } from "../graph/operator/signature.js";

/** Scales or sizes of a Resize or Upsample; undefined where they are computed. */
function given(
  context: NodeContext,
): { readonly scales: readonly number[] } | { readonly sizes: readonly number[] } | undefined {
  const { node, version } = context;
  if (node.op === "Upsample") {
    if (version < 9) {
      const scales = attribute(node, "scales", "floats") ?? refuse(context, "scales", "none");
      return { scales };
    }
    const scales = integers(context, 1);
    return scales && { scales };
  }
  if (version < 11) {
    const scales = integers(context, 1);
    return scales && { scales };
  }
  const [scales, sizes] = [integers(context, 2), integers(context, 3)];
  const [hasScales, hasSizes] = [
    isPresent(context, 2) && scales?.length !== 0,
    isPresent(context, 3) && sizes?.length !== 0,
  ];
  if (hasScales && hasSizes && scales && sizes) refuse(context, "scales or sizes", "both");
  if (!hasScales && !hasSizes) refuse(context, "scales or sizes", "neither");
  if (hasSizes) return sizes && { sizes };
  return scales && { scales };
}

const axesOf = (context: NodeContext): readonly number[] | undefined =>
  context.version >= 18 && context.node.op === "Resize" ? intsAttribute(context.node, "axes") : undefined;

const policyOf = (context: NodeContext) =>
  context.version >= 18 && context.node.op === "Resize"
    ? choice(context, "keep_aspect_ratio_policy", ["stretch", "not_larger", "not_smaller"], "stretch")
    : "stretch";

/** Errors of the axis functions with the node's name. */
function named<T>(context: NodeContext, work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (error instanceof UserError) return refuse(context, error.expected, error.received, error.remedy);
    throw error;
  }
}

function modes(
  context: NodeContext,
): Pick<ResizeAxis, "mode" | "coordinates" | "nearestMode" | "antialias" | "cubicCoefficient" | "excludeOutside"> {
  const { node, version } = context;
  const simple = node.op === "Upsample" || version < 11;
  // Upsample says "linear" for bilinear; before version 11 there was neither cubic nor a choice of coordinates.
  const mode = choice(context, "mode", simple ? ["nearest", "linear"] : ["nearest", "linear", "cubic"], "nearest");
  if (simple) return { mode, coordinates: "asymmetric", nearestMode: node.op === "Upsample" ? "floor" : "simple" };
  const coordinates = choice(
    context,
    "coordinate_transformation_mode",
    resizeCoordinates.filter((name) =>
      name === "tf_half_pixel_for_nn" ? version < 13 : name === "half_pixel_symmetric" ? version >= 19 : true,
    ),
    "half_pixel",
  );
  return {
    mode,
    coordinates,
    nearestMode: choice(context, "nearest_mode", nearestModes.slice(0, 4), "round_prefer_floor"),
    antialias: version >= 18 && flagAttribute(node, "antialias", false),
    cubicCoefficient: floatAttribute(node, "cubic_coeff_a", -0.75),
    excludeOutside: flagAttribute(node, "exclude_outside", false),
  };
}

/** A Resize of one axis: its table, undefined where it stays as it is. */
export interface ResizePlan {
  readonly sizes: readonly number[];
  readonly tables: readonly (AxisTable | undefined)[];
  /** What tables read where they say `outside`. */
  readonly extrapolation: number;
}

/** What a Resize or Upsample does to each axis of a value; undefined where scales or sizes are computed. @throws ShapeError. */
export function resizePlan(context: NodeContext, shape: readonly number[]): ResizePlan | undefined {
  const wanted = given(context);
  if (!wanted) return undefined;
  const axes = axesOf(context);
  const { sizes, scales } = named(context, () => resizeSizes(shape, wanted, axes, policyOf(context)));
  const own = modes(context);
  const roi = own.coordinates === "tf_crop_and_resize" ? regions(context, shape.length, axes) : undefined;
  const tables = sizes.map((outSize, axis) => {
    const region = roi?.[axis];
    const inSize = shape[axis];
    if (inSize === 0 && outSize > 0)
      refuse(context, `axis ${axis} of at least one element, to make ${outSize} of`, "none");
    if (outSize === 0) return undefined; // nothing remains of the value
    if (inSize === outSize && scales[axis] === 1 && !region) return undefined;
    const table = named(context, () =>
      resizeAxis({ ...own, inSize, outSize, scale: scales[axis], ...(region && { region }) }),
    );
    return isIdentityTable(table, inSize) ? undefined : table;
  });
  return { sizes, tables, extrapolation: floatAttribute(context.node, "extrapolation_value", 0) };
}

/** roi: all starts, then all ends, of the named axes. */
function regions(
  context: NodeContext,
  rank: number,
  axes: readonly number[] | undefined,
): readonly (readonly [number, number] | undefined)[] {
  const roi = integers(context, 1);
  const count = axes?.length ?? rank;
  if (roi?.length !== 2 * count)
    refuse(context, `a constant roi of ${2 * count} numbers (tf_crop_and_resize)`, roi ? `${roi.length}` : "none");
  const result = new Array<readonly [number, number] | undefined>(rank).fill(undefined);
  for (let i = 0; i < count; i++) {
    const axis = axes?.[i] ?? i;
    result[axis < 0 ? axis + rank : axis] = [roi[i], roi[i + count]];
  }
  return result;
}

function inferResize(context: NodeContext): readonly (Shape | undefined)[] {
  const x = context.shape(0);
  const wanted = given(context);
  modes(context);
  if (!x) return [undefined];
  const open = x.map((_, axis): Dimension => `${context.node.outputs[0]}:${axis}`);
  if (!wanted) return [open];
  if (x.every((size) => typeof size === "number")) {
    return [resizePlan(context, x as readonly number[])!.sizes];
  }
  const axes = axesOf(context);
  const numbers = "scales" in wanted ? wanted.scales : wanted.sizes;
  if (numbers.length !== (axes?.length ?? x.length))
    refuse(context, `a scale or size for each of ${axes?.length ?? x.length} axes`, describe(numbers));
  if (policyOf(context) !== "stretch") return [open];
  const result = [...x];
  numbers.forEach((value, i) => {
    const axis = axes ? (axes[i] < 0 ? axes[i] + x.length : axes[i]) : i;
    const size = x[axis];
    if ("sizes" in wanted) result[axis] = value;
    else if (value !== 1)
      result[axis] = typeof size === "number" ? Math.floor(size * value) : `floor(${size}*${value})`;
  });
  return [result];
}

const evaluateResize: NonNullable<Operator["evaluate"]> = (call) => {
  const x = call.inputs[0]!;
  const plan = resizePlan(call, x.shape) ?? refuse(call, "known scales or sizes", "computed ones");
  let from: { readonly shape: readonly number[]; readonly data: Float64Array } = x;
  if (plan.sizes.includes(0)) return [tensor64(plan.sizes, zeros(plan.sizes), x.dtype)];
  plan.tables.forEach((table, axis) => {
    if (table) from = resampleAxis(from, axis, table, plan.extrapolation);
  });
  return [tensor64(plan.sizes, from.data, x.dtype)];
};

const simple = signature("X:T scales:f32 -> Y:T", { T: all });
const full = signature("X:T1 roi?:T2 scales?:f32 sizes?:i64 -> Y:T1", { T1: all, T2: floats });

const resize: Operator = {
  name: "Resize",
  versions: [10, 11, 13, 18, 19],
  signature: (version) => (version < 11 ? simple : full),
  infer: inferResize,
  evaluate: evaluateResize,
};

const byAttribute = signature("X:T -> Y:T", { T: all });

/** Resize's predecessor: nearest rounds down. */
const upsample: Operator = {
  name: "Upsample",
  versions: [7, 9],
  signature: (version) => (version < 9 ? byAttribute : simple),
  infer: inferResize,
  evaluate: evaluateResize,
};

export const resizeOperators: readonly Operator[] = [resize, upsample];
