import { describe, expect, test } from "vitest";
import { UserError } from "#repvgg/core/errors.js";
import { f32, type NamedArray, type NamedArrays } from "#repvgg/core/named-arrays.js";
import { inferArchitecture } from "#repvgg/exchange/names/infer-architecture.js";
import { detectScheme, fromOfficial, parseScheme, type Scheme, toOfficial } from "#repvgg/exchange/names/schemes.js";
import { readTorch } from "#repvgg/formats/torch/read.js";
import { findStateDict } from "#repvgg/formats/torch/state-dict.js";
import { oracle } from "./fixtures.js";

const load = (name: string): Map<string, NamedArray> => findStateDict(readTorch(oracle(name))).arrays;
const named = (...names: string[]): NamedArrays => new Map(names.map((name) => [name, f32([1])]));

describe("names of other libraries", () => {
  test.each<[Scheme, string, string]>([
    ["timm", "stage0.rbr_dense.conv.weight", "stem.conv_kxk.conv.weight"],
    ["timm", "stage1.0.rbr_1x1.bn.running_var", "stages.0.0.conv_1x1.bn.running_var"],
    ["timm", "stage3.13.rbr_identity.num_batches_tracked", "stages.2.13.identity.num_batches_tracked"],
    ["timm", "stage4.0.rbr_reparam.bias", "stages.3.0.reparam_conv.bias"],
    ["timm", "stage2.1.se.down.weight", "stages.1.1.attn.fc1.weight"],
    ["timm", "stage2.1.se.up.bias", "stages.1.1.attn.fc2.bias"],
    ["timm", "linear.weight", "head.fc.weight"],
    ["mmpretrain", "stage0.rbr_dense.bn.bias", "backbone.stem.branch_3x3.norm.bias"],
    ["mmpretrain", "stage1.0.rbr_1x1.conv.weight", "backbone.stage_1.0.branch_1x1.conv.weight"],
    ["mmpretrain", "stage2.3.rbr_identity.weight", "backbone.stage_2.3.branch_norm.weight"],
    ["mmpretrain", "stage2.3.rbr_reparam.weight", "backbone.stage_2.3.branch_reparam.weight"],
    ["mmpretrain", "stage2.3.se.up.weight", "backbone.stage_2.3.se_layer.conv2.conv.weight"],
    ["mmpretrain", "linear.bias", "head.fc.bias"],
    ["mobileone-timm", "stage0.rbr_conv.0.conv.weight", "stem.conv_kxk.0.conv.weight"],
    ["mobileone-timm", "stage3.11.rbr_conv.3.bn.weight", "stages.2.11.conv_kxk.3.bn.weight"],
    ["mobileone-timm", "stage1.0.rbr_scale.conv.weight", "stages.0.0.conv_scale.conv.weight"],
    ["mobileone-timm", "stage1.1.rbr_skip.running_mean", "stages.0.1.identity.running_mean"],
    ["mobileone-timm", "stage4.1.se.reduce.weight", "stages.3.1.attn.fc1.weight"],
    ["mobileone-timm", "stage4.1.se.expand.bias", "stages.3.1.attn.fc2.bias"],
  ])("%s: %s is %s", (scheme, official, theirs) => {
    expect([...fromOfficial(named(official), scheme).keys()]).toEqual([theirs]);
  });

  test.each(["tiny-train.pth", "tiny-deploy.pth", "tiny-g4-train.pth", "tiny-se-train.pth", "tiny-se-deploy.pth"])(
    "%s: there and back through every scheme, recognised by itself",
    (file) => {
      const official = load(file);
      expect(detectScheme(official)).toBe("official");
      for (const scheme of ["official", "timm", "mmpretrain"] as const) {
        const theirs = fromOfficial(official, scheme);
        expect(theirs.size).toBe(official.size);
        const back = toOfficial(theirs);
        expect(back.scheme).toBe(scheme);
        expect(back.unmatched).toEqual([]);
        expect([...back.arrays]).toEqual([...official]);
      }
    },
  );

  test("RepVGGplus is recognised and has names of its own only", () => {
    for (const file of ["tiny-plus-train.pth", "tiny-plus-deploy.pth"]) {
      const official = load(file);
      const { scheme, arrays, unmatched } = toOfficial(official);
      expect([scheme, unmatched]).toEqual(["repvggplus", []]);
      expect(arrays).toEqual(official);
      expect(fromOfficial(official, "repvggplus")).toEqual(official);
      expect(() => fromOfficial(official, "timm")).toThrow(/scheme timm.*keep its own scheme, repvggplus/);
    }
  });

  test("MobileOne of Apple and of timm, also plain, where timm's names are those of RepVGG", () => {
    const train = named(
      "stage0.rbr_conv.0.conv.weight",
      "stage1.0.rbr_scale.bn.bias",
      "stage1.1.rbr_skip.bias",
      "linear.bias",
    );
    expect(detectScheme(train)).toBe("mobileone");
    const timm = fromOfficial(train, "mobileone-timm");
    expect(detectScheme(timm)).toBe("mobileone-timm");
    expect([...toOfficial(timm).arrays.keys()]).toEqual([...train.keys()]);

    const plain = new Map([
      ["stem.reparam_conv.weight", f32([8, 3, 3, 3])],
      ["stages.0.0.reparam_conv.weight", f32([8, 1, 3, 3])],
      ["stages.0.1.reparam_conv.weight", f32([8, 8, 1, 1])],
    ]);
    expect(toOfficial(plain).scheme).toBe("mobileone-timm");
    plain.delete("stages.0.1.reparam_conv.weight");
    expect(toOfficial(plain).scheme).toBe("timm");
  });

  test("names without place are listed; a net of another kind is refused", () => {
    const { arrays, unmatched } = toOfficial(
      named("stem.conv_kxk.conv.weight", "head.fc.weight", "extra.thing", "stem.conv_kxk.conv.bogus"),
    );
    expect([...arrays.keys()]).toEqual(["stage0.rbr_dense.conv.weight", "linear.weight"]);
    expect(unmatched).toEqual(["extra.thing", "stem.conv_kxk.conv.bogus"]);
    expect(() => toOfficial(named("features.0.weight"))).toThrow(/received "features.0.weight": .*ONNX/);
    expect(() => toOfficial(new Map())).toThrow(UserError);
  });

  test("indices that are no indices do not pass", () => {
    for (const name of [
      "stage1.00.rbr_dense.conv.weight",
      "stage01.0.rbr_dense.conv.weight",
      "stage0.0.rbr_dense.conv.weight",
    ]) {
      expect(toOfficial(named("linear.weight", name)).unmatched).toEqual([name]);
    }
  });

  test("scheme names", () => {
    expect(parseScheme("timm")).toBe("timm");
    expect(() => parseScheme("tim")).toThrow(/did you mean "timm"/);
  });
});

