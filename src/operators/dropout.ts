import { flagAttribute } from "../graph/attributes.js";
import { tensor64, zeros } from "../graph/evaluate/tensor64.js";
import { isPresent } from "../graph/operator/checks.js";
import { type NodeContext, type Operator, refuse } from "../graph/operator/operator.js";
import { floats, signature } from "../graph/operator/signature.js";

const inferenceOnly = signature("data:T -> output:T mask?:M", { T: floats, M: [...floats, "bool"] });
const withMode = signature("data:T ratio?:T1 training_mode?:bool -> output:T mask?:bool", { T: floats, T1: floats });

/** Whether a Dropout passes its input unchanged: by an attribute below version 7, always up to 11, by an input since; undefined where that is computed. */
export function dropoutPasses(context: NodeContext): boolean | undefined {
  if (context.version < 7) return flagAttribute(context.node, "is_test", false);
  if (context.version < 12 || !isPresent(context, 2)) return true;
  const mode = context.contents(2)?.[0];
  // Nothing is dropped, and nothing scaled, at a ratio of 0.
  if (mode === 0 || (isPresent(context, 1) && context.contents(1)?.[0] === 0)) return true;
  return mode === undefined ? undefined : false;
}

/** Dropout in inference. In training mode its output is random: refused. */
export const dropout: Operator = {
  name: "Dropout",
  versions: [1, 6, 7, 10, 12, 13, 22],
  signature: (version) => (version < 12 ? inferenceOnly : withMode),
  infer: (context) => context.node.outputs.map(() => context.shape(0)),
  dtypes: (context) => [context.dtype(0), context.version < 10 ? context.dtype(0) : "bool"],
  evaluate: (call) => {
    if (!dropoutPasses(call))
      refuse(call, "inference", "training mode, whose output is random", "export the model in evaluation mode");
    const x = call.inputs[0]!;
    return [x, tensor64(x.shape, zeros(x.shape).fill(1), call.version < 10 ? x.dtype : "bool")];
  },
};
