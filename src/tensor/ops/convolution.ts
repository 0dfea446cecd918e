import type { ConvGeometry } from "../../core/conv-geometry.js";
import type { ConvPlans } from "../conv-plans.js";
import type { Tape } from "../tape.js";
import type { Tensor } from "../tensor.js";

/**
 * The convolution that `conv2d` and `linear` share: shapes are checked by the caller, `geometry` tells everything.
 * y = x ∗ W (+ b); ∂x = ∂y ∗ᵀ W, ∂W = x ⋆ ∂y, ∂b[o] = Σ ∂y[…, o].
 */
export function convolve(
  tape: Tape,
  x: Tensor,
  weight: Tensor,
  bias: Tensor | undefined,
  geometry: ConvGeometry,
  outShape: readonly number[],
): Tensor {
  const output = tape.empty(outShape);
  const plans = tape.convolutions.of(geometry);
  const plan = plans.forward;
  const [packed, workspace] = tape.scratch(plan.packedWords, plan.workspaceWords) as [number, number];
  tape.run([
    ...plan.pack(weight.pointer, packed),
    ...plan.run({
      input: x.pointer,
      packed,
      output: output.pointer,
      workspace,
      ...(bias && { bias: bias.pointer }),
    }),
  ]);
  const saved: Tensor[] = [];
  if (weight.requiresGradient) saved.push(x);
  if (x.requiresGradient) saved.push(weight);
  return tape.record({
    output,
    inputs: bias ? [x, weight, bias] : [x, weight],
    saved,
    backward() {
      biasGradient(tape, output, bias);
      weightGradient(tape, output, x, weight, plans);
      inputGradient(tape, output, x, weight, plans);
    },
  });
}

function biasGradient(tape: Tape, output: Tensor, bias: Tensor | undefined): void {
  const target = bias?.gradientTarget();
  if (!target) return;
  const channels = output.shape.at(-1)!;
  const { pointer: y, accumulate } = target;
  tape.run([
    { kernel: "sum_rows", args: { x: output.gradient, y, rows: output.size / channels, channels, accumulate } },
  ]);
}

function weightGradient(tape: Tape, output: Tensor, x: Tensor, weight: Tensor, plans: ConvPlans): void {
  const target = weight.gradientTarget();
  if (!target) return;
  const plan = plans.backwardWeight;
  const [workspace] = tape.scratch(plan.workspaceWords) as [number];
  tape.run(
    plan.run({
      input: x.pointer,
      outputGradient: output.gradient,
      weightGradient: target.pointer,
      workspace,
      accumulate: target.accumulate === 1,
    }),
  );
}

function inputGradient(tape: Tape, output: Tensor, x: Tensor, weight: Tensor, plans: ConvPlans): void {
  const target = x.gradientTarget();
  if (!target) return;
  const plan = plans.backwardData;
  const [packed, workspace] = tape.scratch(plan.packedWords, plan.workspaceWords) as [number, number];
  tape.run([
    ...plan.pack(weight.pointer, packed),
    ...plan.run({
      input: output.gradient,
      packed,
      output: target.pointer,
      workspace,
      accumulate: target.accumulate === 1,
    }),
  ]);
}
