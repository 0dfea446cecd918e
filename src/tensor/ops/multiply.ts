import type { Tape } from "../tape.js";
import type { Tensor } from "../tensor.js";
import { checkSameShape } from "./shapes.js";

/** y = a · b by element; ∂a = ∂y · b, ∂b = ∂y · a (a and b may be one tensor). @throws ShapeError when shapes differ */
export function multiply(tape: Tape, a: Tensor, b: Tensor): Tensor {
  checkSameShape("factors", a, b);
  const output = tape.empty(a.shape);
  const n = a.size;
  tape.run([{ kernel: "multiply", args: { a: a.pointer, b: b.pointer, y: output.pointer, n, accumulate: 0 } }]);
  const flowTo = (input: Tensor, factor: Tensor): void => {
    const target = input.gradientTarget();
    if (!target) return;
    const { pointer: y, accumulate } = target;
    tape.run([{ kernel: "multiply", args: { a: output.gradient, b: factor.pointer, y, n, accumulate } }]);
  };
  return tape.record({
    output,
    inputs: [a, b],
    saved: [...(b.requiresGradient ? [a] : []), ...(a.requiresGradient ? [b] : [])],
    backward() {
      flowTo(a, b);
      flowTo(b, a);
    },
  });
}
