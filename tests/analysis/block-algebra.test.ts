import { describe, expect, it } from "vitest";
import { type BlockAlgebra, blockAlgebra, type KernelStage } from "#repvgg/analysis/block-algebra.js";
import { fold } from "#repvgg/api/fold.js";
import { toFloat64 } from "#repvgg/core/named-arrays.js";
import type { Model } from "#repvgg/nn/model.js";
import { repvgg } from "#repvgg/nn/repvgg.js";

const structure = {
  depths: [2, 1],
  widths: [4, 8, 12],
  strides: [1, 2, 1],
  groups: { 1: 2 },
  inputChannels: 3,
  classes: 3,
};
const net = repvgg(structure, { inputSize: 16, statistics: "seeded" });

function stored(model: Model, name: string): Float64Array {
  return toFloat64(model.state.get(name)!);
}

function stage(algebra: BlockAlgebra, branch: string, name: KernelStage): Float32Array {
  return algebra.branches.find((one) => one.branch === branch)!.stages.find((one) => one.stage === name)!.weight;
}

function expectClose(actual: ArrayLike<number>, expected: ArrayLike<number>): void {
  expect(actual.length).toBe(expected.length);
  for (let i = 0; i < actual.length; i++) expect(actual[i]).toBeCloseTo(expected[i]!, 6);
}

describe("the algebra of a block", () => {
  it("goes by the formulas of the paper", () => {
    const algebra = blockAlgebra(net, "stage1.1");
    const [path, channels, inputs] = ["stage1.1", 8, 8];
    const scaleOf = (norm: string): number[] => {
      const variance = stored(net, `${path}.${norm}.running_var`);
      return Array.from(stored(net, `${path}.${norm}.weight`), (g, c) => g / Math.sqrt(variance[c]! + 1e-5));
    };
    const dense = stored(net, `${path}.rbr_dense.conv.weight`);
    expectClose(stage(algebra, "dense", "stored"), dense);
    const scale = scaleOf("rbr_dense.bn");
    expectClose(
      stage(algebra, "dense", "normalized"),
      dense.map((w, i) => w * scale[Math.floor(i / (inputs * 9))]!),
    );
    const pointwise = stored(net, `${path}.rbr_1x1.conv.weight`);
    const pointwiseScale = scaleOf("rbr_1x1.bn");
    const padded = new Float64Array(channels * inputs * 9);
    pointwise.forEach((w, i) => {
      padded[i * 9 + 4] = w * pointwiseScale[Math.floor(i / inputs)]!;
    });
    expectClose(stage(algebra, "pointwise", "padded"), padded);
    const identity = Float64Array.from({ length: channels * inputs }, (_, i) =>
      i % inputs === Math.floor(i / inputs) ? 1 : 0,
    );
    expectClose(stage(algebra, "identity", "stored"), identity);
    const identityScale = scaleOf("rbr_identity");
    expectClose(
      stage(algebra, "identity", "normalized"),
      identity.map((w, i) => w * identityScale[Math.floor(i / inputs)]!),
    );
  });

  it.each(["stage0", "stage1.0", "stage1.1", "stage2.0"])("adds up to what folding gives: %s", (path) => {
    const algebra = blockAlgebra(net, path);
    const plain = fold(net);
    expectClose(algebra.sum.weight, stored(plain, `${path}.rbr_reparam.weight`));
    expectClose(algebra.sum.bias, stored(plain, `${path}.rbr_reparam.bias`));
    expectClose(blockAlgebra(plain, path).sum.weight, algebra.sum.weight);
    const last = algebra.branches.map(({ stages }) => stages.at(-1)!.weight);
    expectClose(
      algebra.sum.weight.map((_, i) => last.reduce((sum, weight) => sum + weight[i]!, 0)),
      algebra.sum.weight,
    );
  });

  it("shows some channels as it shows all", () => {
    const all = blockAlgebra(net, "stage2.0");
    const some = blockAlgebra(net, "stage2.0", { outChannels: [3, 7], inChannels: [2, 5] });
    const cut = (weight: Float32Array, taps: number): number[] =>
      [3, 4, 5, 6].flatMap((o) => [...weight.subarray((o * 8 + 2) * taps, (o * 8 + 5) * taps)]);
    expect([...some.sum.weight]).toEqual(cut(all.sum.weight, 9));
    expect([...some.sum.bias]).toEqual([...all.sum.bias.subarray(3, 7)]);
    expect([...stage(some, "pointwise", "stored")]).toEqual(cut(stage(all, "pointwise", "stored"), 1));
  });

  it("refuses what is not there", () => {
    expect(() => blockAlgebra(net, "stage9.0")).toThrow(
      'expected a block of the net (stage0 … stage2.0), received "stage9.0"',
    );
    expect(() => blockAlgebra(net, "stage0", { outChannels: [2, 9] })).toThrow(
      "expected output channels from 0 to at most 4, received 2 to 9",
    );
    const other = repvgg("nano", { block: "acb" });
    expect(() => blockAlgebra(other, "stage0")).toThrow(/expected a net of RepVGG blocks.*received blocks of kind acb/);
  });
});
