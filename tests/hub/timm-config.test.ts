import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { FormatError } from "#repvgg/core/errors.js";
import { f32, type NamedArray } from "#repvgg/core/named-arrays.js";
import { imagenet1kClasses } from "#repvgg/exchange/imagenet-1k.js";
import { classNamesFor, parseTimmConfig, preprocessingFor, type TimmConfig } from "#repvgg/exchange/timm-config.js";
import { modelFromFile } from "#repvgg/hub/convert.node.js";
import { architecture } from "#repvgg/index.js";
import { defaultPreprocessing } from "#repvgg/nn/repvgg.js";
import { stateSchema } from "#repvgg/nn/state-schema.js";
import { safetensors, testFolder, timmConfig } from "./support.js";

const config = (more: object = {}, pretrained: object = {}): TimmConfig =>
  parseTimmConfig(Buffer.from(timmConfig(more, pretrained)).toString());

const assumed = defaultPreprocessing(architecture("A0"), undefined, undefined);

describe("preprocessing", () => {
  test("of the D2se: 320 pixels, not cropped", () => {
    const { preprocessing, remarks } = preprocessingFor(
      config({}, { input_size: [3, 320, 320], crop_pct: 1 }),
      assumed,
    );
    expect([preprocessing.size, preprocessing.cropRatio, remarks]).toEqual([[320, 320], 1, []]);
  });

  test.each<[object, RegExp]>([
    [{ interpolation: "bicubic" }, /bilinearly here; config\.json says "bicubic"/],
    [{ crop_mode: "squash" }, /centre here; config\.json says "squash"/],
    [{ crop_pct: 1.5 }, /crop_pct 1\.5 cannot be used: 0\.875 is/],
    [{ mean: [1, 2] }, /mean \[1,2\] cannot be used: \[0\.485,0\.456,0\.406\] is/],
    [{ std: [0, 0, 0] }, /std \[0,0,0\] cannot be used/],
    [{ input_size: [3, 1e9, 0.5] }, /input_size \[1000000000,0\.5\] cannot be used: \[224,224\] is/],
  ])("%j is remarked on", (pretrained, message) => {
    const { preprocessing, remarks } = preprocessingFor(config({}, pretrained), assumed);
    expect(remarks).toEqual([expect.stringMatching(message)]);
    expect(preprocessing.interpolation).toBe("bilinear");
    expect(preprocessing.mean.length).toBe(3);
  });

  test("values of a wrong type are as if they were not there", () => {
    const wrong = { mean: "x", std: [null], crop_pct: "0.9", input_size: { 0: 3 }, interpolation: 3 };
    expect(preprocessingFor(config({}, wrong), assumed)).toEqual({
      preprocessing: assumed,
      assumed: ["size", "mean", "std", "cropRatio"],
      remarks: [],
    });
  });

  test("of a grey net; of a net with other channels than the config's", () => {
    const grey = { ...assumed, channels: 1, mean: [0.5], std: [0.5] } as const;
    const { preprocessing } = preprocessingFor(config({}, { input_size: [1, 28, 28], mean: [0.3], std: [0.2] }), grey);
    expect(preprocessing).toMatchObject({ size: [28, 28], channels: 1, mean: [0.3], std: [0.2] });
    expect(preprocessingFor(config({}, { mean: [0.5] }), assumed).preprocessing.mean).toEqual([0.5, 0.5, 0.5]);
    expect(() => preprocessingFor(config(), grey)).toThrow(FormatError);
  });
});

describe("class names", () => {
  test("from a list, from numbers, through descriptions", () => {
    const { names } = classNamesFor(
      config({ label_names: ["n01", "n02"], label_descriptions: { n02: "cat, felid" } }),
      2,
    );
    expect(names).toEqual(["n01", "cat, felid"]);
    const gap = classNamesFor(config({}, { label_names: { 0: "a", 2: "c", x: "d", 99: "e" } }), 3);
    expect(gap).toEqual({
      names: ["a", "1", "c"],
      known: false,
      remarks: ["config.json names 2 of 3 classes; the others are numbers"],
    });
    expect(classNamesFor(config({ label_names: ["a"], label_descriptions: { constructor: "b" } }), 1).names).toEqual([
      "a",
    ]);
  });

  test("of ImageNet-1k only where the config says that it is that", () => {
    expect(classNamesFor(config(), 1000).names[281]).toBe("tabby");
    expect(classNamesFor(config({}, { tag: "rvgg" }), 1000).names[281]).toBe("281");
    expect(classNamesFor(config(), 10).names[9]).toBe("9");
  });

  test("of ImageNet-1k are a thousand different ones in the known order", () => {
    expect(new Set(imagenet1kClasses).size).toBe(1000);
    const known = {
      0: "tench",
      1: "goldfish",
      134: "crane (bird)",
      207: "golden retriever",
      281: "tabby",
      517: "crane (machine)",
      639: "tank suit",
      817: "sports car",
      999: "toilet tissue",
    };
    for (const [index, name] of Object.entries(known)) expect(imagenet1kClasses[Number(index)]).toBe(name);
  });
});

test.each(["", "[]", "null", "3", "{"])("%j is no config", (text) => {
  expect(() => parseTimmConfig(text)).toThrow(/a JSON object/);
});

test("timm's A0 is recognised and named, with nothing left to guess", async () => {
  const net = architecture("A0");
  const state = new Map<string, NamedArray>(
    [...stateSchema(net, "train").values()].map(({ name, shape, dtype }) => [
      name,
      dtype === "i64" ? { dtype, shape, data: BigInt64Array.of(3n) } : f32(shape),
    ]),
  );
  const path = join(testFolder(), "model.safetensors");
  writeFileSync(path, safetensors(state));
  const its = config({ architecture: "repvgg_a0", num_classes: 1000 }, { input_size: [3, 224, 224] });
  const { model, remarks } = await modelFromFile(path, its, "timm/repvgg_a0.rvgg_in1k");
  expect(model.architecture).toEqual(net);
  const remark = "ε of every BatchNorm: 1e-5, as timm builds these nets";
  expect([model.form, remarks, model.metadata.classNames[207]]).toEqual(["train", [remark], "golden retriever"]);
  const b0 = config({ architecture: "repvgg_b0", num_classes: 1000 });
  await expect(modelFromFile(path, b0, "x/y")).rejects.toThrow(
    /^expected the weights of B0, .* received A0: depths 2, 4/,
  );
});
