import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import sharp from "sharp";
import { onTestFinished } from "vitest";
import type { Image } from "#repvgg/data/dataset.js";
import { type MemoryDataset, memoryDataset, sharedBytes } from "#repvgg/data/memory-dataset.js";

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

/** A data set of `count` different pictures in memory, labels 0, 1, 2, 0, …. */
export function memoryPictures(count: number, options: { size?: number; channels?: 1 | 3 } = {}): MemoryDataset {
  const { size = 12, channels = 1 } = options;
  const pixels = sharedBytes(count * size * size * channels);
  for (let i = 0; i < count; i++) pixels.set(wavesAndNoise(size, size, channels, i).data, i * size * size * channels);
  return memoryDataset({
    name: "memory",
    classNames: ["a", "b", "c"],
    channels,
    height: size,
    width: size,
    pixels,
    labels: Array.from({ length: count }, (_, i) => i % 3),
  });
}

/** The picture as the bytes of a file. */
export function encode(image: Image, format: "jpeg" | "png" | "webp" | "gif" | "tiff" | "avif"): Promise<Buffer> {
  const { width, height, channels, data } = image;
  const raw = sharp(data, { raw: { width, height, channels } });
  return (channels === 1 ? raw.toColourspace("b-w") : raw)
    .toFormat(
      format,
      format === "webp" || format === "avif" ? { lossless: true } : format === "tiff" ? { compression: "lzw" } : {},
    )
    .toBuffer();
}

/** A truncated JPEG: its first bytes are right. */
export async function cutJpeg(): Promise<Uint8Array> {
  const bytes = await encode(wavesAndNoise(40, 40, 3, 9), "jpeg");
  return bytes.subarray(0, bytes.length >> 1);
}

/** Writes files below a new temporary folder, which is removed after the test. */
export function temporaryFolder(files: Record<string, string | Uint8Array | undefined> = {}): string {
  const folder = mkdtempSync(join(tmpdir(), "repvgg-data-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  for (const [name, contents] of Object.entries(files)) {
    const path = join(folder, name);
    mkdirSync(contents === undefined ? path : dirname(path), { recursive: true });
    if (contents !== undefined) writeFileSync(path, contents);
  }
  return folder;
}

/** An image folder of 2 classes with `count` small PNGs each, all different; `extra` files are added. */
export async function pictureFolder(count: number, extra: Record<string, string | Uint8Array> = {}): Promise<string> {
  const files: Record<string, string | Uint8Array> = { ...extra };
  for (let i = 0; i < 2 * count; i++) {
    const name = `${i % 2 === 0 ? "cat" : "dog"}/${String(i >> 1).padStart(3, "0")}.png`;
    files[name] = await encode(wavesAndNoise(20 + (i % 3), 18, 3, i), "png");
  }
  return temporaryFolder(files);
}
