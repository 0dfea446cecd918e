import { ShapeError } from "../../core/errors.js";
import type { Tape } from "../tape.js";
import type { Tensor } from "../tensor.js";

/**
 * y = weight + diag(factor)·I with the Dirac kernel I, which hands input channel o mod I/groups to output channel o: 1 at the
 * kernel's centre, 0 elsewhere. ∂weight = ∂y, ∂factor[o] = ∂y at I's 1 of channel o.
 *
 * @param weight [kh,kw,I/groups,O], kh and kw odd
 * @param factor [O]; left out: all 1
 * @throws ShapeError when the kernel has no centre, or there is not one factor for each output channel
 */
export function addDirac(tape: Tape, weight: Tensor, factor?: Tensor): Tensor {
  const [height, width, inputs, outputs] = weight.shape as [number, number, number, number];
  if (weight.shape.length !== 4 || height % 2 === 0 || width % 2 === 0) {
    throw new ShapeError({ expected: "a kernel [kh,kw,I,O] of odd sizes", received: `[${weight.shape}]` });
  }
  if (factor && factor.size !== outputs) {
    throw new ShapeError({ expected: `factors of [${outputs}]`, received: `[${factor.shape}]` });
  }
  const centre = ((height * width - 1) / 2) * inputs * outputs;
  const diagonal = Int32Array.from({ length: outputs }, (_, o) => centre + (o % inputs) * outputs + o);
  const output = tape.empty(weight.shape);
  tape.run([{ kernel: "copy", args: { x: weight.pointer, y: output.pointer, n: weight.size } }]);
  const factors = factor?.toArray();
  const y = tape.backend.f32(output.pointer, output.size);
  diagonal.forEach((at, o) => {
    y[at]! += factors ? factors[o]! : 1;
  });
  return tape.record({
    output,
    inputs: factor ? [weight, factor] : [weight],
    saved: [],
    backward() {
      const dy = tape.backend.f32(output.gradient, output.size);
      factor?.addToGradient(Float32Array.from(diagonal, (at) => dy[at]!));
      tape.passGradient(output, weight);
    },
  });
}
