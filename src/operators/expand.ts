import { expanded, gatherElements } from "../graph/evaluate/broadcast.js";
import { broadcastedShape, integers, listContents, ranked } from "../graph/operator/checks.js";
import { describe, type NodeContext, type Operator, refuse, type Shape } from "../graph/operator/operator.js";
import { all, signature } from "../graph/operator/signature.js";

const expandSignature = signature("input:T shape:i64 -> output:T", { T: all });

function target(context: NodeContext): Shape | undefined {
  const sizes = listContents(context, 1);
  if (sizes?.some((size) => typeof size === "number" && !(size >= 0)))
    refuse(context, "a shape of sizes from 0", describe(sizes));
  return sizes;
}

/** Repeated along axes of size 1 by numpy's broadcasting: both ways, so that a target size of 1 leaves a larger one. */
export const expand: Operator = {
  name: "Expand",
  versions: [8, 13],
  signature: () => expandSignature,
  infer(context) {
    const x = context.shape(0);
    const to = target(context);
    return [x && to && broadcastedShape(context, x, to)];
  },
  evaluate: ({ inputs: [x], outputShapes: [shape] }) => [expanded(x!, shape!)],
  contents(context) {
    const [values, shape] = [context.contents(0), context.contents(1)];
    const [size] = shape ?? [];
    return values?.length === 1 && shape?.length === 1 && typeof size === "number" && size <= 64
      ? new Array(size).fill(values[0])
      : undefined;
  },
};

const tileSignature = signature("input:T repeats:i64 -> output:T", { T: all });

export const tile: Operator = {
  name: "Tile",
  versions: [6, 13],
  signature: () => tileSignature,
  infer(context) {
    const x = context.shape(0);
    ranked(context, 1, [1], "a vector as repeats");
    const repeats = integers(context, 1);
    if (!x || !repeats) return [undefined];
    if (repeats.length !== x.length || repeats.some((count) => !(count >= 0)))
      refuse(context, `${x.length} repeats from 0`, describe(repeats));
    return [
      x.map((size, axis) =>
        typeof size === "number" ? size * repeats[axis] : repeats[axis] === 1 ? size : `${size}*${repeats[axis]}`,
      ),
    ];
  },
  evaluate: ({ inputs: [x], outputShapes: [shape] }) => [
    gatherElements(x!, shape!, (index) => index.map((i, axis) => i % x!.shape[axis])),
  ],
};
