import { ShapeError } from "../../core/errors.js";
import type { Tape } from "../tape.js";
import type { Tensor } from "../tensor.js";
import { byChannel } from "./shapes.js";

interface Extent {
  readonly batch: number;
  readonly positions: number;
  readonly channels: number;
}

/**
 * Every channel of every picture times its own factor, as squeeze-and-excitation does:
 * y[n,…,c] = x[n,…,c] · scale[n,c]; ∂x = ∂y · scale, ∂scale[n,c] = Σ ∂y · x.
 *
 * @param x [N, …, C]
 * @param scale [N,C]
 * @throws ShapeError when shapes do not fit
 */
export function multiplyChannel(tape: Tape, x: Tensor, scale: Tensor): Tensor {
  const extent = byChannel("x", x);
  if (scale.shape.length !== 2 || scale.shape[0] !== extent.batch || scale.shape[1] !== extent.channels) {
    throw new ShapeError({ expected: `factors of [${extent.batch},${extent.channels}]`, received: `[${scale.shape}]` });
  }
  return multiplyLastAxis(tape, x, scale, extent);
}

/**
 * Every output channel of a weight times its own factor, as BatchNorm folds into a convolution:
 * y[…,o] = weight[…,o] · factor[o]; ∂weight = ∂y · factor, ∂factor[o] = Σ ∂y · weight.
 *
 * @param weight [kernelHeight,kernelWidth,I,O], [in,out] or [O]
 * @param factor [O]
 * @throws ShapeError when the last axis of `weight` is not O
 */
export function scaleOutputChannels(tape: Tape, weight: Tensor, factor: Tensor): Tensor {
  const channels = weight.shape.at(-1) ?? 1;
  if (factor.size !== channels) {
    throw new ShapeError({ expected: `factors of [${channels}]`, received: `[${factor.shape}]` });
  }
  return multiplyLastAxis(tape, weight, factor, { batch: 1, positions: weight.size / channels, channels });
}

function multiplyLastAxis(tape: Tape, x: Tensor, scale: Tensor, extent: Extent): Tensor {
  const output = tape.empty(x.shape);
  const forward = { x: x.pointer, scale: scale.pointer, y: output.pointer, ...extent };
  tape.run([{ kernel: "multiply_channel_forward", args: forward }]);
  return tape.record({
    output,
    inputs: [x, scale],
    saved: [...(scale.requiresGradient ? [x] : []), ...(x.requiresGradient ? [scale] : [])],
    backward() {
      const dy = output.gradient;
      const toX = x.gradientTarget();
      if (toX) {
        const args = { dy, scale: scale.pointer, dx: toX.pointer, ...extent, accumulate: toX.accumulate };
        tape.run([{ kernel: "multiply_channel_backward_input", args }]);
      }
      const toScale = scale.gradientTarget();
      if (toScale) {
        const args = { dy, x: x.pointer, dscale: toScale.pointer, ...extent, accumulate: toScale.accumulate };
        tape.run([{ kernel: "multiply_channel_backward_scale", args }]);
      }
    },
  });
}
