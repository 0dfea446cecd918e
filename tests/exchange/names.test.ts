import { rm } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { loadModel, saveModel } from "#repvgg/api/model-files.node.js";
import { knownVariant } from "#repvgg/exchange/known-variant.js";
import { loadNet } from "#repvgg/exchange/load-net.node.js";
import { fromOfficial } from "#repvgg/exchange/names/schemes.js";
import { netOf } from "#repvgg/exchange/net.js";
import { saveNet } from "#repvgg/exchange/save-net.node.js";
import { writeSafetensorsFile } from "#repvgg/formats/safetensors/file.node.js";
import { writeTorchFile } from "#repvgg/formats/torch/file.node.js";
import { architecture } from "#repvgg/nn/build-architecture.js";
import { repvgg } from "#repvgg/nn/repvgg.js";
import { variantNames } from "#repvgg/nn/zoo.js";
import { fileFolder, oraclePath } from "./support.js";

const folder = fileFolder();

describe("names of other libraries", () => {
  it.each(
    (["tiny-train", "tiny-deploy", "tiny-se-train", "tiny-g4-train"] as const).flatMap((file) =>
      (["timm", "mmpretrain"] as const).flatMap((scheme) =>
        (["pth", "safetensors"] as const).map((ending) => ({ file, scheme, ending })),
      ),
    ),
  )("$file as $scheme .$ending and back", async ({ file, scheme, ending }) => {
    const net = await loadNet(oraclePath(`${file}.pth`));
    const path = join(folder, `${file}-${scheme}.${ending}`);
    await saveNet(net, path, { scheme });
    const back = await loadNet(path);
    expect(back.source).toMatchObject({ format: ending === "pth" ? "torch" : "safetensors", scheme });
    expect(back.model).toEqual(net.model);
  });

  it("a model file keeps everything, and takes no scheme for one of its own", async () => {
    const model = repvgg("nano", { classNames: ["a", "b"], provenance: { from: "a test" } });
    const path = join(folder, "own.safetensors");
    await saveModel(model, path);
    expect(await loadModel(path)).toEqual(model);
    expect((await loadNet(path)).source).toEqual({ format: "repvgg", scheme: "official", form: "train", notes: [] });
    await saveModel(model, path, { precision: "f16" });
    const half = await loadModel(path);
    expect({ ...half, state: null }).toEqual({ ...model, state: null });
    expect(half.state.get("stage0.rbr_dense.bn.running_var")).toEqual(
      model.state.get("stage0.rbr_dense.bn.running_var"),
    );
  });

  it("prefixes, wrappers and averages", async () => {
    const { model } = await loadNet(oraclePath("tiny-train.pth"));
    const timm = fromOfficial(model!.state, "timm");
    const prefixed = new Map([...timm].map(([name, array]) => [`module.${name}`, array]));
    const path = join(folder, "prefixed");
    await writeSafetensorsFile(path, prefixed); // no ending: content decides
    const net = await loadNet(path);
    expect(net.model).toEqual(model);
    expect(net.source.notes[0]).toBe('took "module." off every name');
    await writeTorchFile(path, prefixed);
    expect((await loadNet(path)).model).toEqual(model);
  });
});

describe("the architecture", () => {
  it("has a zoo name where it is one of the zoo's", () => {
    for (const name of variantNames)
      expect(knownVariant({ ...architecture(name, { classes: 7 }), name: "custom" })).toBe(name);
    expect(knownVariant(architecture("A0", { widths: [48, 48, 96, 192, 1024] }))).toBeUndefined();
    expect(knownVariant(architecture("A0", { groups: 2 }))).toBeUndefined();
    expect(knownVariant(architecture("A0", { branches: { identity: false } }))).toBeUndefined();
  });

  it("is read off a whole A0: name, preprocessing, classes", async () => {
    const path = join(folder, "a0.pth");
    await saveNet(netOf(repvgg("A0", { form: "plain" })), path, { scheme: "timm" });
    await rm(join(folder, "a0.json")); // it would say all that is assumed here
    const { model, source } = await loadNet(path);
    expect(model!.architecture).toEqual(architecture("A0"));
    expect(model!.metadata.preprocessing).toEqual(repvgg("A0").metadata.preprocessing);
    expect(model!.metadata.classNames).toHaveLength(1000);
    expect(source.notes).toContain(
      "weights do not show strides: assumed 2, 2, 2, 2, 2, as A0 has them (first block of each stage)",
    );
  });

  it("takes strides and input size from hints, and strides of small nets from the zoo", async () => {
    const path = join(folder, "nano.pth");
    await saveModel(repvgg("nano"), path);
    const nano = await loadModel(path);
    expect(nano.architecture).toEqual(architecture("nano"));
    expect(nano.metadata.preprocessing.size).toEqual([28, 28]);
    const other = await loadModel(path, { strides: [2, 2, 2, 2], inputSize: [32, 48] });
    expect(other.architecture).toMatchObject({ name: "custom", strides: [2, 2, 2, 2] });
    expect(other.metadata.preprocessing.size).toEqual([32, 48]);
  });

  it("of RepVGGplus needs no auxiliary heads", async () => {
    const { model } = await loadNet(oraclePath("tiny-plus-train.pth"));
    const path = join(folder, "no-aux.pth");
    await writeTorchFile(path, new Map([...model!.state].filter(([name]) => !name.includes("_aux."))));
    const { model: read, source } = await loadNet(path);
    expect([...read!.state.keys()]).toEqual([...model!.state.keys()]);
    expect(source.notes.join()).toContain("these heads serve training only and begin anew");
  });
});
