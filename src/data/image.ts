import type { Image } from "./dataset.js";

/** A rectangle of pixels. */
export interface Region {
  readonly top: number;
  readonly left: number;
  readonly height: number;
  readonly width: number;
}

/** A black picture. */
export function blankLike(image: Image, height = image.height, width = image.width): Image {
  return { width, height, channels: image.channels, data: new Uint8Array(width * height * image.channels) };
}

/** ITU-R 601-2 luma in 16-bit fixed point, as PIL's "L" mode: L = (19595 R + 38470 G + 7471 B + 2¹⁵) / 2¹⁶. */
export function luma(red: number, green: number, blue: number): number {
  return (red * 19595 + green * 38470 + blue * 7471 + 0x8000) >> 16;
}

/** The picture with 1 (grey) or 3 (RGB) channels; itself where it has them. Grey → RGB repeats, RGB → grey is {@link luma}. */
export function toChannels(image: Image, channels: 1 | 3): Image {
  if (image.channels === channels) return image;
  const { data, width, height } = image;
  const pixels = width * height;
  const result = new Uint8Array(pixels * channels);
  if (channels === 1) {
    for (let i = 0, j = 0; i < pixels; i++, j += 3) result[i] = luma(data[j]!, data[j + 1]!, data[j + 2]!);
  } else {
    for (let i = 0, j = 0; i < pixels; i++, j += 3) result[j] = result[j + 1] = result[j + 2] = data[i]!;
  }
  return { width, height, channels, data: result };
}

/** The pixels of a region, which may reach beyond the picture: there the result is black. */
export function crop(image: Image, region: Region): Image {
  const { top, left, height, width } = region;
  if (top === 0 && left === 0 && height === image.height && width === image.width) return image;
  const { channels, data } = image;
  const result = blankLike(image, height, width);
  const from = Math.max(0, left);
  const to = Math.min(image.width, left + width);
  if (from >= to) return result;
  for (let y = Math.max(0, -top); y < height && top + y < image.height; y++) {
    const row = (top + y) * image.width;
    result.data.set(
      data.subarray((row + from) * channels, (row + to) * channels),
      (y * width + from - left) * channels,
    );
  }
  return result;
}

/** The middle `cropHeight` × `cropWidth` of a picture; an odd rest is shared as torchvision's CenterCrop does (halves to even). */
export function centreRegion(height: number, width: number, cropHeight: number, cropWidth: number): Region {
  return {
    top: centreOffset(height, cropHeight),
    left: centreOffset(width, cropWidth),
    height: cropHeight,
    width: cropWidth,
  };
}

/** torchvision's CenterCrop; a picture smaller than the crop is padded with black. */
export function centreCrop(image: Image, height: number, width: number): Image {
  return crop(image, centreRegion(image.height, image.width, height, width));
}

function centreOffset(size: number, cropped: number): number {
  if (size < cropped) return -Math.floor((cropped - size) / 2);
  const half = (size - cropped) / 2;
  const floor = Math.floor(half);
  return half === floor || floor % 2 === 0 ? floor : floor + 1;
}

/** The mirror image. */
export function flipHorizontal(image: Image): Image {
  const { width, height, channels, data } = image;
  const result = blankLike(image);
  const target = result.data;
  for (let y = 0; y < height; y++) {
    let from = (y * width + width - 1) * channels;
    let to = y * width * channels;
    for (let x = 0; x < width; x++, from -= channels, to += channels) {
      for (let c = 0; c < channels; c++) target[to + c] = data[from + c]!;
    }
  }
  return result;
}

/** Every pixel as a square of `scale` × `scale`. */
export function enlarge(image: Image, scale: number): Image {
  if (scale === 1) return image;
  const { width, height, channels, data } = image;
  const result = blankLike(image, height * scale, width * scale);
  for (let y = 0, to = 0; y < result.height; y++) {
    const row = Math.floor(y / scale) * width;
    for (let x = 0; x < result.width; x++) {
      const from = (row + Math.floor(x / scale)) * channels;
      for (let c = 0; c < channels; c++) result.data[to++] = data[from + c]!;
    }
  }
  return result;
}
