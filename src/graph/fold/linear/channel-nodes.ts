import type { Refusal } from "../../../conv-algebra/linear-map.js";
import { ShapeError } from "../../../core/errors.js";
import { intAttribute } from "../../attributes.js";
import { splitSizes } from "../../operators/split.js";
import { axisOf, type Context, type LinearNode } from "./linear-node.js";

/** Concat on channels. */
export function concatenation({ node }: Context): LinearNode {
  return { kind: "concat", inputs: node.inputs, signs: node.inputs.map(() => 1), axis: intAttribute(node, "axis", 1) };
}

export type ChannelRange = readonly [first: number, last: number];

/** Split on channels. */
export function split({ node, own, constants }: Context): LinearNode | Refusal | undefined {
  const [input] = node.inputs;
  const axis = intAttribute(node, "axis", 0);
  if (node.inputs[1] && !constants.has(node.inputs[1])) return { refused: "the sizes of its parts are not constants" };
  return {
    kind: "split",
    input,
    ranges(channels, { rank, channelAxis }) {
      if (axisOf(axis, rank) !== channelAxis) return undefined;
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
