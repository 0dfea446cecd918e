import { int, ints } from "../graph/attributes.js";
import { int64 } from "../graph/build.js";
import { equationOf } from "../operators/einsum.js";
import type { Spelling } from "./spelling.js";

/**
 * Einsum of one operand as sums and a Transpose; of two as a matrix product [batch, left, inner] · [batch, inner, right] of both, with Transposes and
 * Reshapes where its axes lie otherwise. Labels that only one operand has and the output has not are summed before.
 * @returns false for more operands, diagonals, repeated axes, and shapes that are not known
 */
export function einsumProduct(spelling: Spelling): boolean {
  const { context, node } = spelling;
  const equation = equationOf(context);
  if (!equation || node.inputs.length > 2) return false;
  const { inputs, output } = equation;
  const sizes = new Map<string, number>();
  for (const [i, labels] of inputs.entries()) {
    if (new Set(labels).size !== labels.length) return false;
    for (const [axis, label] of labels.entries()) {
      const size = context.shape(i)?.[axis];
      if (typeof size !== "number" || (sizes.get(label) ?? size) !== size) return false;
      sizes.set(label, size);
    }
  }
  const operands = inputs.map((labels, i) => {
    const others = inputs.filter((_, other) => other !== i).flat();
    const summed = labels.flatMap((label, axis) => (output.includes(label) || others.includes(label) ? [] : [axis]));
    const value =
      summed.length > 0
        ? spelling.add("ReduceSum", [node.inputs[i]!, spelling.constant("summed", int64(summed))], { keepdims: int(0) })
        : node.inputs[i]!;
    return { value, labels: labels.filter((_, axis) => !summed.includes(axis)) };
  });
  const [a, b] = operands;
  if (!a) return false;
  if (!b) {
    ordered(spelling, a, output, node.outputs[0]);
    return true;
  }
  const shared = a.labels.filter((label) => b.labels.includes(label));
  const batch = shared.filter((label) => output.includes(label));
  const inner = shared.filter((label) => !output.includes(label));
  const left = a.labels.filter((label) => !shared.includes(label));
  const right = b.labels.filter((label) => !shared.includes(label));
  const count = (labels: readonly string[]): number =>
    labels.reduce((product, label) => product * sizes.get(label)!, 1);
  const matrix = (operand: typeof a, rows: readonly string[], columns: readonly string[]): string => {
    const value = ordered(spelling, operand, [...batch, ...rows, ...columns]);
    const target = [...(batch.length > 0 ? [count(batch)] : []), count(rows), count(columns)];
    return spelling.add("Reshape", [value, spelling.constant("matrix", int64(target))]);
  };
  const product = spelling.add("MatMul", [matrix(a, left, inner), matrix(b, inner, right)]);
  const labels = [...batch, ...left, ...right];
  const shape = spelling.constant("shape", int64(labels.map((label) => sizes.get(label)!)));
  ordered(spelling, { value: spelling.add("Reshape", [product, shape]), labels }, output, node.outputs[0]);
  return true;
}

/** A value with its axes in another order. */
function ordered(
  spelling: Spelling,
  { value, labels }: { readonly value: string; readonly labels: readonly string[] },
  wanted: readonly string[],
  output?: string,
): string {
  const order = wanted.map((label) => labels.indexOf(label));
  if (order.every((axis, i) => axis === i)) {
    return output === undefined ? value : spelling.add("Identity", [value], {}, output);
  }
  return spelling.add("Transpose", [value], { perm: ints(order) }, output);
}
