import { intsAttribute } from "../../graph/attributes.js";
import { dropoutPasses } from "../../operators/dropout.js";
import { permutation as permutationOf } from "../../operators/transpose.js";
import { type Refusal, refuse } from "../refusals.js";
import type { Context, LinearNode } from "./linear-node.js";
import type { Rule } from "./rule.js";

/** In inference, nothing. */
function dropout(context: Context): LinearNode | Refusal {
  return dropoutPasses(context.own)
    ? passing(context)
    : refuse("training-mode", "Dropout in training mode is random: export the model in evaluation mode");
}

function passing({ node }: Context): LinearNode {
  return {
    kind: "unary",
    input: node.inputs[0],
    free: true,
    macs: () => 0,
    after: (map) => map,
    afterPixels: (map, image) => ({ map, image }),
  };
}

/** Another order of a value's axes; what gives it, and what comes behind, stays the same map. */
function transpose({ node, own }: Context): LinearNode | undefined {
  const [input] = node.inputs;
  const rank = own.shape(0)?.length ?? intsAttribute(node, "perm")?.length;
  if (rank === undefined) return undefined;
  const permutation = permutationOf(own, rank);
  if (permutation[0] !== 0) return undefined;
  return {
    kind: "unary",
    input,
    free: false,
    channelsLast: true,
    macs: () => 0,
    permutation,
    after: (map, view) => (view.rank === permutation.length ? map : undefined),
  };
}

export const passThrough: Rule = {
  id: "pass-through",
  nodes: "Identity; Dropout in inference",
  effect: "nothing",
  refuses: ["training-mode"],
  makers: { Dropout: dropout, Identity: passing },
};

export const transposes: Rule = {
  id: "transpose",
  nodes: "Transpose",
  effect: "nothing, but where the channels lie",
  refuses: [],
  makers: { Transpose: transpose },
};
