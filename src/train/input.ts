import type { Preprocessing } from "../core/preprocessing.js";
import type { Batch } from "../data/dataset.js";
import type { Tape } from "../tensor/tape.js";
import type { Tensor } from "../tensor/tensor.js";

/** A batch of 8-bit pictures as the net's input [N, H, W, C]: (value / 255 − mean) / std. */
export function inputTensor(tape: Tape, batch: Batch, preprocessing: Preprocessing): Tensor {
  const { backend } = tape;
  const { channels, mean, std } = preprocessing;
  const x = tape.empty([batch.size, batch.height, batch.width, channels]);
  const [bytes, scale, shift] = tape.scratch(Math.ceil(x.size / 4), channels, channels) as [number, number, number];
  backend.u8(bytes, x.size).set(batch.images);
  backend.f32(scale, channels).set(std.map((s) => 1 / (255 * s)));
  backend.f32(shift, channels).set(mean.map((m, c) => -m / std[c]!));
  const pixels = batch.size * batch.height * batch.width;
  backend.run([{ kernel: "image_normalize", args: { x: bytes, y: x.pointer, scale, shift, pixels, channels } }]);
  return x;
}
