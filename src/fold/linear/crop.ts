import { toFloat64 } from "../../core/named-arrays.js";
import { intAttribute } from "../../graph/attributes.js";
import type { Refusal } from "../refusals.js";
import { axisOf, type Context, isPlain, type LinearNode } from "./linear-node.js";
import type { Rule } from "./rule.js";
import { cutPositions, slice } from "./slice.js";

/** Gather of positions that follow one another in equal steps: what a Slice takes. */
function gather({ node, own, constants }: Context): LinearNode | Refusal | undefined {
  const [input, name] = node.inputs;
  const constant = constants.get(name);
  const shape = own.shape(0);
  const stated = intAttribute(node, "axis", 0);
  const size = shape?.[axisOf(stated, shape.length)];
  if (constant?.shape.length !== 1 || typeof size !== "number") return undefined;
  const places = Array.from(toFloat64(constant), (place) => axisOf(place, size));
  const [first] = places;
  const step = places.length > 1 ? places[1] - first : 1;
  if (step < 1 || places.some((place, i) => place !== first + i * step)) return undefined;
  return {
    kind: "unary",
    input,
    free: false,
    macs: () => 0,
    after(map, view) {
      const axis = axisOf(stated, view.rank);
      if (!isPlain(view, map) || axis < 2) return undefined;
      return cutPositions([{ axis, start: first, end: places.at(-1)! + 1, step }], map, view, shape!.slice(2));
    },
  };
}

export const crop: Rule = {
  id: "crop",
  nodes: "Slice of positions, Gather of positions in equal steps",
  effect: "negative pads: positions that are left out; and a stride",
  refuses: ["computed", "unknown-size", "batch-or-channels", "backwards", "channel-steps", "strided-and-transposed"],
  makers: { Gather: gather, Slice: slice },
};
