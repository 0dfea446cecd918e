import { stringAttribute } from "../graph/attributes.js";
import { stridesOf, tensor64, zeros } from "../graph/evaluate/tensor64.js";
import type { Dimension } from "../graph/graph.js";
import { describe, type NodeContext, type Operator, refuse, type Shape } from "../graph/operator/operator.js";
import { numbers, signature } from "../graph/operator/signature.js";

/** An equation as lists of labels: a letter each, of an ellipsis "…0", "…1", … from its last axis. */
export interface Equation {
  readonly inputs: readonly (readonly string[])[];
  readonly output: readonly string[];
}

const ellipsis = "...";
const term = /^[A-Za-z]*(\.\.\.)?[A-Za-z]*$/;

/** An Einsum's equation for operands of these ranks; undefined where a rank behind an ellipsis is not known. @throws ShapeError. */
export function equationOf(context: NodeContext): Equation | undefined {
  const { node } = context;
  const text = stringAttribute(node, "equation", "").replaceAll(" ", "");
  const [left, right, ...more] = text.split("->");
  const terms = left.split(",");
  if (left === "" || more.length > 0 || ![...terms, right ?? ""].every((each) => term.test(each))) {
    refuse(context, "an equation like ij,jk->ik", `"${text}"`);
  }
  if (terms.length !== node.inputs.length)
    refuse(context, `${terms.length} operands ("${text}")`, `${node.inputs.length}`);
  const ranks = node.inputs.map((_, i) => context.shape(i)?.length);
  const inputs = terms.map((each, i) => labelsOf(context, each, ranks[i]));
  if (inputs.includes(undefined)) return undefined;
  const known = inputs as string[][];
  const hidden = known.flat().filter((label) => label.startsWith("…"));
  const most = Math.max(0, ...hidden.map((label) => Number(label.slice(1)) + 1));
  const broadcast = Array.from({ length: most }, (_, i) => `…${most - 1 - i}`);
  if (right === undefined) {
    const all = known.flat().filter((label) => !label.startsWith("…"));
    const once = [...new Set(all)].filter((label) => all.indexOf(label) === all.lastIndexOf(label));
    return { inputs: known, output: [...broadcast, ...once.sort()] };
  }
  const output = right.split(ellipsis).map((part) => [...part]);
  const labels = output.length === 1 ? output[0] : [...output[0], ...broadcast, ...output[1]];
  if (new Set(labels).size !== labels.length || labels.some((label) => !known.flat().includes(label))) {
    refuse(context, "each label of the output once, and among the operands'", `"${text}"`);
  }
  return { inputs: known, output: labels };
}

function labelsOf(context: NodeContext, part: string, rank: number | undefined): string[] | undefined {
  const [before, behind] = part.split(ellipsis);
  const stated = (before + (behind ?? "")).length;
  if (rank !== undefined && (behind === undefined ? rank !== stated : rank < stated)) {
    refuse(context, `an operand of ${stated} axes for "${part}"`, `${rank}`);
  }
  if (behind === undefined) return [...before];
  if (rank === undefined) return undefined;
  const hidden = rank - stated;
  return [...before!, ...Array.from({ length: hidden }, (_, i) => `…${hidden - 1 - i}`), ...behind];
}

/** The size of each label; an axis of 1 is repeated. */
function sizesOf(context: NodeContext, { inputs }: Equation): Map<string, Dimension> {
  const sizes = new Map<string, Dimension>();
  for (const [i, labels] of inputs.entries()) {
    const shape = context.shape(i);
    for (const [axis, label] of labels.entries()) {
      const size = shape?.[axis];
      const known = sizes.get(label);
      if (size === undefined || size === known) continue;
      if (known === undefined || known === 1 || (typeof known === "string" && size !== 1)) sizes.set(label, size);
      else if (typeof known === "number" && typeof size === "number" && size !== 1) {
        refuse(context, `one size for label "${label}"`, `${known} and ${size} of ${describe(shape!)}`);
      }
    }
  }
  return sizes;
}

const own = signature("Inputs*:T -> Output:T", { T: numbers });

/** Sum over all labels that the output has not, of the products of the operands' elements (numpy's einsum). */
export const einsum: Operator = {
  name: "Einsum",
  versions: [12],
  signature: () => own,
  infer(context) {
    const equation = equationOf(context);
    if (!equation) return [undefined];
    const sizes = sizesOf(context, equation);
    const shape: Shape = equation.output.map((label, axis) => sizes.get(label) ?? `${context.node.outputs[0]}:${axis}`);
    return [shape];
  },
  evaluate: (call) => {
    const equation = equationOf(call)!;
    const sizes = sizesOf(call, equation) as Map<string, number>;
    const labels = [...equation.output, ...[...sizes.keys()].filter((label) => !equation.output.includes(label))];
    const operands = call.inputs.map((x) => x!);
    const steps = operands.map((x, i) => {
      const strides = stridesOf(x.shape);
      return labels.map((label) =>
        equation.inputs[i].reduce(
          (step, own, axis) => step + (own === label && x.shape[axis] !== 1 ? strides[axis] : 0),
          0,
        ),
      );
    });
    const shape = call.outputShapes[0]!;
    const result = zeros(shape);
    const total = labels.reduce((count, label) => count * sizes.get(label)!, 1);
    const inner = labels.slice(shape.length).reduce((count, label) => count * sizes.get(label)!, 1);
    const index = labels.map(() => 0);
    const at = operands.map(() => 0);
    for (let i = 0; i < total; i++) {
      result[Math.floor(i / inner)] += operands.reduce((product, { data }, k) => product * data[at[k]], 1);
      for (let axis = labels.length - 1; axis >= 0; axis--) {
        const size = sizes.get(labels[axis])!;
        const wraps = ++index[axis] === size;
        for (let k = 0; k < at.length; k++) at[k] += wraps ? steps[k][axis] * (1 - size) : steps[k][axis];
        if (!wraps) break;
        index[axis] = 0;
      }
    }
    return [tensor64(shape, result, operands[0].dtype)];
  },
};
