import type { Rng } from "../../core/rng.js";
import type { Image } from "../dataset.js";
import { blankLike, luma, toChannels } from "../image.js";
import type { ColorJitter } from "./config.js";

/*
 * Colour operations on 8-bit pictures with PIL's arithmetic (ImageEnhance, ImageOps): what torchvision applies to PIL
 * pictures. Grey pictures are their own colourless version, so that saturation and hue leave them alone.
 */

/**
 * PIL's `Image.blend` of one value: base + factor · (value − base) in float32, truncated; beyond [0, 255] it is clipped.
 * Factor 0 gives the base, 1 the value, more than 1 goes beyond it.
 */
function blend(base: number, value: number, factor: number): number {
  const result = Math.fround(base + Math.fround(factor * (value - base)));
  return result <= 0 ? 0 : result >= 255 ? 255 : Math.trunc(result);
}

/** A picture whose values are looked up: one table for all channels, or one each. */
function mapped(image: Image, tables: readonly Uint8Array[]): Image {
  const result = blankLike(image);
  const { channels } = image;
  for (let c = 0; c < channels; c++) {
    const table = tables[c % tables.length]!;
    for (let i = c; i < result.data.length; i += channels) result.data[i] = table[image.data[i]!]!;
  }
  return result;
}

function tableOf(f: (value: number) => number): Uint8Array {
  return Uint8Array.from({ length: 256 }, (_, value) => f(value));
}

/** Blends with black. */
export function adjustBrightness(image: Image, factor: number): Image {
  const f = Math.fround(factor);
  return mapped(image, [tableOf((value) => blend(0, value, f))]);
}

/** Blends with the mean luma. */
export function adjustContrast(image: Image, factor: number): Image {
  const { data } = toChannels(image, 1);
  let sum = 0;
  for (const value of data) sum += value;
  const mean = Math.floor(sum / data.length + 0.5);
  const f = Math.fround(factor);
  return mapped(image, [tableOf((value) => blend(mean, value, f))]);
}

/** Blends with the grey picture. */
export function adjustSaturation(image: Image, factor: number): Image {
  if (image.channels === 1) return image;
  const { data } = image;
  const f = Math.fround(factor);
  const result = blankLike(image);
  for (let i = 0; i < data.length; i += 3) {
    const grey = luma(data[i]!, data[i + 1]!, data[i + 2]!);
    for (let c = 0; c < 3; c++) result.data[i + c] = blend(grey, data[i + c]!, f);
  }
  return result;
}

/** Blends with a smoothed picture (3×3: centre 5, neighbours 1, of 13; the border stays). */
export function adjustSharpness(image: Image, factor: number): Image {
  const { width, height, channels, data } = image;
  const f = Math.fround(factor);
  const result = { ...image, data: data.slice() };
  const row = width * channels;
  for (let y = 1; y < height - 1; y++) {
    for (let i = y * row + channels; i < (y + 1) * row - channels; i++) {
      const above = data[i - row - channels]! + data[i - row]! + data[i - row + channels]!;
      const beside = data[i - channels]! + 5 * data[i]! + data[i + channels]!;
      const below = data[i + row - channels]! + data[i + row]! + data[i + row + channels]!;
      const smooth = Math.floor((above + beside + below) / 13 + 0.5);
      result.data[i] = blend(smooth, data[i]!, f);
    }
  }
  return result;
}

/** Turns the hue by a fraction of the circle, through PIL's 8-bit HSV. */
export function adjustHue(image: Image, turn: number): Image {
  if (image.channels === 1) return image;
  const shift = Math.trunc(turn * 255);
  const { data } = image;
  const result = blankLike(image);
  for (let i = 0; i < data.length; i += 3) turnHue(data, i, shift, result.data);
  return result;
}

const f32 = Math.fround;

