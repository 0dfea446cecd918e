import { describe, expect, it } from "vitest";
import { extractFeatures } from "#repvgg/api/extract-features.node.js";
import { loadModel } from "#repvgg/api/model-files.node.js";
import { toFloat32 } from "#repvgg/core/named-arrays.js";
import type { Image } from "#repvgg/data/dataset.js";
import { foldNet } from "#repvgg/exchange/fold-net.js";
import { netOf } from "#repvgg/exchange/net.js";
import { evaluate } from "#repvgg/graph/evaluate/evaluate.js";
import { repvgg } from "#repvgg/nn/repvgg.js";
import { toGraph } from "#repvgg/nn/to-graph.js";
import { oraclePath, random, relativeError } from "./support.js";

describe("inner maps", () => {
  // Squeeze-and-excitation on images that are not square: the authors' own code fails there.
  it.each(["tiny", "tiny-se", "tiny-plus"])("of %s, both forms, on an image that is not square", async (name) => {
    const train = await loadModel(oraclePath(`${name}-train.pth`));
    const input = random(1, [2, 3, 64, 96]);
    const expected = evaluate(toGraph(train), new Map([["input", input]]), ["stage2", "stage4"]);
    for (const model of [train, foldNet(netOf(train)).net.model!]) {
      const maps = await extractFeatures(model, { shape: input.shape, data: toFloat32(input) }, ["stage2", "stage4"]);
      expect(Object.keys(maps)).toEqual(["stage2", "stage4"]);
      for (const [key, { shape, data }] of expected) {
        expect(maps[key]!.shape).toEqual(shape);
        expect(relativeError(maps[key]!.data, data)).toBeLessThanOrEqual(1e-4);
      }
    }
  });

  it("of a picture, at the model's size or another", async () => {
    const model = repvgg("nano", { classes: 3 });
    const picture: Image = { width: 40, height: 30, channels: 1, data: new Uint8Array(1200).map((_, i) => i % 251) };
    const maps = await extractFeatures(model, picture, ["stage1", "stage1.1.rbr_reparam"]);
    expect(maps["stage1"]!.shape).toEqual([1, 24, 14, 14]);
    const before = maps["stage1.1.rbr_reparam"]!.data;
    expect(maps["stage1"]!.data).toEqual(before.map((x) => Math.max(0, x)));
    const wide = await extractFeatures(model, picture, ["stage3"], { inputSize: [32, 64] });
    expect(wide["stage3"]!.shape).toEqual([1, 96, 4, 8]);
  });

  it("that do not exist are named", async () => {
    const model = repvgg("nano");
    const input = { shape: [1, 1, 28, 28], data: new Float32Array(784) };
    await expect(extractFeatures(model, input, ["stge2"])).rejects.toThrow(
      'expected a feature (stage0, stage1, stage2, stage3, or the name of any value), received "stge2": did you mean "stage2"?',
    );
    await expect(extractFeatures(model, input, [])).rejects.toThrow("expected at least one feature, received none");
  });
});
