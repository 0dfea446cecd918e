import { describe, expect, it } from "vitest";
import { FormatError, UserError } from "#repvgg/core/errors.js";
import { f32 } from "#repvgg/core/named-arrays.js";
import { withDirac } from "#repvgg/nn/blocks/dirac-kernel.js";
import { decodeFacts, decodeModel, encodeModel, isModelFile, isPreprocessing } from "#repvgg/nn/model-file.js";
import { repvgg } from "#repvgg/nn/repvgg.js";

const net = { depths: [1], widths: [4, 4], strides: [1, 1], inputChannels: 3, classes: 3 };
const model = repvgg(net);
const { arrays, metadata } = encodeModel(model);
const preprocessing = model.metadata.preprocessing;

describe("a model file", () => {
  it("gives back what was put in, in either form", () => {
    for (const form of ["train", "plain"] as const) {
      const own = repvgg(net, { form, seed: 2 });
      const stored = {
        ...own,
        metadata: { ...own.metadata, classNames: ["a", "b", "ü"], provenance: { "trained on": "x" } },
      };
      const encoded = encodeModel(stored);
      expect(decodeModel(encoded.arrays, encoded.metadata, "f")).toEqual(stored);
      expect(decodeFacts(encoded.metadata, "f")).toEqual({
        ...{ architecture: stored.architecture, classNames: ["a", "b", "ü"], preprocessing },
      });
    }
  });

  it("is one by its format and its architecture", () => {
    expect(isModelFile(metadata)).toBe(true);
    expect(isModelFile({ ...metadata, format: "pt" })).toBe(false);
    const { architecture: _, ...less } = metadata;
    expect(isModelFile(less)).toBe(false);
    expect(() => decodeModel(arrays, less, "x.safetensors")).toThrow(/received x\.safetensors, a safetensors file/);
  });

  it.each<[string, Record<string, string | undefined>, RegExp]>([
    ["another version", { version: "2" }, /version 1, received version 2 in f: update/],
    ["no version", { version: undefined }, /version 1/],
    ["another form", { form: "folded" }, /form "train" or "plain", received folded in f/],
    ["no form", { form: undefined }, /form "train"/],
    ["no class names", { classNames: undefined }, /metadata "classNames" of a model file, received none in f/],
    ["class names that are no JSON", { classNames: "[" }, /"classNames".*something else/],
    ["too few class names", { classNames: '["a","b"]' }, /"classNames"/],
    ["too many class names", { classNames: '["a","b","c","d"]' }, /"classNames"/],
    ["a class name that is a number", { classNames: '["a",1,"c"]' }, /"classNames"/],
    ["class names by number", { classNames: '{"length":3}' }, /"classNames"/],
    ["an architecture that is a list", { architecture: "[]" }, /"architecture"/],
    ["an architecture that is null", { architecture: "null" }, /"architecture"/],
    ["an architecture that is a text", { architecture: '"A0"' }, /"architecture"/],
    ["provenance that is a list", { provenance: "[]" }, /"provenance"/],
    ["provenance that is null", { provenance: "null" }, /"provenance"/],
    ["preprocessing that is null", { preprocessing: "null" }, /"preprocessing"/],
  ])("with %s is refused", (_, change, message) => {
    const changed = Object.fromEntries(
      Object.entries({ ...metadata, ...change }).filter((entry): entry is [string, string] => entry[1] !== undefined),
    );
    expect(() => decodeModel(arrays, changed, "f")).toThrow(FormatError);
    expect(() => decodeModel(arrays, changed, "f")).toThrow(message);
  });

  it("of another structure than its weights is refused", () => {
    const other = { ...model.architecture, widths: [4, 5] };
    expect(() => decodeModel(arrays, { ...metadata, architecture: JSON.stringify(other) }, "f")).toThrow(UserError);
    const none = { ...model.architecture, widths: [4, 0] };
    expect(() => decodeFacts({ ...metadata, architecture: JSON.stringify(none) }, "f")).toThrow(/widths/);
    expect(() => decodeModel(arrays, { ...metadata, form: "plain" }, "f")).toThrow(UserError);
  });
});

describe("preprocessing", () => {
  const valid = isPreprocessing(model.architecture);
  const within: readonly object[] = [
    {},
    { size: [1, 1] },
    { size: [16_384, 16_384] },
    { mean: [-3, 0, 1e9] },
    { std: [1e-12, 5, 1] },
    { cropRatio: 1 },
    { cropRatio: 1e-9 },
  ];
  const beyond: readonly object[] = [
    ...[{ channels: 1 }, { channels: "3" }, { channels: undefined }],
    ...[[0, 1], [1, 0], [16_385, 1], [1, 16_385], [1.5, 1], [1, 1.5], [1], [1, 1, 1], ["1", 1], 224].map((size) => ({
      size,
    })),
    ...[[0, 0], [0, 0, 0, 0], [0, 0, null], [0, 0, "0"], [0, Number.POSITIVE_INFINITY, 0], 0].map((mean) => ({ mean })),
    ...[[1, 1], [1, 1, 1, 1], [1, 1, 0], [1, -1, 1], [1, 9e-13, 1], [1, 1, Number.NaN], 1].map((std) => ({ std })),
    ...["nearest", "bicubic", undefined].map((interpolation) => ({ interpolation })),
    ...[0, -0.5, 1.0001, Number.NaN, null, "0.5", undefined].map((cropRatio) => ({ cropRatio })),
  ];

  it.each(within.map((change) => [JSON.stringify(change), change] as const))("%s is some", (_, change) => {
    expect(valid({ ...preprocessing, ...change })).toBe(true);
  });

  it.each(beyond.map((change) => [JSON.stringify(change), change] as const))("%s is none", (_, change) => {
    expect(valid({ ...preprocessing, ...change })).toBe(false);
  });

  it("is an object", () => {
    for (const value of [null, [], "x", 3, undefined]) expect(valid(value)).toBe(false);
  });
});

it("the Dirac kernel lies in the middle, of kernels of any odd size", () => {
  for (const [height, width] of [
    [1, 1],
    [3, 3],
    [1, 3],
    [3, 1],
    [5, 3],
  ] as const) {
    const shape = [4, 2, height, width];
    const at = (o: number, i: number) => ((o * 2 + i) * height + (height - 1) / 2) * width + (width - 1) / 2;
    for (const alpha of [undefined, [2, 3, 4, 5]]) {
      const expected = new Float32Array(8 * height * width).fill(0.5);
      for (let o = 0; o < 4; o++) expected[at(o, o % 2)]! += alpha ? alpha[o]! : 1;
      const kernel = new Float64Array(expected.length).fill(0.5);
      expect(withDirac(kernel, shape, alpha)).toEqual(f32(shape, expected));
    }
  }
});
