import { attribute } from "../graph/attributes.js";
import { mapped } from "../graph/evaluate/broadcast.js";
import { isPresent, scalar } from "../graph/operator/checks.js";
import type { NodeContext, Operator } from "../graph/operator/operator.js";
import { floats, numbers, signature } from "../graph/operator/signature.js";

/** The bounds: attributes up to version 10, inputs since; undefined where they are computed. */
export function clipLimits(context: NodeContext): { readonly low: number; readonly high: number } | undefined {
  const limit = (input: number, name: string, otherwise: number): number | undefined => {
    if (context.version < 11) return attribute(context.node, name, "float") ?? otherwise;
    if (!isPresent(context, input)) return otherwise;
    const value = context.contents(input)?.[0];
    return typeof value === "number" ? value : undefined;
  };
  const low = limit(1, "min", Number.NEGATIVE_INFINITY);
  const high = limit(2, "max", Number.POSITIVE_INFINITY);
  return low === undefined || high === undefined ? undefined : { low, high };
}

const byAttributes = signature("input:T -> output:T", { T: floats });
const byInputs = signature("input:T min?:T max?:T -> output:T", { T: numbers });

/** min(max(x, low), high): high wins where low is larger. */
export const clip: Operator = {
  name: "Clip",
  versions: [1, 6, 11, 12, 13],
  signature: (version) => (version < 11 ? byAttributes : byInputs),
  infer: (context) => {
    scalar(context, 1, "min");
    scalar(context, 2, "max");
    return [context.shape(0)];
  },
  evaluate: (call) => {
    const { low, high } = clipLimits(call)!;
    return [mapped(call.inputs[0]!, (x) => Math.min(high, Math.max(low, x)))];
  },
};