/** One pixel RGB → HSV (8 bits each, truncated) → hue shifted modulo 256 → RGB (rounded), in float32 as PIL. */
function turnHue(data: Uint8Array, at: number, shift: number, target: Uint8Array): void {
  const [r, g, b] = [data[at]!, data[at + 1]!, data[at + 2]!];
  const max = Math.max(r, g, b);
  const range = max - Math.min(r, g, b);
  if (range === 0) {
    target[at] = target[at + 1] = target[at + 2] = max;
    return;
  }
  const [rc, gc, bc] = [f32((max - r) / range), f32((max - g) / range), f32((max - b) / range)];
  const sector = r === max ? f32(bc - gc) : g === max ? f32(2 + rc - bc) : f32(4 + gc - rc);
  const hue = (Math.trunc(f32((sector / 6 + 1) % 1) * 255) + shift) & 255;
  const saturation = f32(Math.trunc(f32(range / max) * 255) / 255); // above 0: range / max is at least 1 / 255
  const i = Math.floor((hue * 6) / 255);
  const fraction = f32((hue * 6) / 255 - i);
  const p = Math.round(max * (1 - saturation));
  const q = Math.round(max * (1 - f32(saturation * fraction)));
  const t = Math.round(max * (1 - saturation * (1 - fraction)));
  const rgb = [
    [max, t, p],
    [q, max, p],
    [p, max, t],
    [p, q, max],
    [t, p, max],
    [max, p, q],
  ][i % 6]!;
  for (let c = 0; c < 3; c++) target[at + c] = rgb[c]!;
}

/** Keeps the upper `bits` bits of each value. */
export function posterize(image: Image, bits: number): Image {
  const mask = (0xff << (8 - bits)) & 0xff;
  return mapped(image, [tableOf((value) => value & mask)]);
}

/** Inverts the values from `threshold` upwards. */
export function solarize(image: Image, threshold: number): Image {
  return mapped(image, [tableOf((value) => (value < threshold ? value : 255 - value))]);
}

/** Stretches each channel to 0 … 255. */
export function autoContrast(image: Image): Image {
  return mapped(
    image,
    histograms(image).map((histogram) => {
      const low = histogram.findIndex((count) => count > 0);
      const high = histogram.findLastIndex((count) => count > 0);
      if (high <= low) return tableOf((value) => value);
      const scale = 255 / (high - low);
      const offset = -low * scale;
      return tableOf((value) => Math.min(255, Math.max(0, Math.trunc(value * scale + offset))));
    }),
  );
}

/** Equalizes the histogram of each channel. */
export function equalize(image: Image): Image {
  return mapped(
    image,
    histograms(image).map((histogram) => {
      const used = histogram.filter((count) => count > 0);
      const total = used.reduce((sum, count) => sum + count, 0);
      const step = Math.floor((total - used.at(-1)!) / 255);
      if (used.length <= 1 || step === 0) return tableOf((value) => value);
      let sum = Math.floor(step / 2);
      return tableOf((value) => {
        const level = Math.min(255, Math.floor(sum / step));
        sum += histogram[value]!;
        return level;
      });
    }),
  );
}

function histograms(image: Image): number[][] {
  const { channels, data } = image;
  return Array.from({ length: channels }, (_, c) => {
    const histogram = new Array<number>(256).fill(0);
    for (let i = c; i < data.length; i += channels) histogram[data[i]!]!++;
    return histogram;
  });
}

/** The four adjustments by random factors in random order. */
export function jitterColors(image: Image, config: ColorJitter, rng: Rng): Image {
  const factor = (amount: number): number => rng.uniform(Math.max(0, 1 - amount), 1 + amount);
  let result = image;
  for (const step of rng.shuffle([0, 1, 2, 3])) {
    if (step === 0 && config.brightness > 0) result = adjustBrightness(result, factor(config.brightness));
    if (step === 1 && config.contrast > 0) result = adjustContrast(result, factor(config.contrast));
    if (step === 2 && config.saturation > 0) result = adjustSaturation(result, factor(config.saturation));
    if (step === 3 && config.hue > 0) result = adjustHue(result, rng.uniform(-config.hue, config.hue));
  }
  return result;
}
