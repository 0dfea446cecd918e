import { sliceChannels } from "../../conv-algebra/channels.js";
import { ShapeError } from "../../core/errors.js";
import { intAttribute } from "../../graph/attributes.js";
import { splitSizes } from "../../operators/split.js";
import { type Refusal, refuse } from "../refusals.js";
import { axisOf, type Context, isPlain, type LinearNode, type Part } from "./linear-node.js";
import type { Rule } from "./rule.js";
import { channelSlice, cutPositions } from "./slice.js";

/** Concat on channels. */
function concatenation({ node }: Context): LinearNode {
  return { kind: "concat", inputs: node.inputs, signs: node.inputs.map(() => 1), axis: intAttribute(node, "axis", 1) };
}

/** Split on channels, or on positions. */
function split({ node, own, constants }: Context): LinearNode | Refusal | undefined {
  const [input] = node.inputs;
  const stated = intAttribute(node, "axis", 0);
  if (node.inputs[1] && !constants.has(node.inputs[1]))
    return refuse("computed", "the sizes of its parts are not constants");
  return {
    kind: "split",
    input,
    parts(map, view) {
      const axis = axisOf(stated, view.rank);
      const onChannels = axis === view.channelAxis;
      const sizes = own.shape(0)?.slice(2) ?? [];
      const size = onChannels ? map.outChannels : sizes[axis - 2];
      if (!onChannels && (!isPlain(view, map) || axis < 2)) return undefined;
      if (typeof size !== "number")
        return refuse("unknown-size", "which positions it takes depends on an input size that is not known");
      try {
        let end = 0;
        const parts: Part[] = [];
        for (const length of splitSizes(own, size)!) {
          const start = end;
          end += length;
          const made = onChannels
            ? sliceChannels(map, start, end)
            : cutPositions([{ axis, start, end, step: 1 }], map, view, sizes);
          if ("refused" in made) return made;
          parts.push({ map: made, share: length / size });
        }
        return parts;
      } catch (error) {
        if (error instanceof ShapeError)
          return refuse("channels", `its parts do not make ${size} channels or positions`);
        throw error;
      }
    },
  };
}

export const concatenated: Rule = {
  id: "concat",
  nodes: "Concat on channels, of maps of one source",
  effect: "kernels after one another; in groups where the parts read neighbouring channels in order",
  refuses: ["strides", "sizes"],
  makers: { Concat: concatenation },
};

export const splits: Rule = {
  id: "split",
  nodes: "Split; Slice on channels",
  effect: "rows of the kernel; of a grouped one they read their own groups' channels only",
  refuses: ["computed", "unknown-size", "channel-steps"],
  makers: { Split: split, Slice: channelSlice },
};