describe("the structure from names and shapes", () => {
  const tiny = {
    name: "custom",
    family: "repvgg",
    depths: [1, 2, 4, 1],
    widths: [8, 8, 16, 32, 64],
    strides: [2, 2, 2, 2, 2],
    groups: {},
    inputChannels: 3,
    classes: 10,
    block: { kind: "repvgg", pointwise: true, identity: true },
    squeezeExcite: null,
  };
  const wide = { widths: [16, 16, 32, 64, 128] };

  test.each([
    ["tiny-train.pth", "train", tiny],
    ["tiny-deploy.pth", "plain", tiny],
    ["tiny-half.pth", "train", tiny],
    ["tiny-ddp-legacy.pth", "train", tiny],
    ["tiny-g4-train.pth", "train", { ...tiny, groups: { 2: 4, 4: 4, 6: 4 } }],
    ["tiny-g4-deploy.pth", "plain", { ...tiny, groups: { 2: 4, 4: 4, 6: 4 } }],
    ["tiny-se-train.pth", "train", { ...tiny, ...wide, squeezeExcite: { position: "before-relu", ratio: 16 } }],
    ["tiny-se-deploy.pth", "plain", { ...tiny, ...wide, squeezeExcite: { position: "before-relu", ratio: 16 } }],
    [
      "tiny-plus-train.pth",
      "train",
      { ...tiny, family: "repvggplus", squeezeExcite: { position: "after-relu", ratio: 4 } },
    ],
    [
      "tiny-plus-deploy.pth",
      "plain",
      { ...tiny, family: "repvggplus", squeezeExcite: { position: "after-relu", ratio: 4 } },
    ],
  ])("%s", (file, form, architecture) => {
    const inferred = inferArchitecture(load(file));
    expect(inferred).toEqual({ architecture, form, missing: [], leftOver: [], placeholders: [] });
  });

  test("a stage that begins with an identity branch has stride 1", () => {
    const state = load("tiny-train.pth");
    for (const p of ["weight", "bias", "running_mean", "running_var"])
      state.set(`stage1.0.rbr_identity.${p}`, f32([8]));
    const { architecture, missing, leftOver } = inferArchitecture(state);
    expect(architecture.strides).toEqual([2, 1, 2, 2, 2]);
    expect([missing, leftOver]).toEqual([[], []]);
  });

  test("ablations: a net without one kind of branch", () => {
    const state = load("tiny-train.pth");
    for (const name of [...state.keys()]) if (name.includes("rbr_1x1")) state.delete(name);
    expect(inferArchitecture(state).architecture.block).toEqual({ kind: "repvgg", pointwise: false, identity: true });
    for (const name of [...state.keys()]) if (name.includes("rbr_identity")) state.delete(name);
    const { architecture, missing } = inferArchitecture(state);
    expect(architecture.block).toEqual({ kind: "repvgg", pointwise: false, identity: false });
    expect(missing).toEqual([]);
  });

  test("what is missing is listed with the nearest of what is left over", () => {
    const state = load("tiny-train.pth");
    const moved = state.get("stage2.1.rbr_dense.bn.running_var")!;
    state.delete("stage2.1.rbr_dense.bn.running_var");
    state.set("stage2.1.rbr_dense.bn.running_varr", moved);
    state.delete("stage3.2.rbr_1x1.conv.weight");
    state.delete("stage1.0.rbr_dense.bn.num_batches_tracked");
    const { missing, leftOver } = inferArchitecture(state);
    expect(missing).toEqual([
      { name: "stage2.1.rbr_dense.bn.running_var", nearest: "stage2.1.rbr_dense.bn.running_varr" },
      { name: "stage3.2.rbr_1x1.conv.weight", nearest: undefined },
    ]);
    expect(leftOver).toEqual(["stage2.1.rbr_dense.bn.running_varr"]);
  });

  test("a block that is missing as a whole leaves its names in the list", () => {
    const state = load("tiny-deploy.pth");
    state.delete("stage3.1.rbr_reparam.weight");
    state.delete("stage3.1.rbr_reparam.bias");
    const { architecture, missing } = inferArchitecture(state);
    expect(architecture.depths).toEqual([1, 2, 4, 1]);
    expect(missing.map(({ name }) => name)).toEqual(["stage3.1.rbr_reparam.weight", "stage3.1.rbr_reparam.bias"]);
  });

  test("shapes that make no net, and malicious indices", () => {
    const state = load("tiny-deploy.pth");
    expect(() => inferArchitecture(new Map([...state, ["stage1.99999999.rbr_reparam.weight", f32([1])]]))).toThrow(
      /at most 10000 blocks/,
    );
    expect(() => inferArchitecture(new Map([...state, ["stage2.0.rbr_reparam.weight", f32([16, 5, 3, 3])]]))).toThrow(
      /divisor of its 8/,
    );
    expect(() => inferArchitecture(new Map([...state, ["linear.weight", f32([3])]]))).toThrow(UserError);
    expect(() => inferArchitecture(named("a", "b"))).toThrow(/received "a", "b": name a file with all weights .* ONNX/);
    expect(() => inferArchitecture(new Map())).toThrow(UserError);
  });
});
