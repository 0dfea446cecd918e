import { join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { loadModel, repvgg as repvggModel, saveModel } from "#repvgg/index.js";
import { fashionPictures, fileFolder, oneLine, repvgg, repvggJson } from "./support.js";

/** Nets of other blocks than RepVGG's go the same way: trained, named, folded, and kept out of files that lose their kind. */
describe("train --block", () => {
  const folder = fileFolder();
  const model = join(folder, "acb", "model.safetensors");
  let pictures: string;

  const train = (block: string, out: string, ...more: string[]) => {
    const small = ["--epochs", "1", "--batch-size", "20", "--depths", "1", "--widths", "8,8", "--strides", "2,2"];
    return repvgg(["train", pictures, "--block", block, "--out", join(folder, out), ...small, ...more]);
  };

  beforeAll(async () => {
    pictures = await fashionPictures(folder, { train: 40, test: 20 });
    expect((await train("acb", "acb")).code).toBe(0);
  });

  it("writes a model file that info describes and fold folds", async () => {
    const info = await repvgg(["info", model]);
    expect(info.stdout).toContain("blocks: acb: 3×3 + 3×1 + 1×3, each with BatchNorm\n");
    const plain = join(folder, "plain.safetensors");
    expect(await repvggJson(["fold", model, "-o", plain])).toMatchObject({ verification: { agree: true } });
    expect((await loadModel(plain)).form).toBe("plain");
  });

  it("keeps such nets out of files of weights alone", async () => {
    // ACB's names tell what they are; a dirac block's do not.
    expect((await repvgg(["export", model, "-o", join(folder, "a.pth")])).code).toBe(0);
    expect((await loadModel(join(folder, "a.pth"))).architecture.block.kind).toBe("acb");
    expect((await train("dirac", "dirac")).code).toBe(0);
    const other = join(folder, "dirac", "model.safetensors");
    expect(await repvgg(["export", other, "-o", join(folder, "d.pth"), "--form", "train"])).toEqual(
      oneLine(
        "expected RepVGG blocks, for a file of weights by name alone, received blocks of kind dirac in training form: fold the net first, or write a model file (.safetensors under its own names) or .onnx",
      ),
    );
  });

  it("goes on from a .pth with the ε that is asked for, which stays with the net", async () => {
    const weights = join(folder, "qa.pth");
    const net = {
      depths: [1],
      widths: [8, 8],
      strides: [2, 2],
      block: "qarepvgg",
      inputChannels: 1,
      classes: 10,
    } as const;
    await saveModel(repvggModel(net, { statistics: "seeded", inputSize: 28 }), weights);
    const more = ["--epochs", "1", "--batch-size", "20", "--out", join(folder, "qa2")];
    const ended = await repvgg(["train", pictures, "--from", weights, "--bn-eps", "0.01", ...more]);
    expect([ended.code, ended.stderr]).toEqual([
      0,
      expect.stringContaining("ε of every BatchNorm: 0.01, as asked for"),
    ]);
    const trained = await loadModel(join(folder, "qa2", "model.safetensors"));
    expect(trained.architecture).toMatchObject({ block: { kind: "qarepvgg" }, batchNormEpsilon: 0.01 });
  });

  it("says why blocks with a ReLU in each branch do not fold", async () => {
    expect((await train("relu-in-branches", "relu")).code).toBe(0);
    const ended = await repvgg([
      "fold",
      join(folder, "relu", "model.safetensors"),
      "-o",
      join(folder, "b.safetensors"),
    ]);
    expect(ended.code).toBe(1);
    expect(ended.stderr).toContain("blocks of kind relu-in-branches: a ReLU stands in each branch, before the sum");
  });

  it("refuses kinds that there are not, and branches that a kind does not have", async () => {
    expect((await train("dirc", "x")).stderr).toContain('received "dirc": did you mean dirac?');
    expect((await train("identity-without-bn", "x", "--no-identity")).stderr).toContain(
      "block.identity: true, which blocks of kind identity-without-bn always have",
    );
  });
});
