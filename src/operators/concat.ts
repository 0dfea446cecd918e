import { elementCount } from "../core/named-arrays.js";
import { intAttribute } from "../graph/attributes.js";
import { tensor64, zeros } from "../graph/evaluate/tensor64.js";
import type { Dimension } from "../graph/graph.js";
import { axisAttribute } from "../graph/operator/checks.js";
import { describe, type NodeContext, type Operator, refuse } from "../graph/operator/operator.js";
import { all, signature } from "../graph/operator/signature.js";

const own = signature("inputs*:T -> concat_result:T", { T: all });

/** The axis that is joined; an attribute without default since version 4. */
export function concatAxis(context: NodeContext, rank: number): number {
  if (context.version >= 4 && !context.node.attributes["axis"]) refuse(context, "an axis", "none");
  return axisAttribute(context, "axis", 1, rank);
}

export const concat: Operator = {
  name: "Concat",
  versions: [1, 4, 11, 13],
  signature: () => own,
  infer(context) {
    const { node } = context;
    if (node.inputs.some((input) => input === "")) refuse(context, "no absent operand", `[${node.inputs.join(", ")}]`);
    const shapes = node.inputs.map((_, i) => context.shape(i));
    const known = shapes.filter((shape) => shape !== undefined);
    const first = known[0];
    if (!first) return [undefined];
    const axis = concatAxis(context, first.length);
    const sizes = [...first];
    for (const shape of known) {
      const fits =
        shape.length === first.length &&
        shape.every((size, i) => {
          if (i === axis || typeof size === "string") return true;
          if (typeof sizes[i] === "string") sizes[i] = size;
          return sizes[i] === size;
        });
      if (!fits) {
        const where = node.inputs.map((name, i) => `"${name}" ${describe(shapes[i] ?? ["?"])}`).join(", ");
        refuse(
          context,
          `operands of one size along all axes but ${axis}`,
          where,
          "at another --input-size they may meet",
        );
      }
    }
    const parts = shapes.map((shape) => shape?.[axis]);
    sizes[axis] = parts.every((size) => typeof size === "number")
      ? parts.reduce((a, b) => a + b, 0)
      : `${node.outputs[0]}:${axis}`;
    return [sizes];
  },
  evaluate: (call) => {
    const inputs = call.inputs.map((x) => x!);
    const shape = call.outputShapes[0]!;
    const axis = concatAxis(call, shape.length);
    const inner = elementCount(shape.slice(axis + 1));
    const result = zeros(shape);
    const row = shape[axis] * inner;
    let offset = 0;
    for (const x of inputs) {
      const width = x.shape[axis] * inner;
      if (width === 0) continue;
      for (let from = 0, to = offset; from < x.data.length; from += width, to += row) {
        result.set(x.data.subarray(from, from + width), to);
      }
      offset += width;
    }
    return [tensor64(shape, result, inputs[0].dtype)];
  },
  contents(context): readonly Dimension[] | undefined {
    if (intAttribute(context.node, "axis", 0) > 0) return undefined;
    const parts = context.node.inputs.map((_, i) => context.contents(i));
    return parts.includes(undefined) ? undefined : parts.flatMap((part) => part!);
  },
};
