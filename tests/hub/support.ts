import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import type { NamedArray } from "#repvgg/core/named-arrays.js";
import { fromOfficial, type Scheme } from "#repvgg/exchange/names/schemes.js";
import { safetensorsChunks } from "#repvgg/formats/safetensors/write.js";
import { readTorch } from "#repvgg/formats/torch/read.js";
import { findStateDict } from "#repvgg/formats/torch/state-dict.js";
import { oracle } from "../formats/fixtures.js";

/** Weights that the authors' own code made, under their names. */
export const tiny = (): Map<string, NamedArray> => findStateDict(readTorch(oracle("tiny-train.pth"))).arrays;

/** A safetensors file without metadata of ours, as timm publishes them. */
export function safetensors(weights: ReadonlyMap<string, NamedArray>, scheme: Scheme = "timm"): Uint8Array {
  const named = fromOfficial(weights, scheme);
  return Buffer.concat([...safetensorsChunks(named, {}, (name) => named.get(name)!)]);
}

/** A config.json as timm writes it. */
export function timmConfig(more: object = {}, pretrained: object = {}): Uint8Array {
  return Buffer.from(
    JSON.stringify({
      architecture: "repvgg_mini",
      num_classes: 10,
      num_features: 64,
      ...more,
      pretrained_cfg: {
        tag: "rvgg_in1k",
        custom_load: false,
        input_size: [3, 32, 48],
        fixed_input_size: false,
        interpolation: "bilinear",
        crop_pct: 0.875,
        crop_mode: "center",
        mean: [0.485, 0.456, 0.406],
        std: [0.229, 0.224, 0.225],
        num_classes: 10,
        pool_size: [1, 1],
        first_conv: ["stem.conv_kxk.conv", "stem.conv_1x1.conv"],
        classifier: "head.fc",
        license: "mit",
        ...pretrained,
      },
    }),
  );
}

/** A folder that is removed after the test. */
export function testFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "repvgg-hub-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** Sets the environment that a pull looks at, for one test. */
export function environment(values: Record<string, string>): void {
  const before = { ...process.env };
  onTestFinished(() => {
    process.env = before;
  });
  for (const name of Object.keys(process.env)) if (/^(HF_|HUGGING|REPVGG_)/.test(name)) delete process.env[name];
  Object.assign(process.env, values);
}
