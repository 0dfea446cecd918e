import { attribute } from "../graph/attributes.js";
import { resampleAxis } from "../graph/evaluate/axis-table.js";
import { type PadMode, padAxis } from "../graph/evaluate/pad-axis.js";
import { tensor64 } from "../graph/evaluate/tensor64.js";
import { axesOf, choice, integers, isPresent, scalar } from "../graph/operator/checks.js";
import { type NodeContext, type Operator, refuse } from "../graph/operator/operator.js";
import { all, floats, indices, signature } from "../graph/operator/signature.js";

/** What is added in front and behind along each axis; negative: cut off. */
export interface Padding {
  readonly begins: readonly number[];
  readonly ends: readonly number[];
}

const modes: readonly PadMode[] = ["constant", "reflect", "edge", "wrap"];

export function padMode(context: NodeContext): PadMode {
  return choice(context, "mode", context.version < 19 ? modes.slice(0, 3) : modes, "constant");
}

/** Pads of every axis: attributes up to version 10 (`paddings` in 1), inputs since, of some axes since 18; undefined where they are computed. */
export function padding(context: NodeContext, rank: number): Padding | undefined {
  const byInput = context.version >= 11;
  const given = byInput
    ? integers(context, 1)
    : integers(context, Number.POSITIVE_INFINITY, context.version === 1 ? "paddings" : "pads");
  if (!given) return byInput ? undefined : refuse(context, "pads", "none");
  const named = isPresent(context, 3) ? integers(context, 3) : Array.from({ length: rank }, (_, axis) => axis);
  if (!named) return undefined;
  const axes = axesOf(context, named, rank);
  if (given.length !== 2 * axes.length)
    refuse(context, `${2 * axes.length} pads for ${axes.length} axes`, `${given.length}`);
  const [begins, ends] = [new Array<number>(rank).fill(0), new Array<number>(rank).fill(0)];
  axes.forEach((axis, i) => {
    begins[axis] = given[i];
    ends[axis] = given[i + axes.length];
  });
  return { begins, ends };
}

/** The number that mode constant pads with; undefined where it is computed. */
export function padValue(context: NodeContext): number | undefined {
  if (context.version < 11) return attribute(context.node, "value", "float") ?? 0;
  if (!isPresent(context, 2)) return 0;
  const value = context.contents(2)?.[0];
  return typeof value === "number" ? value : undefined;
}

const byAttributes = signature("data:T -> output:T", { T: floats });
const byInputs = signature("data:T pads:i64 constant_value?:T axes?:I -> output:T", { T: all, I: indices });

export const pad: Operator = {
  name: "Pad",
  versions: [1, 2, 11, 13, 18, 19, 21, 23, 24, 25],
  signature: (version) => (version < 11 ? byAttributes : byInputs),
  infer(context) {
    const x = context.shape(0);
    const mode = padMode(context);
    scalar(context, 2, "constant_value");
    const pads = x && padding(context, x.length);
    if (!x || !pads) return [x?.map((_, axis) => `${context.node.outputs[0]}:${axis}`)];
    return [
      x.map((size, axis) => {
        const [begin, end] = [pads.begins[axis], pads.ends[axis]];
        if (typeof size === "number") return checked(context, size, begin, end, mode);
        const growth = begin + end;
        return growth === 0 ? size : `${size}${growth < 0 ? "" : "+"}${growth}`;
      }),
    ];
  },
  evaluate: (call) => {
    const x = call.inputs[0]!;
    const { begins, ends } = padding(call, x.shape.length)!;
    const value = padValue(call)!;
    const result = x.shape.reduce<Parameters<typeof resampleAxis>[0]>((from, size, axis) => {
      if (begins[axis] === 0 && ends[axis] === 0) return from;
      const sources = padAxis(size, begins[axis], ends[axis], padMode(call));
      return resampleAxis(
        from,
        axis,
        { taps: 1, indices: sources, weights: new Float64Array(sources.length).fill(1) },
        value,
      );
    }, x);
    return [tensor64(result.shape, result.data, x.dtype)];
  },
};

function checked(context: NodeContext, size: number, begin: number, end: number, mode: PadMode): number {
  const result = size + begin + end;
  if (result < 0 || size + Math.min(begin, 0) + Math.min(end, 0) < 0)
    refuse(context, `pads that leave something of ${size}`, `${begin} and ${end}`);
  if (mode !== "constant" && size + Math.min(begin, 0) + Math.min(end, 0) === 0 && result > 0)
    refuse(context, `something to repeat (mode ${mode})`, "an axis of 0");
  return result;
}
