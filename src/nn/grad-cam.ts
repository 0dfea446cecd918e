import { UserError } from "../core/errors.js";
import type { Tape } from "../tensor/tape.js";
import type { Tensor } from "../tensor/tensor.js";
import type { Network } from "./network.js";

/** What {@link gradCam} finds out about one picture. */
export interface GradCam {
  /** [classes] */
  readonly logits: Float32Array;
  readonly classIndex: number;
  /** Of the stage's output. */
  readonly height: number;
  readonly width: number;
  /** [height][width]: how much each place speaks for the class, in units of the logit; 0 where it speaks against it. */
  readonly values: Float64Array;
  /** Pixels of the input from one place to the next. Place (i, j) is centred on pixel (stride · i, stride · j). */
  readonly stride: number;
}

/**
 * Grad-CAM (Selvaraju et al., 2017): with the output A [H,W,C] of a stage and a class's logit y,
 * α[c] = Σ_ij ∂y/∂A[i,j,c] / (H·W) and map[i,j] = max(0, Σ_c α[c] · A[i,j,c]).
 *
 * The gradient comes from the tape, so that every stage can be asked. At the last one nothing follows but the mean by channel and
 * a linear layer: there α[c] = w[class,c] / (H·W), and the map is CAM (Zhou et al., 2016), whose sum before max(0, ·) is the logit
 * without its bias. Parameters are frozen for it (and stay so): no gradient is computed that nobody reads.
 * @param input [1,H,W,C]
 * @param choose the class to explain, given the logits
 * @param stage whose output is looked at; default the last. Earlier ones are finer and say less about the class.
 * @throws UserError for a stage that the net does not have
 */
export function gradCam(
  tape: Tape,
  network: Network,
  input: Tensor,
  choose: (logits: Float32Array) => number,
  stage = network.architecture.depths.length,
): GradCam {
  const strides = network.architecture.strides.slice(0, stage + 1);
  if (!Number.isInteger(stage) || stage < 0 || stage > network.architecture.depths.length) {
    const last = network.architecture.depths.length;
    throw new UserError({ expected: `a stage from 0 to ${last}`, received: String(stage) });
  }
  for (const { tensor } of network.parameters()) tensor.requiresGradient = false;
  let activation: Tensor | undefined;
  const { logits } = network.forward(tape, input, {
    training: false,
    onBlock(layout, output) {
      if (layout.stage !== stage || !layout.lastOfStage) return;
      activation = tape.keep(output);
      output.requiresGradient = true; // what follows is recorded; what came before was not
    },
  });
  const values = logits.toArray();
  const classIndex = choose(values);
  tape.backward(
    logits,
    values.map((_, c) => (c === classIndex ? 1 : 0)),
  );
  const [, height, width, channels] = activation!.shape as [number, number, number, number];
  const weights = meanByChannel(activation!.gradientToArray()!, channels);
  const map = weightedSum(activation!.toArray(), weights);
  const stride = strides.reduce((product, s) => product * s, 1);
  return { logits: values, classIndex, height, width, values: map, stride };
}

/** [positions][channels] → [channels] */
function meanByChannel(values: Float32Array, channels: number): Float64Array {
  const mean = new Float64Array(channels);
  values.forEach((value, i) => {
    mean[i % channels]! += value;
  });
  return mean.map((sum) => (sum * channels) / values.length);
}

/** max(0, Σ_c weights[c] · values[position][c]) */
function weightedSum(values: Float32Array, weights: Float64Array): Float64Array {
  const channels = weights.length;
  return Float64Array.from({ length: values.length / channels }, (_, position) => {
    let sum = 0;
    for (let c = 0; c < channels; c++) sum += weights[c]! * values[position * channels + c]!;
    return Math.max(0, sum);
  });
}

/**
 * A map brought to the picture's size, its values as shares of the largest: bilinear between the centres of places, constant
 * beyond the outermost. (Stretching the map as if places were tiles would shift it by half a stride: a 3×3 convolution of stride
 * 2 and padding 1 is centred on every second pixel, the first included.)
 * @param size of the net's input
 * @param scale pixels of the result a pixel of the input
 * @returns [height · scale][width · scale] in [0, 1]; all 0 where no place speaks for the class
 */
export function spreadMap(
  { height, width, values, stride }: Pick<GradCam, "height" | "width" | "values" | "stride">,
  size: readonly [height: number, width: number],
  scale = 1,
): Float32Array {
  const largest = values.reduce((a, b) => Math.max(a, b), 0);
  const rows = neighbours(size[0] * scale, height, stride * scale, scale);
  const columns = neighbours(size[1] * scale, width, stride * scale, scale);
  const result = new Float32Array(rows.length * columns.length);
  if (largest === 0) return result;
  rows.forEach((row, y) => {
    columns.forEach((column, x) => {
      const above =
        values[row.at * width + column.at]! * (1 - column.share) + values[row.at * width + column.next]! * column.share;
      const below =
        values[row.next * width + column.at]! * (1 - column.share) +
        values[row.next * width + column.next]! * column.share;
      result[y * columns.length + x] = (above * (1 - row.share) + below * row.share) / largest;
    });
  });
  return result;
}

/** The two places on both sides of each of `count` pixels, and the second's share. */
function neighbours(count: number, places: number, distance: number, scale: number) {
  return Array.from({ length: count }, (_, pixel) => {
    const position = Math.min(places - 1, Math.max(0, (pixel + 0.5 - scale / 2) / distance));
    const at = Math.floor(position);
    return { at, next: Math.min(places - 1, at + 1), share: position - at };
  });
}
