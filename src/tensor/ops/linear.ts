import { convGeometry } from "../../core/conv-geometry.js";
import { ShapeError } from "../../core/errors.js";
import type { Tape } from "../tape.js";
import type { Tensor } from "../tensor.js";
import { convolve } from "./convolution.js";

/**
 * y = x · weight (+ bias): a 1×1 convolution over an image of N pixels.
 *
 * @param x [N,in]
 * @param weight [in,out]
 * @param bias [out]
 * @returns [N,out]
 * @throws ShapeError when sizes do not fit
 */
export function linear(tape: Tape, x: Tensor, weight: Tensor, bias?: Tensor): Tensor {
  const [rows, inputs] = x.shape as [number, number];
  const [weightRows, outputs] = weight.shape as [number, number];
  if (x.shape.length !== 2 || weight.shape.length !== 2 || inputs !== weightRows) {
    throw new ShapeError({ expected: "x [N,in] and weight [in,out]", received: `[${x.shape}] and [${weight.shape}]` });
  }
  if (bias && bias.size !== outputs) {
    throw new ShapeError({ expected: `a bias of [${outputs}]`, received: `[${bias.shape}]` });
  }
  const geometry = convGeometry({ height: 1, width: rows, inChannels: inputs, outChannels: outputs, kernel: 1 });
  return convolve(tape, x, weight, bias, geometry, [rows, outputs]);
}
