import { describe, expect, test } from "vitest";
import { modelFromWeights } from "#repvgg/api/hub/convert.js";
import { imagenet1kClasses } from "#repvgg/api/hub/imagenet-1k.js";
import { classNamesFor, parseTimmConfig, preprocessingFor, type TimmConfig } from "#repvgg/api/hub/timm-config.js";
import { UserError } from "#repvgg/core/errors.js";
import { elementCount, f32, type NamedArray } from "#repvgg/core/named-arrays.js";
import { fromOfficial } from "#repvgg/formats/names/schemes.js";
import { architecture } from "#repvgg/index.js";
import { stateSchema } from "#repvgg/nn/state-schema.js";
import { timmConfig } from "./support.js";

const config = (more: object = {}, pretrained: object = {}): TimmConfig =>
  parseTimmConfig(Buffer.from(timmConfig(more, pretrained)).toString());
const rgb = architecture("A0", { classes: 10 });

describe("preprocessing", () => {
  test("of the D2se: 320 pixels, not cropped", () => {
    const { preprocessing, remarks } = preprocessingFor(
      config({}, { input_size: [3, 320, 320], crop_pct: 1 }),
      rgb,
      224,
    );
    expect([preprocessing.size, preprocessing.cropRatio, remarks]).toEqual([[320, 320], 1, []]);
  });

  test.each<[object, RegExp]>([
    [{ interpolation: "bicubic" }, /bilinearly here; config\.json says "bicubic"/],
    [{ crop_mode: "squash" }, /centre here; config\.json says "squash"/],
    [{ crop_pct: 1.5 }, /crop_pct 1\.5 cannot be used: 0\.875 is/],
    [{ mean: [1, 2] }, /mean \(1, 2\) does not fit/],
    [{ std: [0, 0, 0] }, /std \(0, 0, 0\) does not fit/],
    [{ input_size: [3, 1e9, 0.5] }, /input size 1000000000×0\.5 cannot be used: 224×224 is/],
  ])("%j is remarked on", (pretrained, message) => {
    const { preprocessing, remarks } = preprocessingFor(config({}, pretrained), rgb, 224);
    expect(remarks).toEqual([expect.stringMatching(message)]);
    expect(preprocessing.interpolation).toBe("bilinear");
    expect(preprocessing.mean.length).toBe(3);
  });

  test("values of a wrong type are as if they were not there", () => {
    const { preprocessing, remarks } = preprocessingFor(
      config({}, { mean: "x", std: [null], crop_pct: "0.9", input_size: { 0: 3 }, interpolation: 3 }),
      rgb,
      224,
    );
    expect(remarks).toEqual([]);
    expect(preprocessing).toMatchObject({ size: [224, 224], std: [0.229, 0.224, 0.225], cropRatio: 0.875 });
  });

  test("of a net with one or seven channels", () => {
    const grey = preprocessingFor(undefined, { ...rgb, inputChannels: 1 }, 28);
    expect(grey.preprocessing).toMatchObject({ size: [28, 28], mean: [0], std: [1] });
    expect(() => preprocessingFor(undefined, { ...rgb, inputChannels: 7 }, 28)).toThrow(/grey or RGB/);
    expect(() => preprocessingFor(config(), { ...rgb, inputChannels: 1 }, 28)).toThrow(UserError);
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
    expect(classNamesFor(undefined, 1000).names[0]).toBe("0");
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

test.each(["A0", "B1g4", "D2se"])("timm's %s is recognised and named", (name) => {
  const net = architecture(name);
  // Each kind of shape once in memory: the zoo's nets are large.
  const zeros = new Float32Array(3e7);
  const state = new Map<string, NamedArray>(
    [...stateSchema(net, "train").values()].map(({ name: key, shape, dtype }) => [
      key,
      dtype === "i64"
        ? { dtype, shape, data: BigInt64Array.of(3n) }
        : f32(shape, zeros.subarray(0, elementCount(shape))),
    ]),
  );
  const size = name === "D2se" ? { input_size: [3, 320, 320], crop_pct: 1 } : { input_size: [3, 224, 224] };
  const theirs = config({ architecture: `repvgg_${name.toLowerCase()}`, num_classes: 1000 }, size);
  const { model, remarks } = modelFromWeights(fromOfficial(state, "timm"), theirs, { from: "here" }, "here");
  expect(model.architecture).toEqual(net);
  expect([model.form, remarks, model.metadata.classNames[207]]).toEqual(["train", [], "golden retriever"]);
});
