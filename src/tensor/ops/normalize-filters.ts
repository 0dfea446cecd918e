import type { Pointer } from "../../backend/backend.js";
import { ShapeError } from "../../core/errors.js";
import type { Tape } from "../tape.js";
import type { Tensor } from "../tensor.js";

/** Norms below this count as this, so that a filter of zeros stays zero (as PyTorch's `normalize`). */
export const smallestNorm = 1e-12;

/**
 * Every filter divided by its L2 norm: y[…,o] = w[…,o] / ‖w[…,o]‖; ∂w = (∂y − y · Σ ∂y·y) / ‖w‖, sums over one filter.
 *
 * @param weight [kh,kw,I/groups,O]
 * @throws ShapeError for anything but a kernel
 */
export function normalizeFilters(tape: Tape, weight: Tensor): Tensor {
  if (weight.shape.length !== 4) {
    throw new ShapeError({ expected: "a kernel [kh,kw,I,O]", received: `[${weight.shape}]` });
  }
  const channels = weight.shape[3]!;
  const extent = { batch: 1, positions: weight.size / channels, channels };
  const output = tape.empty(weight.shape);
  const y = output.pointer;
  const [sums, factor] = tape.scratch(channels, channels) as [Pointer, Pointer];
  const dot = (dy: Pointer, x: Pointer, dscale: Pointer) =>
    ({ kernel: "multiply_channel_backward_scale", args: { dy, x, dscale, ...extent, accumulate: 0 } }) as const;
  tape.run([dot(weight.pointer, weight.pointer, sums)]);
  const inverse = tape.backend.f32(sums, channels).map((squares) => 1 / Math.max(smallestNorm, Math.sqrt(squares)));
  tape.backend.f32(factor, channels).set(inverse);
  tape.run([{ kernel: "multiply_channel_forward", args: { x: weight.pointer, scale: factor, y, ...extent } }]);
  return tape.record({
    output,
    inputs: [weight],
    saved: [output],
    backward() {
      const { pointer: dx, accumulate } = weight.gradientTarget()!;
      const [sums, along, across] = tape.scratch(channels, channels, channels) as [Pointer, Pointer, Pointer];
      tape.run([dot(output.gradient, y, sums)]);
      const projection = tape.backend.f32(sums, channels).map((sum, o) => -inverse[o]! * sum);
      tape.backend.f32(along, channels).set(projection);
      tape.backend.f32(across, channels).set(inverse);
      const flow = (dy: Pointer, scale: Pointer, accumulate: 0 | 1) =>
        ({ kernel: "multiply_channel_backward_input", args: { dy, scale, dx, ...extent, accumulate } }) as const;
      tape.run([flow(output.gradient, across, accumulate), flow(y, along, 1)]);
    },
  });
}
