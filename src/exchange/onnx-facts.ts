import { UserError } from "../core/errors.js";
import type { PartialPreprocessing } from "../core/preprocessing.js";
import type { OnnxEnvelope } from "../graph/from-onnx.js";
import { classNamesInMetadata } from "./class-names.js";
import { factsInMetadata, firstStated, type StatedFacts } from "./stated-facts.js";

/** An ONNX model's metadata as a record. */
export function onnxMetadata(
  envelope: Pick<OnnxEnvelope, "metadataProps"> | undefined,
): Readonly<Record<string, string>> {
  return Object.fromEntries((envelope?.metadataProps ?? []).map(({ key = "", value = "" }) => [key, value]));
}

const keys = {
  classNames: ["class_names", "classnames", "classes", "label_names", "labels", "names", "id2label", "idx_to_class"],
  mean: ["mean", "image_mean", "pixel_mean", "norm_mean"],
  std: ["std", "image_std", "pixel_std", "norm_std"],
  size: ["imgsz", "input_size", "image_size", "img_size"],
  cropRatio: ["crop_pct", "crop_ratio"],
};

/**
 * What an ONNX model's metadata says of its pictures and classes: our own keys; names, mean, deviation, size and crop under the names
 * that exporters give them (Ultralytics, timm, Transformers); ONNX's own `Image.NominalPixelRange` (onnx, docs/MetadataProps.md).
 * Nothing of it is trusted; what cannot be read is left out.
 */
export function factsInOnnx(metadata: Readonly<Record<string, string>>): StatedFacts {
  const lower = new Map(Object.entries(metadata).map(([key, value]) => [key.toLowerCase(), value]));
  const first = <T>(names: readonly string[], read: (text: string) => T | undefined): T | undefined =>
    names.map((name) => (lower.has(name) ? read(lower.get(name)!) : undefined)).find((value) => value !== undefined);
  const classNames = first(keys.classNames, classNamesInMetadata);
  const mean = first(keys.mean, numbersIn);
  const std = first(keys.std, numbersIn);
  const size = first(keys.size, sizeIn);
  const crop = first(keys.cropRatio, numbersIn);
  const named: StatedFacts = {
    preprocessing: {
      ...(mean && std && statistics(mean, std)),
      ...(size && { size }),
      ...(crop?.length === 1 && { cropRatio: crop[0]! }),
    },
    ...(classNames && { classNames }),
  };
  return firstStated(factsInMetadata(metadata), named, byProducer(lower), byRange(lower));
}

/** @throws UserError where the metadata says that the net reads its channels in another order than ours. */
export function checkChannelOrder(metadata: Readonly<Record<string, string>>): void {
  const format = metadata["Image.BitmapPixelFormat"];
  if (format === undefined || /^(rgb|gray)/i.test(format)) return;
  throw new UserError({
    expected: "a net that reads RGB or grey pictures",
    received: `Image.BitmapPixelFormat ${JSON.stringify(format)} in its metadata`,
    remedy: "turn the channels of its first convolution around and remove the entry",
  });
}

/** Of values in [0, 255] (123.675) or in [0, 1] (0.485). */
function statistics(mean: readonly number[], std: readonly number[]): PartialPreprocessing {
  const bytes = Math.max(...mean.map(Math.abs), ...std) > 3;
  const scaled = (list: readonly number[]): number[] => list.map((x) => (bytes ? x / 255 : x));
  return { mean: scaled(mean), std: scaled(std) };
}

/** Ultralytics' classifiers read values in [0, 1], the shorter side resized to the input's. */
function byProducer(metadata: ReadonlyMap<string, string>): StatedFacts | undefined {
  const isTheirs = /ultralytics/i.test(metadata.get("author") ?? "") && metadata.get("task") === "classify";
  return isTheirs ? { preprocessing: { mean: [0, 0, 0], std: [1, 1, 1], cropRatio: 1 } } : undefined;
}

function byRange(metadata: ReadonlyMap<string, string>): StatedFacts | undefined {
  const channels = /^gray/i.test(metadata.get("image.bitmappixelformat") ?? "") ? 1 : 3;
  const all = (x: number): number[] => Array.from({ length: channels }, () => x);
  switch (metadata.get("image.nominalpixelrange")) {
    case "NominalRange_0_255":
      return { preprocessing: { mean: all(0), std: all(1 / 255) } };
    case "Normalized_0_1":
      return { preprocessing: { mean: all(0), std: all(1) } };
    case "Normalized_1_1":
      return { preprocessing: { mean: all(0.5), std: all(0.5) } };
    default:
      return undefined;
  }
}

/** "[0.485, 0.456, 0.406]", "(0.485, 0.456, 0.406)", "0.485,0.456,0.406". */
function numbersIn(text: string): readonly number[] | undefined {
  const parts = text.replace(/^\s*[[(]|[\])]\s*$/g, "").split(",");
  const values = parts.map((part) => (part.trim() === "" ? Number.NaN : Number(part)));
  return values.every(Number.isFinite) ? values : undefined;
}

/** "224", "[224, 224]", "[3, 224, 224]", "[224, 224, 3]", "224x224". */
function sizeIn(text: string): readonly [number, number] | undefined {
  const values = numbersIn(text.replace(/[x×]/g, ","));
  if (values === undefined || values.length > 3) return undefined;
  const [first, second = first, third] = values as [number, ...number[]];
  return third === undefined || third === 1 || third === 3 ? [first, second] : [second, third];
}
