import { describe, expect, it } from "vitest";
import { UserError } from "#repvgg/core/errors.js";
import { type ArchitectureSpec, architecture, checkArchitecture } from "#repvgg/nn/build-architecture.js";
import { variants } from "#repvgg/nn/zoo.js";

const [a, b, d] = [
  [2, 4, 14, 1],
  [4, 6, 16, 1],
  [8, 14, 24, 1],
];

/** Channels as the paper's table 2 and the authors' `repvgg.py` have them. */
const published: Readonly<Record<string, readonly [depths: readonly number[] | undefined, widths: readonly number[]]>> =
  {
    A0: [a, [48, 48, 96, 192, 1280]],
    A1: [a, [64, 64, 128, 256, 1280]],
    A2: [a, [64, 96, 192, 384, 1408]],
    B0: [b, [64, 64, 128, 256, 1280]],
    B1: [b, [64, 128, 256, 512, 2048]],
    B2: [b, [64, 160, 320, 640, 2560]],
    B3: [b, [64, 192, 384, 768, 2560]],
  };

describe("the zoo", () => {
  const imageNet = { inputChannels: 3, inputSize: 224, classes: 1000, strides: [2, 2, 2, 2, 2], family: "repvgg" };
  const small = { inputChannels: 1, inputSize: 28, classes: 10, strides: [1, 2, 2, 2], family: "repvgg" };
  const plain = { alternateGroups: 1, squeezeExcite: null };
  const [depths, widths] = [d, [64, 160, 320, 640, 2560]];
  const grouped = ["B1", "B2", "B3"].flatMap((name) =>
    [2, 4].map((groups) => [`${name}g${groups}`, { ...entry(name), alternateGroups: groups }] as const),
  );

  function entry(name: string) {
    const [depths, widths] = published[name]!;
    return { ...imageNet, ...plain, depths, widths };
  }

  it("has every net as it was published", () => {
    expect(variants).toEqual({
      ...Object.fromEntries(Object.keys(published).map((name) => [name, entry(name)])),
      ...Object.fromEntries(grouped),
      D2se: {
        ...{ ...imageNet, ...plain, depths, widths },
        ...{ inputSize: 320, squeezeExcite: { position: "before-relu", ratio: 16 } },
      },
      L2pse: {
        ...{ ...imageNet, ...plain, depths, widths, family: "repvggplus" },
        ...{ inputSize: 320, squeezeExcite: { position: "after-relu", ratio: 4 } },
      },
      nano: { ...small, ...plain, depths: [2, 2, 2], widths: [16, 24, 48, 96] },
      tiny: { ...small, ...plain, depths: [2, 3, 2], widths: [16, 32, 64, 192] },
    });
  });

  it("gives a variant's own facts to the architecture, and what is said instead of them", () => {
    expect(architecture("nano")).toEqual({
      ...{ name: "nano", family: "repvgg", depths: [2, 2, 2], widths: [16, 24, 48, 96], strides: [1, 2, 2, 2] },
      ...{ groups: {}, inputChannels: 1, classes: 10, squeezeExcite: null },
      block: { kind: "repvgg", pointwise: true, identity: true },
    });
    const changes: readonly (readonly [ArchitectureSpec, object])[] = [
      [{ name: "mine" }, { name: "mine" }],
      [
        { classes: 3, inputChannels: 4, batchNormEpsilon: 1e-3 },
        { name: "nano", classes: 3, inputChannels: 4 },
      ],
      [{ depths: [1, 2, 3] }, { name: "custom", depths: [1, 2, 3], strides: [1, 2, 2, 2] }],
      [
        { depths: [1, 2], widths: [4, 8, 8] },
        { strides: [2, 2, 2], widths: [4, 8, 8] },
      ],
      [{ widthMultipliers: { a: 0.25, b: 0.5 } }, { widths: [16, 16, 32, 128] }],
      [{ strides: [2, 1, 2, 1] }, { strides: [2, 1, 2, 1], name: "custom" }],
      [{ groups: 8 }, { groups: { 2: 8, 4: 8, 6: 8 } }],
      [{ groups: { 3: 2 } }, { groups: { 3: 2 } }],
      [{ block: "acb" }, { block: { kind: "acb" }, name: "custom" }],
      [{ branches: { pointwise: false } }, { block: { pointwise: false, identity: true } }],
      [
        { squeezeExcite: { position: "after-relu", ratio: 2 } },
        { squeezeExcite: { position: "after-relu", ratio: 2 } },
      ],
      [{ layers: { 1: { width: 7 } } }, { layers: { 1: { width: 7 } }, name: "custom" }],
    ];
    for (const [spec, expected] of changes)
      expect(architecture("nano", spec), JSON.stringify(spec)).toMatchObject(expected);
    expect(architecture("D2se", { squeezeExcite: null }).squeezeExcite).toBeNull();
    expect(architecture("B1g2", { groups: 1 }).groups).toEqual({});
    expect(architecture("L2pse").family).toBe("repvggplus");
    expect(architecture("L2pse", { family: "repvgg" }).family).toBe("repvgg");
  });
});

