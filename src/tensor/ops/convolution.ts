import type { ConvGeometry } from "../../core/conv-geometry.js";
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
  const plan = tape.plans.forward(geometry);
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
      weightGradient(tape, output, x, weight, geometry);
      inputGradient(tape, output, x, weight, geometry);
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

function weightGradient(tape: Tape, output: Tensor, x: Tensor, weight: Tensor, geometry: ConvGeometry): void {
  const target = weight.gradientTarget();
  if (!target) return;
  const plan = tape.plans.backwardWeight(geometry);
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

function inputGradient(tape: Tape, output: Tensor, x: Tensor, weight: Tensor, geometry: ConvGeometry): void {
  const target = x.gradientTarget();
  if (!target) return;
  const plan = tape.plans.backwardData(geometry);
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
