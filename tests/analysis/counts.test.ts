import { describe, expect, it } from "vitest";
import { counts } from "#repvgg/analysis/counts.js";
import { architecture } from "#repvgg/nn/build-architecture.js";
import { auxHeadLayouts } from "#repvgg/nn/layout.js";

// For 224×224 and 1000 classes: plain and train parameters, plain MACs, Winograd multiplications in units of 10⁹
// (the paper's table 4 where it lists the net).
const published: readonly (readonly [string, number, number, number, string])[] = [
  ["A0", 8_309_384, 9_108_968, 1_361_451_008, "0.747"],
  ["A1", 12_789_864, 14_092_264, 2_363_967_488, "1.272"],
  ["A2", 25_499_944, 28_210_600, 5_116_951_552, "2.660"],
  ["B0", 14_339_048, 15_817_960, 3_057_600_512, "1.580"],
  ["B1", 51_829_480, 57_415_016, 11_815_485_440, "5.907"],
  ["B1g2", 41_360_104, 45_782_376, 8_809_742_336, "4.571"],
  ["B1g4", 36_125_416, 39_966_056, 7_306_870_784, "3.903"],
  ["B2", 80_315_112, 89_022_376, 18_376_609_792, "9.144"],
  ["B2g2", 63_956_712, 70_846_376, 13_680_136_192, "7.057"],
  ["B2g4", 55_777_512, 61_758_376, 11_331_899_392, "6.013"],
  ["B3", 110_960_872, 123_085_288, 26_208_882_688, "12.914"],
  ["B3g2", 87_404_776, 96_911_848, 19_445_960_704, "9.909"],
  ["B3g4", 75_626_728, 83_825_128, 16_064_499_712, "8.406"],
  ["D2se", 120_387_572, 133_334_836, 32_827_297_792, "15.567"],
];

describe("counts of the zoo", () => {
  it.each(published)("%s", (name, plain, train, macs, winograd) => {
    const result = counts(architecture(name));
    expect(result.parameters).toEqual({ train, plain });
    expect(result.macs.plain).toBe(macs);
    expect((result.winogradMultiplications / 1e9).toFixed(3)).toBe(winograd);
  });

  it("RepVGGplus-L2pse: parameters of both forms, the training form with its auxiliary heads", () => {
    expect(counts(architecture("RepVGGplus-L2pse")).parameters).toEqual({ train: 146_062_864, plain: 127_151_960 });
  });

  it("auxiliary heads are of training alone", () => {
    const net = architecture("RepVGGplus-L2pse");
    const { layers } = counts(net);
    const heads = auxHeadLayouts(net);
    expect(heads.length).toBeGreaterThan(2);
    for (const { path, after, channels } of heads) {
      const [height, width] = layers.find((layer) => layer.path === after)!.outputSize;
      const train = 9 * channels ** 2 * Math.ceil(height / 2) * Math.ceil(width / 2) + channels * 1000;
      const head = layers.find((layer) => layer.path === path)!;
      expect(head).toMatchObject({
        ...{ kind: "aux-head", inChannels: channels, outChannels: 1000, stride: 1, groups: 1, outputSize: [1, 1] },
        ...{ macs: { train, plain: 0 }, winogradMultiplications: 0, squeezeExciteMacs: 0 },
      });
      expect(head.parameters.plain).toBe(0);
    }
  });

  it("small variants keep within what they are for", () => {
    const nano = counts(architecture("nano"), 28);
    expect(nano.parameters.train).toBeGreaterThan(100_000);
    expect(nano.parameters.train).toBeLessThan(300_000);
    expect(nano.macs.plain).toBeLessThan(6e6);
    const tiny = counts(architecture("tiny"), 28);
    expect(tiny.parameters.train).toBeGreaterThan(500_000);
    expect(tiny.parameters.train).toBeLessThan(1_500_000);
  });
});

describe("counts by layer", () => {
  // 2 → 4 channels at 4×4 by stride 1, then 4 → 4 at 2×2, all by hand.
  const net = architecture({
    depths: [2],
    widths: [2, 4],
    strides: [1, 2],
    inputChannels: 2,
    classes: 3,
    squeezeExcite: { position: "before-relu", ratio: 2 },
  });
  const result = counts(net, 4);

  it("names the layers and follows the sizes", () => {
    expect(result.layers.map((layer) => layer.path)).toEqual(["stage0", "stage1.0", "stage1.1", "linear"]);
    expect(result.layers.map((layer) => layer.outputSize)).toEqual([
      [4, 4],
      [2, 2],
      [2, 2],
      [1, 1],
    ]);
  });

  it("parameters", () => {
    const stage0Se = 2 * 1 + 1 + 2 * 1 + 2;
    const se = 4 * 2 + 2 + 4 * 2 + 4;
    expect(result.layers.map((layer) => layer.parameters)).toEqual([
      { train: 2 * 2 * 9 + 4 + (2 * 2 + 4) + 4 + stage0Se, plain: 2 * 2 * 9 + 2 + stage0Se },
      { train: 2 * 4 * 9 + 8 + (2 * 4 + 8) + se, plain: 2 * 4 * 9 + 4 + se },
      { train: 4 * 4 * 9 + 8 + (4 * 4 + 8) + 8 + se, plain: 4 * 4 * 9 + 4 + se },
      { train: 15, plain: 15 },
    ]);
  });

  it("multiply-accumulates and Winograd multiplications", () => {
    expect(result.layers.map((layer) => layer.macs)).toEqual([
      { train: 16 * 4 * 10, plain: 16 * 4 * 9 },
      { train: 4 * 8 * 10, plain: 4 * 8 * 9 },
      { train: 4 * 16 * 10, plain: 4 * 16 * 9 },
      { train: 12, plain: 12 },
    ]);
    expect(result.winogradMultiplications).toBe(16 * 4 * 4 + 4 * 8 * 9 + 4 * 16 * 4 + 12);
    expect(result.squeezeExciteMacs).toBe(2 * 2 * 1 + 2 * (2 * 4 * 2));
  });

  it("groups divide the work", () => {
    const grouped = counts(architecture("B1", { groups: { 2: 4 } }));
    const dense = counts(architecture("B1"));
    expect(grouped.layers[2]!.macs.plain * 4).toBe(dense.layers[2]!.macs.plain);
    expect(grouped.layers[3]!.macs.plain).toBe(dense.layers[3]!.macs.plain);
  });

  it("takes rectangular pictures", () => {
    const layers = counts(net, [6, 4]).layers;
    expect(layers.map((layer) => layer.outputSize)[1]).toEqual([3, 2]);
  });
});
