import { type Affine, isIdentity } from "./affine.js";
import { type Constant, plainConstant } from "./constants.js";
import type { Lowering } from "./context.js";
import { lowerConvolution } from "./convolution.js";
import { lowerElementwise, relu as reluCall } from "./elementwise.js";
import type { SumOp, Term } from "./fused-op.js";
import { extents, type Tensor } from "./step.js";
import { lowerVolumeConvolution } from "./volume-convolution.js";

type ValueTerm = Extract<Term, { kind: "value" }>;

/** A summand in memory, with its coefficients where it has any. */
interface Branch {
  readonly tensor: Tensor;
  readonly coefficients: { readonly scale: Constant; readonly shift: Constant } | undefined;
}

/** branch_sum_forward adds so many values at once. */
const branchesAtOnce = 3;

/** Values are summed first; each convolution then adds onto that sum as it writes, so that no addition passes over memory by itself. */
export function lowerSum(lowering: Lowering, op: SumOp): void {
  const values = op.terms.filter((term) => term.kind === "value");
  const convolutions = op.terms.filter((term) => term.kind === "convolution");
  const last = convolutions.length === 0;
  let sum = values.length > 0 ? sumOfValues(lowering, op, values, op.relu && last) : undefined;
  if (sum && !last) sum = lowering.channelsLast(sum);
  convolutions.forEach((term, i) => {
    const isVolume = lowering.shapeOf(op.output).length === 5;
    const lowerTerm = isVolume ? lowerVolumeConvolution : lowerConvolution;
    sum = lowerTerm(lowering, term, sum, op.relu && i === convolutions.length - 1);
  });
  lowering.define(op.output, sum!);
}

function sumOfValues(lowering: Lowering, op: SumOp, terms: readonly ValueTerm[], relu: boolean): Tensor {
  const reader = lowering.graph.producer.get(op.output)!;
  const first = terms[0]!;
  if (terms.length === 1 && isIdentity(first.affine)) {
    const tensor = lowering.tensor(first.value, reader);
    return relu ? lowerElementwise(lowering, reader, tensor, reluCall) : tensor;
  }
  const branches = terms.map(
    (term, i): Branch => ({
      tensor: lowering.channelsLast(lowering.tensor(term.value, reader)),
      coefficients: isIdentity(term.affine)
        ? undefined
        : coefficientsOf(op, i, term.affine, lowering.shapeOf(op.output)),
    }),
  );
  let sum = emitBranchSum(lowering, op, branches.splice(0, branchesAtOnce), relu && branches.length === 0);
  while (branches.length > 0) {
    const next: Branch[] = [{ tensor: sum, coefficients: undefined }, ...branches.splice(0, branchesAtOnce - 1)];
    sum = emitBranchSum(lowering, op, next, relu && branches.length === 0);
  }
  return sum;
}

function coefficientsOf(
  op: SumOp,
  index: number,
  { scale, shift }: Affine,
  shape: readonly number[],
): Branch["coefficients"] {
  const { channels } = extents(shape);
  const vector = (role: string, values: Float64Array | undefined, absent: number): Constant =>
    plainConstant(`${op.output} ${role}${index}`, values ?? new Float32Array(channels).fill(absent));
  return { scale: vector("scale", scale, 1), shift: vector("shift", shift, 0) };
}

function emitBranchSum(lowering: Lowering, op: SumOp, branches: readonly Branch[], relu: boolean): Tensor {
  const shape = lowering.shapeOf(op.output);
  const output = lowering.create(op.output, shape);
  const { batch, positions, channels } = extents(shape);
  const tensors = branches.map((branch) => branch.tensor);
  const affine = branches.some((branch) => branch.coefficients);
  return lowering.emit({
    name: op.name,
    op: [affine && "Affine", branches.length > 1 && "Add", relu && "Relu"].filter(Boolean).join("+"),
    algorithm: "branch_sum",
    reads: tensors,
    output,
    mayOverwrite: tensors,
    constants: branches.flatMap(({ coefficients }) => (coefficients ? [coefficients.scale, coefficients.shift] : [])),
    calls: (at) => {
      const pointers = branches.map(({ tensor, coefficients }) => ({
        x: at.of(tensor.buffer),
        scale: coefficients ? at.constant(coefficients.scale) : 0,
        shift: coefficients ? at.constant(coefficients.shift) : 0,
      }));
      const absent = { x: 0, scale: 0, shift: 0 };
      const [a = absent, b = absent, c = absent] = pointers;
      return [
        {
          kernel: "branch_sum_forward",
          args: {
            ...{ x0: a.x, scale0: a.scale, shift0: a.shift },
            ...{ x1: b.x, scale1: b.scale, shift1: b.shift },
            ...{ x2: c.x, scale2: c.scale, shift2: c.shift },
            y: at.of(output.buffer),
            rows: batch * positions,
            channels,
            relu: relu ? 1 : 0,
          },
        },
      ];
    },
  });
}
