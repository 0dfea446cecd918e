import { describe, expect, it } from "vitest";
import { blockAlgebra } from "#repvgg/analysis/block-algebra.js";
import { blockKernels } from "#repvgg/analysis/block-kernels.js";
import { fold } from "#repvgg/graph/fold.js";
import { architecture } from "#repvgg/nn/build-architecture.js";
import { fromFoldedGraph } from "#repvgg/nn/from-graph.js";
import { initialState } from "#repvgg/nn/initialize.js";
import type { Model } from "#repvgg/nn/model.js";
import { repvgg } from "#repvgg/nn/repvgg.js";
import { toGraph } from "#repvgg/nn/to-graph.js";

function model(spec: Parameters<typeof architecture>[1] = {}): Model {
  const net = architecture({
    ...{ depths: [2, 3], widths: [4, 6, 8], strides: [2, 1, 2], inputChannels: 3, classes: 2 },
    ...spec,
  });
  const { metadata } = repvgg({ depths: [1], widths: [2, 2] });
  return { architecture: net, form: "train", state: initialState(net, "train", 3, "seeded"), metadata };
}

describe("kernels of blocks to look at", () => {
  it.each([1, 2])("are those of the algebra: %i groups", (groups) => {
    const reference = model({ groups: { 2: groups, 4: groups } });
    for (const { path, channels, kernels } of blockKernels(reference, undefined, ["stage1.1", "stage2.1"])) {
      const algebra = blockAlgebra(reference, path);
      const views = [...algebra.branches.map(({ stages }) => stages.at(-1)!), algebra.sum];
      expect(kernels.map(({ name }) => name)).toEqual(["3×3", "1×1", "identity", "folded"]);
      const inputs = algebra.inChannels[1];
      const outputs = algebra.outChannels[1];
      const own = (weight: Float32Array, channel: number): number[] =>
        Array.from({ length: 9 }, (_, tap) => weight[(channel * inputs + (channel % inputs)) * 9 + tap]!);
      const strength = (channel: number) => own(views[0]!.weight, channel).reduce((sum, w) => sum + Math.abs(w), 0);
      const strongest = [...Array(outputs).keys()].sort((a, b) => strength(b) - strength(a)).slice(0, 4);
      expect(channels).toEqual(strongest.sort((a, b) => a - b));
      for (const [i, { meanAbsolute, samples }] of kernels.entries()) {
        const { weight } = views[i]!;
        expect(samples).toEqual(channels.map((channel) => own(weight, channel)));
        for (let tap = 0; tap < 9; tap++) {
          const all = [...weight].filter((_, at) => at % 9 === tap).map(Math.abs);
          expect(meanAbsolute[tap]).toBeCloseTo(all.reduce((sum, w) => sum + w, 0) / all.length, 12);
        }
      }
      expect(kernels[1]!.meanAbsolute.map((mean) => mean > 0)).toEqual(
        Array.from({ length: 9 }, (_, tap) => tap === 4),
      );
    }
  });

  it("are of the first block of each stage that has all branches, else of its first, not of folded ones", () => {
    const paths = (net: Model) => blockKernels(net, undefined).map(({ path }) => path);
    expect(paths(model())).toEqual(["stage0", "stage1.1", "stage2.1"]);
    expect(paths(model({ strides: [2, 2, 1], widths: [4, 6, 6] }))).toEqual(["stage0", "stage1.1", "stage2.0"]);
    expect(paths(model({ layers: { 0: { folded: true }, 2: { identity: false } } }))).toEqual(["stage1.0", "stage2.1"]);
    expect(paths(model({ branches: { pointwise: false, identity: false } }))).toEqual([
      "stage0",
      "stage1.0",
      "stage2.0",
    ]);
  });

  it("show what a folded net of the same blocks has, and what the algebra gives beside any other", () => {
    const reference = model();
    const folded = fromFoldedGraph(fold(toGraph(reference)).graph, reference);
    const name = "stage1.1.rbr_reparam.weight";
    const weight = folded.state.get(name)!;
    const other = { ...weight, data: (weight.data as Float32Array).map((w) => 2 * w) } as typeof weight;
    const doubled: Model = { ...folded, state: new Map([...folded.state, [name, other]]) };
    const sample = (candidate: Model | undefined) =>
      blockKernels(reference, candidate, ["stage1.1"])[0]!.kernels.at(-1)!.samples[0]!;
    const plain = sample(undefined);
    sample(folded).forEach((w, i) => {
      expect(w).toBeCloseTo(plain[i]!, 6);
    });
    sample(doubled).forEach((w, i) => {
      expect(w).toBeCloseTo(2 * plain[i]!, 5);
    });
    expect(sample(reference)).toEqual(plain);
    const wider = model({ widths: [4, 6, 10] });
    expect(sample(fromFoldedGraph(fold(toGraph(wider)).graph, wider))).toEqual(plain);
    expect(blockKernels(folded, undefined)).toEqual([]);
    expect(blockKernels(model({ block: "acb" }), undefined)).toEqual([]);
  });
});
