import { describe, expect, it } from "vitest";
import { UserError } from "#repvgg/core/errors.js";
import { epsilonOf } from "#repvgg/nn/architecture.js";
import { architecture, checkArchitecture } from "#repvgg/nn/build-architecture.js";
import { auxHeadLayouts, blockLayouts, featureChannels } from "#repvgg/nn/layout.js";
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
    ["layers", 3],
    ["layers", { 3: { width: 0 } }],
    ["layers", { 3: { width: 1.5 } }],
    ["layers", { 3: { identity: true } }],
    ["layers", { 3: { folded: false } }],
    ["layers", { 3: { pointwise: "no" } }],
    ["layers", { 3: { stride: 2 } }],
    ["layers", { 3: null }],
    ["layers", { 22: { width: 3 } }],
    ["layers", { "-1": { width: 3 } }],
    ["layers", { 1.5: { width: 3 } }],
    ["batchNormEpsilon", -1e-5],
    ["batchNormEpsilon", "1e-5"],
    ["batchNormEpsilon", null],
    ["batchNormEpsilon", { "stage0.rbr_dense.bn": -1 }],
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

  it("has exceptions by layer: widths, branches, folded blocks", () => {
    const layers = {
      0: { width: 7 },
      2: { pointwise: false },
      4: { identity: false, width: 96 },
      6: { folded: true },
    } as const;
    const net = architecture("A0", { layers, widths: [48, 48, 96, 192, 128] });
    const layouts = blockLayouts(net);
    const usual = blockLayouts(architecture("A0", { widths: [48, 48, 96, 192, 128] }));
    const changes = layouts.flatMap((layout, i) =>
      Object.entries(layout).flatMap(([key, value]) =>
        value === usual[i]![key as keyof typeof layout] ? [] : [`${layout.path}.${key} ${value}`],
      ),
    );
    expect(changes).toEqual([
      "stage0.outChannels 7",
      "stage1.0.inChannels 7",
      "stage1.1.pointwise false",
      "stage2.1.identity false",
      "stage2.3.pointwise false",
      "stage2.3.identity false",
      "stage2.3.folded true",
    ]);
    expect(featureChannels(architecture("A0", { layers: { 21: { width: 100 } } }))).toBe(100);
  });

  it("checks groups against the widths that layers have", () => {
    const odd = { layers: { 3: { width: 94 } } };
    expect(() => architecture("A0", { groups: { 3: 4 }, ...odd })).toThrow(
      /groups of layer 3: a divisor of its 48 input and 94 output/,
    );
    expect(() => architecture("A0", { groups: { 4: 4 }, ...odd })).toThrow(
      /groups of layer 4: a divisor of its 94 input and 96 output/,
    );
    expect(() => architecture("A0", { groups: { 5: 4 }, ...odd })).not.toThrow();
    const squeezeExcite = { position: "before-relu", ratio: 16 } as const;
    expect(() => architecture("A0", { squeezeExcite, layers: { 3: { width: 15 } } })).toThrow(
      /at most the narrowest width, 15/,
    );
  });

  it("has branches as exceptions only where the kind of blocks lets them be", () => {
    const acb = { depths: [2], widths: [4, 4], block: "acb" } as const;
    expect(() => architecture({ ...acb, layers: { 1: { pointwise: true } } })).toThrow(/block\.pointwise: false/);
    expect(() => architecture({ ...acb, layers: { 1: { folded: true, width: 3 } } })).not.toThrow();
    const always = { ...acb, block: "identity-without-bn" } as const;
    expect(() => architecture({ ...always, layers: { 1: { identity: false } } })).toThrow(/block\.identity: true/);
  });

  it("states ε for all BatchNorms, by path, or not at all", () => {
    const of = (batchNormEpsilon?: number | Record<string, number>) => (path: string) =>
      epsilonOf(batchNormEpsilon === undefined ? {} : { batchNormEpsilon }, path);
    expect([of()("a"), of(0)("a"), of(0.1)("a")]).toEqual([1e-5, 0, 0.1]);
    expect([of({ a: 0.2 })("a"), of({ a: 0.2 })("b"), of({})("toString")]).toEqual([0.2, 1e-5, 1e-5]);
    expect(architecture("A0", { batchNormEpsilon: 1e-3 })).toMatchObject({ name: "A0", batchNormEpsilon: 1e-3 });
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
