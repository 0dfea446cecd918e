import type { Tape } from "../tape.js";
import type { Tensor } from "../tensor.js";

/** y = max(0, x); ∂x = ∂y where y > 0. Any shape. */
export function relu(tape: Tape, x: Tensor): Tensor {
  const output = tape.empty(x.shape);
  tape.run([{ kernel: "relu_forward", args: { x: x.pointer, y: output.pointer, n: x.size } }]);
  return tape.record({
    output,
    inputs: [x],
    saved: [output],
    backward() {
      const { pointer: dx, accumulate } = x.gradientTarget()!;
      const args = { y: output.pointer, dy: output.gradient, dx, n: x.size, accumulate };
      tape.run([{ kernel: "relu_backward", args }]);
    },
  });
}
