import type { Pointer } from "../../backend/backend.js";
import { ShapeError } from "../../core/errors.js";
import { elementCount } from "../../core/named-arrays.js";
import type { Tape } from "../tape.js";
import type { Tensor } from "../tensor.js";

/**
 * 8-bit pictures as a net's input: y = (x / 255 − mean[c]) / std[c]. No gradient.
 *
 * @param images [N,H,W,C] bytes
 * @param mean per channel, of values in [0, 1]
 * @param std per channel
 * @returns [N,H,W,C]
 * @throws ShapeError when sizes do not fit
 */
export function normalizeImages(
  tape: Tape,
  images: Uint8Array,
  shape: readonly [batch: number, height: number, width: number, channels: number],
  { mean, std }: { readonly mean: readonly number[]; readonly std: readonly number[] },
): Tensor {
  const channels = shape[3];
  if (images.length !== elementCount(shape) || mean.length !== channels || std.length !== channels) {
    throw new ShapeError({
      expected: `bytes, mean and std for [${shape}]`,
      received: `${images.length} bytes, mean of ${mean.length}, std of ${std.length}`,
    });
  }
  const output = tape.empty(shape);
  const [bytes, scale, shift] = tape.scratch(Math.ceil(images.length / 4), channels, channels) as [
    Pointer,
    Pointer,
    Pointer,
  ];
  tape.backend.u8(bytes, images.length).set(images);
  tape.backend.f32(scale, channels).set(std.map((deviation) => 1 / (255 * deviation)));
  tape.backend.f32(shift, channels).set(std.map((deviation, c) => -mean[c]! / deviation));
  const args = { x: bytes, y: output.pointer, scale, shift, pixels: output.size / channels, channels };
  tape.run([{ kernel: "image_normalize", args }]);
  return output;
}
