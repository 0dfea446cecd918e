import type { Tape } from "../tape.js";
import type { Tensor } from "../tensor.js";
import { byChannel } from "./shapes.js";

/**
 * y[n,c] = mean of x[n,…,c] over all positions; ∂x = ∂y / positions.
 *
 * @param x [N,H,W,C]
 * @returns [N,C]
 */
export function globalAveragePool(tape: Tape, x: Tensor): Tensor {
  const { batch, positions, channels } = byChannel("x", x);
  const output = tape.empty([batch, channels]);
  const forward = { x: x.pointer, y: output.pointer, batch, positions, channels };
  tape.run([{ kernel: "global_average_pool_forward", args: forward }]);
  return tape.record({
    output,
    inputs: [x],
    saved: [],
    backward() {
      const { pointer: dx, accumulate } = x.gradientTarget()!;
      const args = { dy: output.gradient, dx, batch, positions, channels, accumulate };
      tape.run([{ kernel: "global_average_pool_backward", args }]);
    },
  });
}
