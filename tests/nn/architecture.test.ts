import { describe, expect, it } from "vitest";
import { UserError } from "#repvgg/core/errors.js";
import { architecture, checkArchitecture } from "#repvgg/nn/build-architecture.js";
import { auxHeadLayouts, blockLayouts } from "#repvgg/nn/layout.js";
import { variantNames } from "#repvgg/nn/zoo.js";

describe("architecture by name", () => {
  it("knows the zoo under everybody's spelling", () => {
    for (const name of ["A0", "a0", "RepVGG-A0", "repvgg_a0", "REPVGG-A0"]) expect(architecture(name).name).toBe("A0");
    expect(architecture("RepVGGplus-L2pse").family).toBe("repvggplus");
    expect(variantNames).toHaveLength(17);
  });

  it("A0 is the paper's", () => {
    const a0 = architecture("A0");
    expect(a0.widths).toEqual([48, 48, 96, 192, 1280]);
    expect(a0.depths).toEqual([2, 4, 14, 1]);
    expect(a0.groups).toEqual({});
  });

  it("groups stand at layers 2, 4, …, 26", () => {
    const groups = architecture("B2g4").groups;
    expect(Object.keys(groups).map(Number)).toEqual([2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26]);
    expect(new Set(Object.values(groups))).toEqual(new Set([4]));
    const layouts = blockLayouts(architecture("B2g4"));
    expect(layouts[2]!.path).toBe("stage1.1");
    expect(layouts.map((layout) => layout.groups).slice(0, 6)).toEqual([1, 1, 4, 1, 4, 1]);
  });

  it("keeps the name while only classes and channels change, and says custom otherwise", () => {
    expect(architecture("A0", { classes: 10, inputChannels: 1 })).toMatchObject({
      name: "A0",
      classes: 10,
      inputChannels: 1,
    });
    expect(architecture("A0", { strides: [1, 1, 2, 2, 2] }).name).toBe("custom");
    expect(architecture("B0", { branches: { identity: false } })).toMatchObject({
      name: "custom",
      block: { pointwise: true, identity: false },
    });
  });

  it.each([
    ["A9", 'did you mean "A0"'],
    ["RepVGG-B1g8", 'did you mean "B1'],
    ["resnet50", "expected a model name"],
  ])("refuses %s", (name, message) => {
    expect(() => architecture(name)).toThrow(UserError);
    expect(() => architecture(name)).toThrow(message);
  });
});

describe("custom architectures", () => {
  it("applies width multipliers as the paper does", () => {
    const spec = { depths: [2, 4, 14, 1], widthMultipliers: { a: 0.75, b: 2.5 } };
    expect(architecture(spec)).toEqual({ ...architecture("A0"), name: "custom" });
    const eighth = architecture({ depths: [1, 2, 4, 1], widthMultipliers: [0.125, 0.125, 0.125, 0.125], classes: 10 });
    expect(eighth.widths).toEqual([8, 8, 16, 32, 64]);
    expect(architecture({ depths: [1, 1], widthMultipliers: [2, 2] }).widths).toEqual([64, 128, 256]);
  });

  it("takes any number of stages", () => {
    const net = architecture({ depths: [1], widths: [4, 8], strides: [1, 2] });
    expect(blockLayouts(net).map((layout) => layout.path)).toEqual(["stage0", "stage1.0"]);
  });

  it("survives JSON", () => {
    for (const name of variantNames) {
      const net = architecture(name);
      const copy = JSON.parse(JSON.stringify(net));
      checkArchitecture(copy);
      expect(blockLayouts(copy)).toEqual(blockLayouts(net));
    }
  });

  it.each([
    [{}, "depths"],
    [{ depths: [1, 1] }, "widths"],
    [{ depths: [1], widths: [8, 8], widthMultipliers: [1] }, "received both"],
    [{ depths: [1], widths: [8] }, "widths: 2 numbers"],
    [{ depths: [0], widths: [8, 8] }, "depths"],
    [{ depths: [1.5], widths: [8, 8] }, "depths"],
    [{ depths: [], widths: [8] }, "depths"],
    [{ depths: [1], widths: [8, -8] }, "widths"],
    [{ depths: [1], widths: [8, 8], strides: [2, 3] }, "strides: whole numbers from 1 to 2"],
    [{ depths: [2], widths: [8, 9], groups: { 2: 2 } }, "groups of layer 2"],
    [{ depths: [2], widths: [8, 8], groups: { 3: 2 } }, "layers from 1 to 2"],
    [{ depths: [2], widths: [8, 8], groups: { 0: 2 } }, "layers from 1 to 2"],
    [{ depths: [1], widths: [8, 8], classes: 0 }, "classes"],
    [{ depths: [1], widths: [8, 8], inputChannels: Number.NaN }, "inputChannels"],
    [{ depths: [1, 1, 1, 1], widths: [8, 8, 8, 8, 8], family: "repvggplus" }, "cuts it in two"],
    [
      { depths: [1], widths: [8, 8], squeezeExcite: { position: "before-relu", ratio: 16 } },
      "at most the narrowest width, 8",
    ],
    [{ depths: [1], widths: [8, 8], squeezeExcite: { position: "inside", ratio: 2 } }, "before-relu or after-relu"],
    [{ depths: [1], width: [8, 8] }, 'did you mean "widths"'],
  ])("refuses %j", (spec, message) => {
    expect(() => architecture(spec as never)).toThrow(UserError);
    expect(() => architecture(spec as never)).toThrow(message);
  });

  it.each([
    ["depths", "four"],
    ["depths", undefined],
    ["groups", null],
    ["block", undefined],
    ["squeezeExcite", undefined],
    ["family", "vgg"],
    ["depths", [1_000, 10_000, 1, 1]],
  ])("refuses stored JSON whose %s is %j", (field, value) => {
    expect(() => checkArchitecture({ ...architecture("A0"), [field]: value } as never)).toThrow(UserError);
  });
});

describe("layout", () => {
  it("has identity only where shapes allow and it is wanted", () => {
    const identity = blockLayouts(architecture("A0")).filter((layout) => layout.identity);
    expect(identity.map((layout) => layout.path).slice(0, 3)).toEqual(["stage1.1", "stage2.1", "stage2.2"]);
    expect(identity).toHaveLength(1 + 3 + 13);
    expect(blockLayouts(architecture("A0", { branches: { identity: false } })).some((layout) => layout.identity)).toBe(
      false,
    );
  });

  it("gives RepVGGplus its own names, the third stage cut in two", () => {
    const net = architecture("L2pse");
    const paths = blockLayouts(net).map((layout) => layout.path);
    expect(paths.slice(0, 2)).toEqual(["stage0", "stage1.blocks.0"]);
    expect(paths.filter((path) => path.startsWith("stage3_first."))).toHaveLength(12);
    expect(paths.filter((path) => path.startsWith("stage3_second."))).toHaveLength(12);
    expect(auxHeadLayouts(net).map((head) => head.after)).toEqual([
      "stage1.blocks.7",
      "stage2.blocks.13",
      "stage3_first.blocks.11",
    ]);
  });
});
