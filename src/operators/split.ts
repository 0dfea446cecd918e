import { intAttribute } from "../graph/attributes.js";
import { gatherElements } from "../graph/evaluate/broadcast.js";
import { axisAttribute, integers, isPresent } from "../graph/operator/checks.js";
import { type NodeContext, type Operator, refuse } from "../graph/operator/operator.js";
import { all, signature } from "../graph/operator/signature.js";

/** Sizes of the parts of an axis of `size`: given, or as equal as they can be (the last smaller); undefined where they are computed. @throws ShapeError. */
export function splitSizes(context: NodeContext, size: number | undefined): readonly number[] | undefined {
  const { node, version } = context;
  const outputs = node.outputs.length;
  const byInput = version >= 13 || version === 1;
  const given = byInput
    ? (integers(context, 1) ?? (version === 1 ? integers(context, Number.POSITIVE_INFINITY, "split") : undefined))
    : integers(context, Number.POSITIVE_INFINITY, "split");
  if (!given && byInput && isPresent(context, 1)) return undefined;
  if (given) {
    if (given.length !== outputs || given.some((part) => part < 0))
      refuse(context, `${outputs} sizes of parts`, `[${given.join(", ")}]`);
    const total = given.reduce((a, b) => a + b, 0);
    if (size !== undefined && total !== size)
      refuse(context, `parts that make ${size} together`, `[${given.join(", ")}]`);
    return given;
  }
  if (size === undefined) return undefined;
  const parts = intAttribute(node, "num_outputs", outputs);
  if (parts !== outputs) refuse(context, `${parts} outputs (num_outputs)`, String(outputs));
  // Unequal parts exist since version 18 only.
  if (version < 18 && size % outputs !== 0) refuse(context, `a size that ${outputs} parts divide`, String(size));
  const each = Math.ceil(size / outputs);
  const last = size - each * (outputs - 1);
  if (last < 0) refuse(context, `a size for ${outputs} parts of ${each}`, String(size));
  return Array.from({ length: outputs }, (_, i) => (i < outputs - 1 ? each : last));
}

const byAttribute = signature("input:T split?:T -> outputs*:T", { T: all });
const byInput = signature("input:T split?:i64 -> outputs*:T", { T: all });

export const split: Operator = {
  name: "Split",
  versions: [1, 2, 11, 13, 18],
  signature: (version) => (version < 13 ? byAttribute : byInput),
  infer(context) {
    const x = context.shape(0);
    if (!x) return context.node.outputs.map(() => undefined);
    const axis = axisAttribute(context, "axis", 0, x.length);
    const size = x[axis];
    const sizes = splitSizes(context, typeof size === "number" ? size : undefined);
    return context.node.outputs.map((name, i) => x.with(axis, sizes?.[i] ?? `${name}:${axis}`));
  },
  evaluate: (call) => {
    const x = call.inputs[0]!;
    const axis = axisAttribute(call, "axis", 0, x.shape.length);
    let next = 0;
    return call.outputShapes.map((shape) => {
      const from = next;
      next += shape![axis];
      return gatherElements(x, shape!, (index) => index.with(axis, from + index[axis]));
    });
  },
};
