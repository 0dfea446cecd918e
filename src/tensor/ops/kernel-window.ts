import type { KernelCall, Pointer } from "../../backend/backend.js";
import { ShapeError } from "../../core/errors.js";
import type { Tape } from "../tape.js";
import type { Tensor } from "../tensor.js";

type KernelShape = readonly [height: number, width: number, inputs: number, outputs: number];

/**
 * A smaller kernel in the centre of a larger one, zeros around: the same convolution with more padding
 * (1×1 → 3×3 in the paper's equation 4). The gradient is the centre of ∂y.
 *
 * @param weight [kh,kw,I,O]
 * @returns [height,width,I,O]
 * @throws ShapeError when there is no centre: the sizes must differ by even numbers
 */
export function padKernel(tape: Tape, weight: Tensor, height: number, width: number): Tensor {
  const small = kernelShape(weight);
  const large: KernelShape = [height, width, small[2], small[3]];
  const rows = windowRows(large, small);
  const output = tape.empty(large);
  tape.run([
    { kernel: "fill", args: { y: output.pointer, n: output.size, value: 0 } },
    ...rows.map((row) => copyRow(weight.pointer + row.small, output.pointer + row.large, row.length, 0)),
  ]);
  return tape.record({
    output,
    inputs: [weight],
    saved: [],
    backward() {
      const { pointer, accumulate } = weight.gradientTarget()!;
      tape.run(rows.map((row) => copyRow(output.gradient + row.large, pointer + row.small, row.length, accumulate)));
    },
  });
}

/**
 * The centre of a kernel; the inverse of {@link padKernel}. The gradient is ∂y with zeros around.
 *
 * @param weight [kh,kw,I,O]
 * @returns [height,width,I,O]
 * @throws ShapeError when there is no centre: the sizes must differ by even numbers
 */
export function cropKernel(tape: Tape, weight: Tensor, height: number, width: number): Tensor {
  const large = kernelShape(weight);
  const small: KernelShape = [height, width, large[2], large[3]];
  const rows = windowRows(large, small);
  const output = tape.empty(small);
  tape.run(rows.map((row) => copyRow(weight.pointer + row.large, output.pointer + row.small, row.length, 0)));
  return tape.record({
    output,
    inputs: [weight],
    saved: [],
    backward() {
      const { pointer, accumulate } = weight.gradientTarget()!;
      tape.run([
        ...(accumulate ? [] : [{ kernel: "fill", args: { y: pointer, n: weight.size, value: 0 } } as const]),
        ...rows.map((row) => copyRow(output.gradient + row.small, pointer + row.large, row.length, accumulate)),
      ]);
    },
  });
}

function kernelShape({ shape }: Tensor): KernelShape {
  if (shape.length !== 4) throw new ShapeError({ expected: "a kernel [kh,kw,I,O]", received: `[${shape}]` });
  return shape as unknown as KernelShape;
}

/** Contiguous pieces of the small kernel and where they lie in the large one, in words. */
function windowRows(large: KernelShape, small: KernelShape): { small: number; large: number; length: number }[] {
  const [top, left] = [(large[0] - small[0]) / 2, (large[1] - small[1]) / 2];
  if (!(top >= 0 && left >= 0 && Number.isInteger(top) && Number.isInteger(left))) {
    throw new ShapeError({
      expected: "kernel sizes that differ by even numbers, so that the smaller has a centre in the larger",
      received: `${small[0]}×${small[1]} and ${large[0]}×${large[1]}`,
    });
  }
  const tap = small[2] * small[3];
  return Array.from({ length: small[0] }, (_, row) => ({
    small: row * small[1] * tap,
    large: ((top + row) * large[1] + left) * tap,
    length: small[1] * tap,
  }));
}

function copyRow(x: Pointer, y: Pointer, n: number, accumulate: 0 | 1): KernelCall {
  return accumulate ? { kernel: "axpy", args: { x, y, n, alpha: 1 } } : { kernel: "copy", args: { x, y, n } };
}
