import type { Refusal } from "../../../conv-algebra/linear-map.js";
import { toFloat64 } from "../../../core/named-arrays.js";
import { intAttribute, intsAttribute } from "../../attributes.js";
import { splitSizes } from "../../evaluate/layout.js";
import { axisOf, type Context, type LinearNode } from "./linear-node.js";

/** Concat on channels. */
export function concatenation({ node }: Context): LinearNode {
  const axis = intAttribute(node, "axis", 0);
  return { kind: "concat", inputs: node.inputs, signs: node.inputs.map(() => 1), axis };
}

export type ChannelRange = readonly [first: number, last: number];

/** Split on channels. */
export function split(context: Context): LinearNode | Refusal | undefined {
  const { node } = context;
  const [input] = node.inputs;
  const axis = intAttribute(node, "axis", 0);
  const given = integers(context, 1, "split");
  if (node.inputs[1] && !given) return { refused: "the sizes of its parts are not constants" };
  return {
    kind: "split",
    input,
    ranges(channels, { rank, channelAxis }) {
      if (axisOf(axis, rank) !== channelAxis) return undefined;
      const sizes = splitSizes(channels, given, node.outputs.length);
      let last = 0;
      const ranges = sizes.map((size): ChannelRange => {
        last += size;
        return [last - size, last];
      });
      if (last === channels && sizes.length >= node.outputs.length) return ranges;
      return { refused: `its parts have ${last} channels, the value ${channels}` };
    },
  };
}

/** Of a constant input, else of an attribute, as old operator sets have it; undefined where it is computed, or there is neither. */
export function integers({ node, constants }: Context, input: number, name: string): readonly number[] | undefined {
  if (!node.inputs[input]) return intsAttribute(node, name);
  const constant = constants.get(node.inputs[input]);
  return constant && Array.from(toFloat64(constant));
}
