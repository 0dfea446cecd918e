import { everyAxis } from "../../conv-algebra/geometry.js";
import { padOutput } from "../../conv-algebra/pad.js";
import type { NodeContext } from "../../graph/operator/operator.js";
import { padding, padMode, padValue } from "../../operators/pad.js";
import { type Refusal, refuse } from "../refusals.js";
import { type Context, isPlain, type LinearNode } from "./linear-node.js";
import type { Rule } from "./rule.js";

/** Pad with one constant around positions; negative pads crop. */
function pad({ node, own, constants }: Context): LinearNode | Refusal {
  const mode = padMode(own);
  if (mode !== "constant")
    return refuse("pad-mode", `padding in mode "${mode}" repeats the input: a convolution pads with zeros`);
  if ([1, 3].some((input) => node.inputs[input] && !constants.has(node.inputs[input]))) {
    return refuse("computed", "its pads are not constants");
  }
  const value = padValue(own);
  if (value === undefined) return refuse("computed", "its pad value is not a constant");
  return {
    kind: "unary",
    input: node.inputs[0],
    free: false,
    macs: () => 0,
    after(map, view) {
      if (!isPlain(view, map)) return undefined;
      const pads = spatialPads(own, view.rank);
      if ("refused" in pads) return pads;
      return padOutput(map, pads, value ? new Float64Array(map.outChannels).fill(value) : undefined);
    },
  };
}

/** A Pad node's constant pads of the positions of a value of that rank: before each axis, then behind. */
export function spatialPads(own: NodeContext, rank: number): readonly number[] | Refusal {
  const given = padding(own, rank);
  if (!given) return refuse("computed", "its pads are not constants");
  const { begins, ends } = given;
  const others = [...begins.slice(0, 2), ...ends.slice(0, 2)];
  if (others.some((p) => p !== 0)) return refuse("batch-or-channels", "it pads the batch or the channels");
  return rank < 2 ? everyAxis(0, 0) : [...begins.slice(2), ...ends.slice(2)];
}

export const pads: Rule = {
  id: "pad",
  nodes: "Pad with zeros, or with exactly what the map would give outside; by less than nothing it crops",
  effect: "more pads, each worth a stride of the source",
  refuses: ["pad-mode", "computed", "batch-or-channels", "bias-before-padding", "pad-value", "input-beyond-the-edge"],
  makers: { Pad: pad },
};
