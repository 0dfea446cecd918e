import { elementCount } from "#repvgg/core/named-arrays.js";
import { intAttribute } from "#repvgg/graph/attributes.js";
import { tensor64, zeros } from "#repvgg/graph/evaluate/tensor64.js";
import { axisAttribute } from "#repvgg/graph/operator/checks.js";
import { type NodeContext, type Operator, refuse } from "#repvgg/graph/operator/operator.js";
import { all, signature } from "#repvgg/graph/operator/signature.js";

const own = signature("data:T -> output:T", { T: all });

/** How far elements move along the axis. Exported: a lowering asks here too. */
export function rollShift(context: NodeContext): number {
  const shift = intAttribute(context.node, "shift", 1);
  return shift >= 0 ? shift : refuse(context, "a shift from 0", String(shift));
}

/** Element i goes to i + shift, and what falls over the end comes in at the beginning. */
export const roll: Operator = {
  name: "Roll",
  versions: [18],
  signature: () => own,
  infer(context) {
    const shape = context.shape(0);
    rollShift(context);
    if (shape) axisAttribute(context, "axis", -1, shape.length);
    return [shape];
  },
  evaluate(call) {
    const x = call.inputs[0]!;
    const axis = axisAttribute(call, "axis", -1, x.shape.length);
    const [size, inner] = [x.shape[axis]!, elementCount(x.shape.slice(axis + 1))];
    const result = zeros(x.shape);
    x.data.forEach((value, i) => {
      const place = Math.floor(i / inner) % size;
      result[i + (((place + rollShift(call)) % size) - place) * inner] = value;
    });
    return [tensor64(x.shape, result, x.dtype)];
  },
};
