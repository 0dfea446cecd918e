import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { type AffineMatrix, affine, rotation } from "#repvgg/data/augmentation/affine.js";
import * as color from "#repvgg/data/augmentation/color.js";
import type { Image } from "#repvgg/data/dataset.js";
import { frameForEvaluation } from "#repvgg/data/evaluation-transform.js";
import { toChannels } from "#repvgg/data/image.js";
import { resize } from "#repvgg/data/resize.js";
import { wavesAndNoise } from "./pictures.js";

/* Bit for bit what PIL makes (tests/data/make-pil-fixtures.py). */

interface Case {
  operation: string;
  arguments: number[];
  input: [number, number, 1 | 3, number];
  width: number;
  height: number;
  sha256: string;
  bytes?: string;
}

const { cases } = JSON.parse(readFileSync(new URL("../fixtures/pil/operations.json", import.meta.url), "utf8")) as {
  cases: Case[];
};

const operations: Record<string, (image: Image, args: number[]) => Image> = {
  resize: (image, [height, width]) => resize(image, height!, width!),
  grey: (image) => toChannels(image, 1),
  brightness: (image, [factor]) => color.adjustBrightness(image, factor!),
  contrast: (image, [factor]) => color.adjustContrast(image, factor!),
  saturation: (image, [factor]) => color.adjustSaturation(image, factor!),
  sharpness: (image, [factor]) => color.adjustSharpness(image, factor!),
  hue: (image, [turn]) => color.adjustHue(image, turn!),
  posterize: (image, [bits]) => color.posterize(image, bits!),
  solarize: (image, [threshold]) => color.solarize(image, threshold!),
  autoContrast: (image) => color.autoContrast(image),
  equalize: (image) => color.equalize(image),
  rotate: (image, [degrees]) => affine(image, rotation(image, degrees!)),
  affine: (image, matrix) => affine(image, matrix as unknown as AffineMatrix),
  frame: (image, [size, cropRatio]) =>
    frameForEvaluation(image, { size: [size!, size!], channels: image.channels, cropRatio: cropRatio! }),
};

const named = cases.map((entry) => ({ ...entry, title: `${entry.operation}(${entry.arguments}) of ${entry.input}` }));

test("every operation has cases", () => {
  expect(new Set(cases.map((entry) => entry.operation))).toEqual(new Set(Object.keys(operations)));
});

test.each(named)("$title", (entry) => {
  const result = operations[entry.operation]!(wavesAndNoise(...entry.input), entry.arguments);
  expect([result.width, result.height]).toEqual([entry.width, entry.height]);
  if (entry.bytes)
    expect(Buffer.from(result.data).toString("hex")).toBe(Buffer.from(entry.bytes, "base64").toString("hex"));
  expect(createHash("sha256").update(result.data).digest("hex")).toBe(entry.sha256);
});
