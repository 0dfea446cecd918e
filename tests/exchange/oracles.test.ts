import { readdirSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { toFloat64 } from "#repvgg/core/named-arrays.js";
import { loadNet } from "#repvgg/exchange/load-net.node.js";
import { saveNet } from "#repvgg/exchange/save-net.node.js";
import { readTorchFile } from "#repvgg/formats/torch/file.node.js";
import { foldVerified } from "#repvgg/verify/fold-verified.node.js";
import { fileFolder, operatorCounts, oracleIo, oraclePath, outputOf, relativeError } from "./support.js";

const folder = fileFolder();

/** Convolutions of the folded graph: one a block, and two in each squeeze-and-excitation. */
const convolutions: Record<string, number> = {
  "tiny-se": 27,
  "tiny-plus": 27,
  tiny: 9,
  "tiny-g4": 9,
  "block-acb": 1,
  "block-dbb": 1,
  "block-mobileone-dw": 1,
  "block-mobileone-k4": 1,
};

/** The oracle that a file belongs to: its longest prefix that names one. */
function oracleOf(file: string): string {
  return Object.keys(convolutions)
    .filter((name) => file.startsWith(name))
    .sort((a, b) => b.length - a.length)[0]!;
}

const files = readdirSync(oraclePath("")).filter((name) => /\.(pth|onnx)$/.test(name));

describe("other people's files", () => {
  it("are all there", () => {
    expect(files).toHaveLength(25);
  });

  it.each(files)("%s loads, folds, verifies, and gives the stored outputs", async (file) => {
    const name = oracleOf(file);
    const { input, output } = await oracleIo(name);
    const net = await loadNet(oraclePath(file));
    // Half precision weights are 2⁻¹¹ off; what folding adds is held against the unfolded net below.
    const tolerance = file.includes("half") ? 5e-3 : 1e-4;
    const before = outputOf(net.graph, input);
    expect(relativeError(before, output)).toBeLessThanOrEqual(tolerance);
    const { net: folded, verification } = await foldVerified(net, { inputSize: [64, 64], images: 2 });
    expect(verification).toMatchObject({ agree: true, samples: 2 });
    expect(operatorCounts(folded)["Conv"]).toBe(convolutions[name]);
    expect(operatorCounts(folded)["BatchNormalization"]).toBeUndefined();
    const after = outputOf(folded.graph, input);
    expect(relativeError(after, output)).toBeLessThanOrEqual(tolerance);
    expect(relativeError(after, before)).toBeLessThanOrEqual(1e-5);
  });

  it.each(["tiny", "tiny-g4", "tiny-se", "tiny-plus"])(
    "%s-train.pth, folded to a .pth, is the authors' own folded state dict",
    async (name) => {
      const path = join(folder, `${name}.pth`);
      const { net } = await foldVerified(await loadNet(oraclePath(`${name}-train.pth`)), { inputSize: [64, 64] });
      await saveNet(net, path);
      const { arrays: ours } = await readTorchFile(path);
      const { arrays: theirs } = await readTorchFile(oraclePath(`${name}-deploy.pth`));
      expect([...ours.keys()].sort()).toEqual([...theirs.keys()].sort());
      for (const [key, array] of theirs) {
        expect(ours.get(key)!.shape, key).toEqual(array.shape);
        expect(relativeError(toFloat64(ours.get(key)!), array), key).toBeLessThanOrEqual(1e-6);
      }
    },
  );

  it("says what it found and assumed", async () => {
    const ddp = await loadNet(oraclePath("tiny-ddp-legacy.pth"));
    expect(ddp.source).toMatchObject({ format: "torch", scheme: "official", form: "train", chosen: "model" });
    expect(ddp.source.notes).toEqual([
      'took "module." off every name',
      'weights taken from "model"',
      "weights do not show strides: assumed 2, 2, 2, 2, 2 (first block of each stage)",
      "the weights do not say BatchNorm's ε: assumed 1e-5, PyTorch's default; --bn-eps says another (nets from TensorFlow and YOLO have 0.001)",
      "the file does not say how pictures are prepared: assumed 224×224, mean 0.485, 0.456, 0.406, std 0.229, 0.224, 0.225, crop 0.875, classes 0…9",
    ]);
    const half = await loadNet(oraclePath("tiny-half.pth"));
    expect(half.source.notes).toContain("16-bit weights were widened to float32");
    const g4 = await loadNet(oraclePath("tiny-g4-train.pth"));
    expect(g4.model!.architecture).toMatchObject({ name: "custom", groups: { 2: 4, 4: 4, 6: 4 }, classes: 10 });
  });
});
