import type { Tape } from "../tape.js";
import type { Tensor } from "../tensor.js";

/** y = 1 / (1 + e^−x); ∂x = ∂y · y · (1 − y). Any shape. */
export function sigmoid(tape: Tape, x: Tensor): Tensor {
  const output = tape.empty(x.shape);
  tape.run([{ kernel: "sigmoid_forward", args: { x: x.pointer, y: output.pointer, n: x.size } }]);
  return tape.record({
    output,
    inputs: [x],
    saved: [output],
    backward() {
      const { pointer: dx, accumulate } = x.gradientTarget()!;
      const args = { y: output.pointer, dy: output.gradient, dx, n: x.size, accumulate };
      tape.run([{ kernel: "sigmoid_backward", args }]);
    },
  });
}
