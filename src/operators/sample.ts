import { flagAttribute } from "../graph/attributes.js";
import { tensor64 } from "../graph/evaluate/tensor64.js";
import { choice, ranked, sameSize } from "../graph/operator/checks.js";
import { describe, type NodeContext, type Operator, refuse } from "../graph/operator/operator.js";
import { floats, numbers, signature } from "../graph/operator/signature.js";
import { type GridSampleMode, type GridSampleOptions, gridSample } from "./grid-sample.js";

const own = signature("X:T1 grid:T2 -> Y:T1", { T1: numbers, T2: floats });

/** Attributes of GridSample; version 16 calls linear bilinear and cubic bicubic. */
export function gridSampleOptions(context: NodeContext): GridSampleOptions {
  const old = context.version < 20;
  const stated = old
    ? choice(context, "mode", ["bilinear", "nearest", "bicubic"], "bilinear")
    : choice(context, "mode", ["linear", "nearest", "cubic"], "linear");
  return {
    mode: stated.replace("bi", "") as GridSampleMode,
    padding: choice(context, "padding_mode", ["zeros", "border", "reflection"], "zeros"),
    alignCorners: flagAttribute(context.node, "align_corners", false),
  };
}

export const gridSampler: Operator = {
  name: "GridSample",
  versions: [16, 20, 22],
  signature: () => own,
  infer(context) {
    gridSampleOptions(context);
    const x = ranked(
      context,
      0,
      (rank) => rank >= 3 && (context.version >= 20 || rank === 4),
      "an input [N, C, positions…]",
    );
    const grid = context.shape(1);
    if (!x || !grid) return [undefined];
    if (grid.length !== x.length) refuse(context, `a grid of ${x.length} axes`, describe(grid));
    sameSize(context, "the grid's batch", x[0], grid[0]);
    sameSize(context, "the grid's last axis", x.length - 2, grid.at(-1));
    return [[x[0], x[1], ...grid.slice(1, -1)]];
  },
  evaluate: (call) => {
    const [x, grid] = call.inputs;
    const { shape, data } = gridSample(x!, grid!, gridSampleOptions(call));
    return [tensor64(shape, data, x!.dtype)];
  },
};
