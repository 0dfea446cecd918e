import { everyAxis } from "../../../conv-algebra/geometry.js";
import type { Refusal } from "../../../conv-algebra/linear-map.js";
import { padOutput } from "../../../conv-algebra/pad.js";
import { toFloat64 } from "../../../core/named-arrays.js";
import { attribute, stringAttribute } from "../../attributes.js";
import { integers } from "./channel-nodes.js";
import { axisOf, type Context, isPlain, type LinearNode } from "./linear-node.js";

/** Pad with one constant around positions; negative pads crop. */
export function pad(context: Context): LinearNode | Refusal {
  const { node } = context;
  const mode = stringAttribute(node, "mode", "constant");
  if (mode !== "constant")
    return { refused: `padding in mode "${mode}" repeats the input: a convolution pads with zeros` };
  const given = givenPads(context);
  if ("refused" in given) return given;
  const value = padValue(context);
  if (value === undefined) return { refused: "its pad value is not a constant" };
  return {
    kind: "unary",
    input: node.inputs[0],
    free: false,
    macs: () => 0,
    after(map, view) {
      if (!isPlain(view, map)) return undefined;
      const pads = spatialPads(given, view.rank);
      if ("refused" in pads) return pads;
      return padOutput(map, pads, value ? new Float64Array(map.outChannels).fill(value) : undefined);
    },
  };
}

/** What a Pad node says: pads before and then behind each of some axes; undefined axes: all. */
export interface GivenPads {
  readonly pads: readonly number[];
  readonly axes: readonly number[] | undefined;
}

/** The pads of a Pad node. `axes`, since opset 18, may be some of the axes only. */
export function givenPads(context: Context): GivenPads | Refusal {
  const { node, constants } = context;
  const pads = integers(context, 1, "pads");
  const [, , , axesName] = node.inputs;
  const axes = axesName ? constants.get(axesName) : undefined;
  if (!pads || (axesName && !axes)) return { refused: "its pads are not constants" };
  return { pads, axes: axes && Array.from(toFloat64(axes)) };
}

/** The pads of the positions of a value of that rank. */
export function spatialPads({ pads, axes }: GivenPads, rank: number): number[] | Refusal {
  const padded = axes?.map((axis) => axisOf(axis, rank)) ?? Array.from({ length: rank }, (_, axis) => axis);
  if (pads.length !== 2 * padded.length) return { refused: `its ${pads.length} pads do not fit ${rank} axes` };
  const spatial = rank - 2;
  const result = everyAxis(2 * spatial, 0);
  for (const [i, axis] of padded.entries()) {
    const [before, behind] = [pads[i], pads[i + padded.length]];
    if (axis < 2) {
      if (before !== 0 || behind !== 0) return { refused: "it pads the batch or the channels" };
      continue;
    }
    result[axis - 2] = before;
    result[axis - 2 + spatial] = behind;
  }
  return result;
}

/** The constant that a Pad node pads with; undefined where it is computed from the input. */
export function padValue({ node, constants }: Context): number | undefined {
  const [, , valueName] = node.inputs;
  if (!valueName) return attribute(node, "value", "float") ?? 0;
  const stored = constants.get(valueName);
  return stored && toFloat64(stored)[0];
}
