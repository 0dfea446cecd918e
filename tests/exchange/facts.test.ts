import { readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { classifierOf } from "#repvgg/classifier/net-classifier.js";
import { parseClassNames } from "#repvgg/exchange/class-names.js";
import { lostInContainer } from "#repvgg/exchange/encode-net.js";
import { foldNet } from "#repvgg/exchange/fold-net.js";
import { loadNet } from "#repvgg/exchange/load-net.node.js";
import { type Scheme, schemes } from "#repvgg/exchange/names/schemes.js";
import { netOf } from "#repvgg/exchange/net.js";
import { saveNet } from "#repvgg/exchange/save-net.node.js";
import { sidecarPath } from "#repvgg/exchange/sidecar.js";
import { withFacts } from "#repvgg/exchange/with-facts.js";
import { readSafetensorsFile } from "#repvgg/formats/safetensors/file.node.js";
import { repvgg } from "#repvgg/nn/repvgg.js";
import { fileFolder } from "./support.js";

const folder = fileFolder();
const file = (name: string): string => join(folder, name);

const classNames = ["ant", 'bee "b"', "Kuh, Rind"];
const facts = { size: [24, 40], mean: [0.1, 0.2, 0.3], std: [0.4, 0.5, 0.6], cropRatio: 0.9 } as const;
/** Strides that no default has, ε that no default is: nothing of it may be guessed right. */
const model = repvgg(
  { depths: [1, 2], widths: [8, 8, 16], strides: [1, 2, 1] },
  { classNames, preprocessing: facts, seed: 1, provenance: { license: "mit" } },
);
const known = { ...model, architecture: { ...model.architecture, batchNormEpsilon: 1e-3 } };
const plain = foldNet(netOf(known)).net;

/** All schemes that RepVGGs have. */
const own: readonly Scheme[] = ["official", "timm", "mmpretrain"];

describe("what is known of pictures and classes stays", () => {
  it("knows of every scheme whether it is tried here", () => {
    expect(schemes.filter((scheme) => !own.includes(scheme))).toEqual([
      ...["repvggplus", "mobileone", "mobileone-timm", "repopt", "repopt-repvgg"],
    ]);
  });

  for (const net of [netOf(known), plain]) {
    const form = net.source.form!;
    for (const ending of ["pth", "pt", "safetensors"]) {
      for (const scheme of own) {
        it(`in ${form} form, as .${ending} in the names of ${scheme}`, async () => {
          const path = file(`${form}-${scheme}.${ending}`);
          await saveNet(net, path, { scheme });
          const { model: found, source } = await loadNet(path);
          expect(found!.metadata).toMatchObject({ classNames, preprocessing: net.model!.metadata.preprocessing });
          expect(found!.metadata.assumed).toBeUndefined();
          expect(found!.architecture.strides).toEqual([1, 2, 1]);
          const { batchNormEpsilon = {} } = found!.architecture;
          const epsilons = typeof batchNormEpsilon === "number" ? [batchNormEpsilon] : Object.values(batchNormEpsilon);
          if (form === "train") expect([...new Set(epsilons)]).toEqual([1e-3]);
          expect(source.notes.join()).not.toContain("assumed");
        });
      }
    }
    it(`in ${form} form, as .onnx`, async () => {
      const path = file(`${form}.onnx`);
      await saveNet(net, path);
      const { classNames: names, preprocessing, assumed, notes } = classifierOf(await loadNet(path));
      expect({ names, ...preprocessing }).toMatchObject({ names: classNames, ...facts });
      expect([assumed, notes]).toEqual([[], []]);
    });
  }

  it("in safetensors also without the file beside it", async () => {
    const path = file("alone.safetensors");
    await saveNet(netOf(known), path, { scheme: "timm" });
    await rm(sidecarPath(path));
    const { model: found, source } = await loadNet(path);
    expect(found!.metadata).toMatchObject({ classNames, preprocessing: facts, provenance: { license: "mit" } });
    expect(source.notes.join()).not.toContain("assumed");
    const { metadata } = await readSafetensorsFile(path);
    expect(Object.keys(metadata).sort()).toEqual(
      ["batchNormEpsilon", "classNames", "format", "preprocessing", "provenance", "strides"].sort(),
    );
  });

  it("beside a .pth as timm's config.json, with the names that the weights have", async () => {
    const path = file("beside.pth");
    await saveNet(netOf(known), path, { scheme: "timm" });
    expect(JSON.parse(await readFile(file("beside.json"), "utf8"))).toEqual({
      architecture: "repvgg",
      num_classes: 3,
      num_features: 16,
      label_names: classNames,
      pretrained_cfg: {
        ...{ custom_load: false, input_size: [3, 24, 40], interpolation: "bilinear", crop_mode: "center" },
        ...{ crop_pct: 0.9, mean: [0.1, 0.2, 0.3], std: [0.4, 0.5, 0.6], num_classes: 3, license: "mit" },
        ...{ first_conv: ["stem.conv_kxk.conv", "stem.conv_1x1.conv"], classifier: "head.fc" },
      },
      repvgg: { strides: [1, 2, 1], batchNormEpsilon: expect.anything() },
    });
    await saveNet(netOf(repvgg("A0")), path, { scheme: "timm" });
    expect(JSON.parse(await readFile(file("beside.json"), "utf8"))).toMatchObject({ architecture: "repvgg_a0" });
  });

  it("says which files cannot hold it", () => {
    expect(lostInContainer(plain, "torch").join()).toMatch(/cannot hold class names.*in the \.json beside it/);
    expect(lostInContainer(plain, "safetensors")).toEqual([]);
    expect(lostInContainer(plain, "onnx")).toEqual([]);
    const { graph, source } = plain;
    const graphAlone = { graph, source: { format: "onnx" as const, notes: source.notes } };
    expect(lostInContainer(graphAlone, "safetensors").join()).toContain("not the graph that they belong to");
  });
});

describe("what was assumed", () => {
  it("is no fact in the next file, until somebody says it", async () => {
    await saveNet(netOf(known), file("bare.pth"));
    await rm(file("bare.json"));
    const bare = await loadNet(file("bare.pth"), { strides: [1, 2, 1] });
    const note = /how pictures are prepared: assumed 224×224, mean 0\.485.*crop 0\.875, classes 0…2$/;
    expect(bare.source.notes.at(-1)).toMatch(note);
    for (const name of ["next.safetensors", "next.pth", "next-timm.safetensors"]) {
      await saveNet(bare, file(name), name.includes("timm") ? { scheme: "timm" } : {});
      const next = await loadNet(file(name));
      expect(next.source.notes.at(-1)).toMatch(note);
      expect(next.model!.metadata.assumed).toEqual(["size", "mean", "std", "cropRatio", "classNames"]);
      const told = await loadNet(file(name), { classNames, preprocessing: facts });
      expect(told.source.notes.join()).not.toContain("how pictures");
      expect(told.model!.metadata).toMatchObject({ classNames, preprocessing: facts });
      const partly = withFacts(next, { preprocessing: { mean: [0, 0, 0] } });
      expect(partly.model!.metadata.assumed).toEqual(["size", "std", "cropRatio", "classNames"]);
      expect(partly.source.notes.at(-1)).toMatch(/assumed 224×224, std 0\.229.*classes 0…2$/);
    }
    await expect(loadNet(file("bare.pth"), { classNames: ["a"] })).rejects.toThrow(/names for the net's 3 classes/);
    await expect(loadNet(file("bare.pth"), { preprocessing: { std: [0, 1, 1] } })).rejects.toThrow(/"std":\[0,1,1\]/);
  });

  it("counts only as long as it stands there", () => {
    const { metadata } = known;
    const assumed = ["classNames", "mean"] as const;
    expect(netOf({ ...known, metadata: { ...metadata, assumed } }).source.notes).toEqual([]);
  });
});

describe("a file beside weights", () => {
  const read = async (text: string | Uint8Array): Promise<Awaited<ReturnType<typeof loadNet>>> => {
    await rm(file("x.json"), { force: true });
    await saveNet(netOf(known), file("x.pth"));
    await writeFile(file("x.json"), text);
    return loadNet(file("x.pth"));
  };
  const config = { num_classes: 3, label_names: classNames, pretrained_cfg: { mean: [0.1, 0.2, 0.3] } };

  it("of timm's library is read", async () => {
    const { model: found, source } = await read(JSON.stringify(config));
    expect(found!.metadata).toMatchObject({ classNames, preprocessing: { mean: [0.1, 0.2, 0.3] } });
    expect(source.notes.at(-1)).toMatch(/assumed 224×224, std 0\.229.*crop 0\.875$/);
  });

  it("that is none, of another net, or lies, is not used, and that is said", async () => {
    const notes = async (text: string | Uint8Array): Promise<string> => (await read(text)).source.notes.join("\n");
    const assumed = "assumed 224×224, mean 0.485, 0.456, 0.406, std 0.229, 0.224, 0.225, crop 0.875, classes 0…2";
    for (const text of ["", "[1]", "{", "\u0000", new Uint8Array([0xff, 0xfe])]) {
      expect(await notes(text)).toContain("x.json beside it is no JSON object: not used");
    }
    expect(await notes(JSON.stringify({ ...config, num_classes: 10 }))).toMatch(
      /x\.json beside it is of another net \(10 classes, the weights have 3\): not used/,
    );
    expect(await notes(JSON.stringify({ ...config, architecture: "repvgg_a1" }))).toMatch(/another net \(A1/);
    const lies = {
      pretrained_cfg: { mean: [0, 0], std: [0, 0, 0], crop_pct: 7, input_size: [3, 1e9, -1] },
      repvgg: { strides: [1, 2, "x"], batchNormEpsilon: -1 },
    };
    expect(await notes(JSON.stringify(lies))).toContain(assumed);
    expect(await notes(JSON.stringify({ repvgg: { strides: [9] } }))).toContain("weights do not show strides");
  });

  it("of another kind is not written over; one of an earlier net goes", async () => {
    await rm(file("x.pth"));
    await writeFile(file("x.json"), '{"epochs": [1, 2]}');
    await expect(saveNet(netOf(known), file("x.pth"))).rejects.toThrow(/x\.json to be free.*a file of another kind/);
    await expect(readFile(file("x.pth"))).rejects.toThrow();
    expect(await readFile(file("x.json"), "utf8")).toBe('{"epochs": [1, 2]}');
    await saveNet(netOf(known), file("y.pth"));
    await saveNet(netOf(known), file("y.safetensors")); // a model file says all itself
    await expect(readFile(file("y.json"))).rejects.toThrow();
  });
});

describe("class names as people write them down", () => {
  const forms: readonly (readonly [string, string])[] = [
    ["lines", "ant\nbee\ncow\n"],
    ["lines of Windows, with a mark before", "\uFEFFant\r\nbee\r\ncow"],
    ["a list", '["ant", "bee", "cow"]'],
    ["by number", '{"1": "bee", "0": "ant", "2": "cow"}'],
    ["torchvision's index", '{"0": ["n01", "ant"], "1": ["n02", "bee"], "2": ["n03", "cow"]}'],
    ["Keras' indices", '{"cow": 2, "ant": 0, "bee": 1}'],
    ["timm's config", '{"label_names": ["ant", "bee", "cow"]}'],
    ["Transformers' config", '{"id2label": {"0": "ant", "1": "bee", "2": "cow"}, "label2id": {}}'],
    ["a dictionary of Python", "{0: 'ant',\n 1: \"bee\", 2: 'cow'}"],
  ];
  for (const [what, text] of forms) {
    it(what, () => expect(parseClassNames(text, "f")).toEqual(["ant", "bee", "cow"]));
  }

  it("refuses what is none, and names that miss a class", () => {
    const bad = [
      "",
      "a\n\nb",
      "{}",
      "[1]",
      "[]",
      '{"0": "a", "2": "b"}',
      "{0: 'a'",
      '{"a": 0, "b": 0}',
      "{0: 'a' 1: 'b'}",
    ];
    for (const text of bad) expect(() => parseClassNames(text, "f"), text).toThrow(/class names: one a line/);
  });
});
