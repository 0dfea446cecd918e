import type { Tape } from "../tape.js";
import type { Tensor } from "../tensor.js";
import { checkSameShape } from "./shapes.js";

/** y = a + b; ∂a = ∂b = ∂y. One shape, no broadcasting. @throws ShapeError when shapes differ */
export function add(tape: Tape, a: Tensor, b: Tensor): Tensor {
  checkSameShape("summands", a, b);
  const output = tape.empty(a.shape);
  tape.run([{ kernel: "add", args: { a: a.pointer, b: b.pointer, y: output.pointer, n: a.size } }]);
  return tape.record({ output, inputs: [a, b], saved: [], backward: () => tape.passGradient(output, a, b) });
}
