import { intsAttribute } from "../graph/attributes.js";
import { gatherElements } from "../graph/evaluate/broadcast.js";
import type { Dimension } from "../graph/graph.js";
import { axesOf, integers, isPresent } from "../graph/operator/checks.js";
import { type NodeContext, type Operator, refuse } from "../graph/operator/operator.js";
import { all, indices, signature } from "../graph/operator/signature.js";

/** A Slice's range along one axis, as stated: ends beyond the size mean "to the end". */
export interface SliceRange {
  readonly axis: number;
  readonly start: number;
  readonly end: number;
  readonly step: number;
}

/** First index and count of a range, clamped as ONNX and numpy do. */
export function sliceRange(size: number, start: number, end: number, step: number): { start: number; count: number } {
  const clamp = (value: number, low: number, high: number): number => Math.min(high, Math.max(low, value));
  const from = start < 0 ? start + size : start;
  const to = end < 0 ? end + size : end;
  if (step > 0) {
    const first = clamp(from, 0, size);
    return { start: first, count: Math.max(0, Math.ceil((clamp(to, 0, size) - first) / step)) };
  }
  const first = clamp(from, 0, size - 1);
  return { start: first, count: Math.max(0, Math.ceil((clamp(to, -1, size - 1) - first) / step)) };
}

/** The ranges that a Slice takes, by attributes up to version 9, by inputs since; undefined where they are computed. @throws ShapeError. */
export function sliceRanges(context: NodeContext, rank: number): readonly SliceRange[] | undefined {
  const { node, version } = context;
  const byInput = version >= 10;
  const starts = byInput ? integers(context, 1) : intsAttribute(node, "starts");
  const ends = byInput ? integers(context, 2) : intsAttribute(node, "ends");
  if (!byInput && (!starts || !ends)) refuse(context, "starts and ends", "none");
  if (!starts || !ends) return undefined;
  const given = byInput ? integers(context, 3) : intsAttribute(node, "axes");
  if (byInput && isPresent(context, 3) && !given) return undefined;
  const steps = byInput && isPresent(context, 4) ? integers(context, 4) : starts.map(() => 1);
  if (!steps) return undefined;
  const axes = axesOf(context, given ?? starts.map((_, i) => i), rank);
  if (ends.length !== starts.length || axes.length !== starts.length || steps.length !== starts.length) {
    refuse(
      context,
      "as many ends, axes and steps as starts",
      `${starts.length} starts, ${ends.length} ends, ${axes.length} axes, ${steps.length} steps`,
    );
  }
  if (steps.includes(0)) refuse(context, "steps other than 0", `[${steps.join(", ")}]`);
  return axes.map((axis, i) => ({ axis, start: starts[i], end: ends[i], step: steps[i] }));
}

const byAttributes = signature("data:T -> output:T", { T: all });
const byInputs = signature("data:T starts:I ends:I axes?:I steps?:I -> output:T", { T: all, I: indices });

export const slice: Operator = {
  name: "Slice",
  versions: [1, 10, 11, 13],
  signature: (version) => (version < 10 ? byAttributes : byInputs),
  infer(context) {
    const x = context.shape(0);
    const ranges = x && sliceRanges(context, x.length);
    if (!x) return [undefined];
    if (!ranges) {
      // Which axes are cut may be known where the places are not.
      const given = context.version < 10 ? undefined : integers(context, 3);
      const cut = given && axesOf(context, given, x.length);
      return [x.map((size, axis) => (cut && !cut.includes(axis) ? size : `${context.node.outputs[0]}:${axis}`))];
    }
    const shape = [...x];
    for (const { axis, start, end, step } of ranges) {
      const size = x[axis];
      const whole = start === 0 && end >= 2 ** 31 - 1 && step === 1;
      shape[axis] =
        typeof size === "number"
          ? sliceRange(size, start, end, step).count
          : whole
            ? size
            : `${context.node.outputs[0]}:${axis}`;
    }
    return [shape];
  },
  evaluate: (call) => {
    const x = call.inputs[0]!;
    const first = x.shape.map(() => 0);
    const steps = x.shape.map(() => 1);
    for (const { axis, start, end, step } of sliceRanges(call, x.shape.length)!) {
      first[axis] = sliceRange(x.shape[axis], start, end, step).start;
      steps[axis] = step;
    }
    return [gatherElements(x, call.outputShapes[0]!, (index) => index.map((i, axis) => first[axis] + i * steps[axis]))];
  },
  contents(context): readonly Dimension[] | undefined {
    const values = context.contents(0);
    const ranges = sliceRanges(context, 1);
    if (!values || !ranges) return undefined;
    return ranges.reduce<readonly Dimension[]>((list, { start, end, step }) => {
      const range = sliceRange(list.length, start, end, step);
      return Array.from({ length: range.count }, (_, i) => list[range.start + i * step]);
    }, values);
  },
};
