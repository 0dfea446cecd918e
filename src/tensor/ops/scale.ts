import type { Tape } from "../tape.js";
import type { Tensor } from "../tensor.js";

/** y = alpha · x for a number alpha; ∂x = alpha · ∂y. Any shape. */
export function scale(tape: Tape, x: Tensor, alpha: number): Tensor {
  const output = tape.empty(x.shape);
  tape.run([{ kernel: "scale", args: { x: x.pointer, y: output.pointer, n: x.size, alpha } }]);
  return tape.record({
    output,
    inputs: [x],
    saved: [],
    backward: () => flowScaled(tape, output.gradient, x, alpha),
  });
}

/** ∂x (+)= alpha · values, the gradient of every operation that is linear with one factor. */
export function flowScaled(tape: Tape, values: number, x: Tensor, alpha: number): void {
  const { pointer: y, accumulate } = x.gradientTarget()!;
  tape.run([{ kernel: accumulate ? "axpy" : "scale", args: { x: values, y, n: x.size, alpha } }]);
}
