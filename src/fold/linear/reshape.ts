import type { Context, LinearNode } from "./linear-node.js";
import type { Rule } from "./rule.js";

/** The same numbers under another shape: what they are maps of stays, where the view of them can be told (fold/view.ts). */
function reshaping({ node }: Context): LinearNode {
  return { kind: "reshape", input: node.inputs[0] };
}

export const reshapes: Rule = {
  id: "reshape",
  nodes: "Reshape, Flatten",
  effect:
    "nothing, but how the numbers are seen: axes before the features merged or parted, or an image as one list of numbers",
  refuses: [],
  makers: { Flatten: reshaping, Reshape: reshaping },
};
