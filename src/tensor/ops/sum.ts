import type { KernelCall, Pointer } from "../../backend/backend.js";
import type { Tape } from "../tape.js";
import type { Tensor } from "../tensor.js";
import { flowScaled } from "./scale.js";

/** y = Σ x over all elements; ∂x = ∂y everywhere. @returns [] */
export function sum(tape: Tape, x: Tensor): Tensor {
  const output = tape.empty([]);
  const [partial] = tape.scratch(lastAxis(x)) as [Pointer];
  tape.run(sumCalls(x.pointer, x, partial, output.pointer));
  return tape.record({
    output,
    inputs: [x],
    saved: [],
    backward() {
      const [ones] = tape.scratch(x.size) as [Pointer];
      tape.run([{ kernel: "fill", args: { y: ones, n: x.size, value: 1 } }]);
      flowScaled(tape, ones, x, scalarGradient(output));
    },
  });
}

/** y = Σ x², the squared L2 norm; ∂x = 2 · x · ∂y. @returns [] */
export function sumSquares(tape: Tape, x: Tensor): Tensor {
  const output = tape.empty([]);
  const [squares, partial] = tape.scratch(x.size, lastAxis(x)) as [Pointer, Pointer];
  tape.run([
    { kernel: "multiply", args: { a: x.pointer, b: x.pointer, y: squares, n: x.size, accumulate: 0 } },
    ...sumCalls(squares, x, partial, output.pointer),
  ]);
  return tape.record({
    output,
    inputs: [x],
    saved: [x],
    backward: () => flowScaled(tape, x.pointer, x, 2 * scalarGradient(output)),
  });
}

/** Over rows first, on all threads, then over the last axis. */
function sumCalls(values: Pointer, x: Tensor, partial: Pointer, y: Pointer): KernelCall[] {
  const channels = lastAxis(x);
  return [
    { kernel: "sum_rows", args: { x: values, y: partial, rows: x.size / channels, channels, accumulate: 0 } },
    { kernel: "sum_rows", args: { x: partial, y, rows: channels, channels: 1, accumulate: 0 } },
  ];
}

function lastAxis(x: Tensor): number {
  return x.shape.at(-1) ?? 1;
}

function scalarGradient(output: Tensor): number {
  return output.gradientToArray()![0]!;
}
