import type { Refusal } from "../../conv-algebra/linear-map.js";
import { toFloat64 } from "../../core/named-arrays.js";
import { intAttribute } from "../../graph/attributes.js";
import { axisOf, type Context, isPlain, type LinearNode } from "./linear-node.js";
import { cutPositions } from "./slice.js";

/** Gather of positions that follow one another in equal steps: what a Slice takes. */
export function gather({ node, own, constants }: Context): LinearNode | Refusal | undefined {
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