describe("limits of an architecture", () => {
  const net = architecture({ depths: [2], widths: [8, 8], squeezeExcite: { position: "after-relu", ratio: 8 } });
  const plus = architecture({ depths: [1, 1, 2, 1], widths: [8, 8, 8, 8, 8], family: "repvggplus" });
  const many = (count: number, value: number): number[] => new Array(count).fill(value);

  it.each<[string, object]>([
    ["10000 blocks", { depths: [10_000] }],
    ["10000 blocks in stages", { depths: many(10, 1000), widths: many(11, 8), strides: many(11, 1) }],
    ["65536 channels", { widths: [65_536, 65_536] }],
    ["65536 input channels", { inputChannels: 65_536 }],
    ["a million classes", { classes: 1_000_000 }],
    ["groups of the last layer", { groups: { 2: 8 } }],
    ["a ratio of the narrowest width", { layers: { 1: { width: 9 } } }],
    ["a layer 0 of another width", { layers: { 0: { width: 65_536 } } }],
    ["the last layer without branches", { layers: { 2: { pointwise: false, identity: false, folded: true } } }],
    ["an ε of 0", { batchNormEpsilon: 0 }],
    ["an ε by path", { batchNormEpsilon: { "stage0.rbr_1x1.bn": 1e-3 } }],
  ])("%s are within them", (_, change) => expect(() => checkArchitecture({ ...net, ...change })).not.toThrow());

  it.each<[string, object, RegExp]>([
    ["10001 blocks", { depths: [10_001] }, /depths: whole numbers from 1 to 10000/],
    [
      "10001 blocks in stages",
      { depths: [5000, 5001], widths: [8, 8, 8], strides: [1, 1, 1] },
      /depths: from 1 to 10000/,
    ],
    ["no stage", { depths: [], widths: [8], strides: [1] }, /depths: from 1/],
    ["depths that are no list", { depths: 2 }, /depths: a list/],
    ["65537 channels", { widths: [8, 65_537] }, /widths: whole numbers from 1 to 65536/],
    ["a width too many", { widths: [8, 8, 8] }, /widths: 2 numbers \(stage 0 and each of the 1 stages\)/],
    ["a stride too few", { strides: [1] }, /strides: 2 numbers/],
    ["a stride of 3", { strides: [1, 3] }, /strides: whole numbers from 1 to 2/],
    ["a stride of 0", { strides: [0, 1] }, /strides/],
    ["65537 input channels", { inputChannels: 65_537 }, /inputChannels/],
    ["no class", { classes: 0 }, /classes/],
    ["1000001 classes", { classes: 1_000_001 }, /classes/],
    ["another family", { family: "resnet" }, /family/],
    ["no block", { block: undefined }, /block\.kind/],
    ["another block", { block: { ...net.block, kind: "acbb" } }, /did you mean "acb"/],
    [
      "a branch that is neither there nor not",
      { block: { ...net.block, identity: 1 } },
      /block\.identity: true or false/,
    ],
    [
      "a branch that its kind never has",
      { block: { ...net.block, kind: "trivial" } },
      /block\.pointwise: false, which/,
    ],
    ["groups of layer 0", { groups: { 0: 2 } }, /layers from 1 to 2/],
    ["groups of layer 3", { groups: { 3: 2 } }, /layers from 1 to 2/],
    ["groups of half a layer", { groups: { 1.5: 2 } }, /layers from 1 to 2/],
    ["groups that do not divide", { groups: { 1: 3 } }, /a divisor of its 8 input and 8 output channels/],
    [
      "groups that divide one side alone",
      { groups: { 1: 8 }, layers: { 1: { width: 12 } } },
      /a divisor of its 8 input and 12/,
    ],
    [
      "groups that divide the other",
      { groups: { 2: 8 }, layers: { 1: { width: 12 } } },
      /a divisor of its 12 input and 8/,
    ],
    ["no groups at all", { groups: null }, /groups: numbers by layer/],
    ["a ratio above the narrowest width", { widths: [7, 8] }, /ratio: at most the narrowest width, 7/],
    ["a ratio above the narrowest layer", { layers: { 1: { width: 6 } } }, /ratio: at most the narrowest width, 6/],
    ["a ratio of 0", { squeezeExcite: { position: "after-relu", ratio: 0 } }, /squeezeExcite\.ratio/],
    ["squeeze-and-excitation as a text", { squeezeExcite: "after-relu" }, /null, or position and ratio/],
    ["layers that are none", { layers: null }, /layers: exceptions by layer/],
    ["a layer behind the last", { layers: { 3: { width: 8 } } }, /layers from 0 to 2/],
    ["a layer before the first", { layers: { [-1]: { width: 8 } } }, /layers from 0 to 2/],
    ["a layer that is null", { layers: { 1: null } }, /layers\[1\]: an exception/],
    ["a layer's width of 0", { layers: { 1: { width: 0 } } }, /layers\[1\]\.width/],
    ["a layer's width of 65537", { layers: { 1: { width: 65_537 } } }, /layers\[1\]\.width/],
    [
      "a layer's other field",
      { layers: { 1: { depth: 2 } } },
      /width, pointwise, identity and folded only, received "depth"/,
    ],
    ["an identity that is there", { layers: { 1: { identity: true } } }, /identity: false, where/],
    ["a block that is not folded", { layers: { 1: { folded: false } } }, /folded: true, where/],
    ["a pointwise branch that is a number", { layers: { 1: { pointwise: 1 } } }, /block\.pointwise: true or false/],
    ["an ε below 0", { batchNormEpsilon: -1e-9 }, /batchNormEpsilon/],
    ["an ε that is infinite", { batchNormEpsilon: { a: Number.POSITIVE_INFINITY } }, /batchNormEpsilon/],
    ["an ε that is null", { batchNormEpsilon: null }, /batchNormEpsilon/],
  ])("%s are not", (_, change, message) => {
    const changed = { ...net, ...change } as typeof net;
    expect(() => checkArchitecture(changed)).toThrow(UserError);
    expect(() => checkArchitecture(changed)).toThrow(message);
  });

  it("RepVGGplus needs four stages, of which the third has two blocks", () => {
    expect(() => checkArchitecture(plus)).not.toThrow();
    for (const change of [
      { depths: [1, 1, 1, 1] },
      { depths: [1, 1, 2], widths: many(4, 8), strides: many(4, 1) },
      { depths: [1, 1, 2, 1, 1], widths: many(6, 8), strides: many(6, 1) },
    ])
      expect(() => checkArchitecture({ ...plus, ...change })).toThrow(/cuts it in two/);
  });
});
