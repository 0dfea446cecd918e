import type { Image } from "#repvgg/data/dataset.js";

/** The inputs of make-pil-fixtures.py: waves and noise of a linear congruential generator. */
export function wavesAndNoise(width: number, height: number, channels: 1 | 3, seed: number): Image {
  const data = new Uint8Array(width * height * channels);
  let state = seed;
  for (let i = 0; i < data.length; i++) {
    const c = i % channels;
    const x = Math.floor(i / channels) % width;
    const y = Math.floor(i / channels / width);
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    const wave = (((x * (5 + 2 * c) + y * (7 - 3 * c)) % 256) + 256) % 256;
    data[i] = (wave * 3 + (state >>> 24)) >> 2;
  }
  return { width, height, channels, data };
}

/** A picture of one value. */
export function uniform(width: number, height: number, channels: 1 | 3, value: number): Image {
  return { width, height, channels, data: new Uint8Array(width * height * channels).fill(value) };
}
