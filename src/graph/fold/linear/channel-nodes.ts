import type { Refusal } from "../../../conv-algebra/linear-map.js";
import { ShapeError } from "../../../core/errors.js";
import { toFloat64 } from "../../../core/named-arrays.js";
import { intAttribute, intsAttribute } from "../../attributes.js";
import { nodeContext } from "../../operators/node-context.js";
import { sliceRange } from "../../operators/slice.js";
import { splitSizes } from "../../operators/split.js";
import type { Context, LinearNode } from "./linear-node.js";

/** Concat on channels. */
export function concatenation({ node }: Context): LinearNode | undefined {
  if (intAttribute(node, "axis", 0) !== 1) return undefined;
  return { kind: "concat", inputs: node.inputs, signs: node.inputs.map(() => 1) };
}

/** Slice of channels; also one of anything that leaves out nothing. */
export function slice(context: Context): LinearNode | Refusal | undefined {
  const { node, shapes } = context;
  const [input] = node.inputs;
  const known = shapes.get(input)?.length;
  const rank = known ?? 4;
  if (rank !== 4 && rank !== 2) return undefined;
  const starts = numbers(context, 1, "starts");
  const ends = numbers(context, 2, "ends");
  const axes = node.inputs[3] || node.attributes.axes ? numbers(context, 3, "axes") : starts?.map((_, i) => i);
  const steps = node.inputs[4] ? numbers(context, 4, "steps") : starts?.map(() => 1);
  if (!starts || !ends || !axes || !steps) return { refused: "where it begins and ends is not constant" };
  const whole = (i: number): boolean => starts[i] === 0 && ends[i] >= 2 ** 31 - 1 && steps[i] === 1;
  const cut = axes.flatMap((axis, i) => (whole(i) ? [] : [{ axis: axis < 0 ? axis + rank : axis, i }]));
  if (cut.some(({ axis }) => axis !== 1)) {
    return known === undefined ? undefined : { refused: "it takes part of the batch, the height or the width" };
  }
  return {
    kind: "split",
    input,
    ranges: (channels) =>
      cut.reduce<readonly ChannelRange[] | Refusal>(
        (_, { i }) => {
          if (steps[i] !== 1) return { refused: `it takes channels in steps of ${steps[i]}` };
          const { start, count } = sliceRange(channels, starts[i], ends[i], 1);
          return [[start, start + count]];
        },
        [[0, channels]],
      ),
  };
}

type ChannelRange = readonly [first: number, last: number];

/** Split on channels. */
export function split(context: Context): LinearNode | Refusal | undefined {
  const { node, shapes } = context;
  const [input] = node.inputs;
  const rank = shapes.get(input)?.length ?? 4;
  const axis = intAttribute(node, "axis", 0);
  if ((rank !== 4 && rank !== 2) || (axis < 0 ? axis + rank : axis) !== 1) return undefined;
  const own = nodeContext(node, context);
  if (!own || (node.inputs[1] && !context.constants.has(node.inputs[1]))) {
    return { refused: "the sizes of its parts are not constants" };
  }
  return {
    kind: "split",
    input,
    ranges(channels) {
      try {
        let last = 0;
        return splitSizes(own, channels)!.map((size): ChannelRange => {
          last += size;
          return [last - size, last];
        });
      } catch (error) {
        if (error instanceof ShapeError) return { refused: `its parts do not make ${channels} channels` };
        throw error;
      }
    },
  };
}

/** Of a constant input, else of an attribute, as old operator sets have it. */
function numbers({ node, constants }: Context, input: number, name: string): readonly number[] | undefined {
  if (!node.inputs[input]) return intsAttribute(node, name);
  const constant = constants.get(node.inputs[input]);
  return constant && Array.from(toFloat64(constant));
}
