import { intsAttribute } from "../graph/attributes.js";
import { gatherElements } from "../graph/evaluate/broadcast.js";
import { axesOf, listContents } from "../graph/operator/checks.js";
import { type NodeContext, type Operator, refuse, type Shape } from "../graph/operator/operator.js";
import { all, indices, signature } from "../graph/operator/signature.js";

const own = signature("input_data:T shape:I -> output_data:T", { T: all, I: indices });

function wantedShape(context: NodeContext, x: Shape): Shape | undefined {
  const given = intsAttribute(context.node, "axes");
  const axes = axesOf(context, given ?? x.map((_, axis) => axis), x.length);
  const target = listContents(context, 1);
  if (!target) return x.map((size, axis) => (axes.includes(axis) ? `${context.node.outputs[0]}:${axis}` : size));
  if (target.length !== axes.length) refuse(context, `${axes.length} sizes`, `[${target.join(", ")}]`);
  if (target.some((size) => typeof size === "number" && size < 0))
    refuse(context, "sizes from 0", `[${target.join(", ")}]`);
  return x.map((size, axis) => (axes.includes(axis) ? target[axes.indexOf(axis)] : size));
}

/** The middle of a value, or the value in the middle of zeros; the odd one of what is left out or put around lies behind. */
export const centerCropPad: Operator = {
  name: "CenterCropPad",
  versions: [18],
  signature: () => own,
  infer(context) {
    const x = context.shape(0);
    return [x && wantedShape(context, x)];
  },
  evaluate: (call) => {
    const x = call.inputs[0]!;
    const shape = call.outputShapes[0]!;
    // Where the output's first element lies in the input: before it where zeros are put around.
    const first = shape.map((size, axis) => {
      const less = x.shape[axis] - size;
      return less > 0 ? Math.floor(less / 2) : -Math.floor(-less / 2);
    });
    return [
      gatherElements(x, shape, (index) => {
        const from = index.map((i, axis) => i + first[axis]);
        return from.every((i, axis) => i >= 0 && i < x.shape[axis]) ? from : undefined;
      }),
    ];
  },
};
