import { describe, expect, it } from "vitest";
import { counts } from "#repvgg/analysis/counts.js";
import { formMemory, layerMemory, mostKeepingLayer } from "#repvgg/analysis/profile/form-memory.js";
import { layersOfArchitecture, layersOfFold, parametersByLayer } from "#repvgg/analysis/profile/layers.js";
import { roofPosition } from "#repvgg/analysis/profile/roofline.js";
import { createBackend } from "#repvgg/backend/select.node.js";
import { planReport } from "#repvgg/engine/plan-report.js";
import { fold } from "#repvgg/graph/fold.js";
import type { BlockSpec } from "#repvgg/nn/architecture.js";
import { architecture } from "#repvgg/nn/build-architecture.js";
import { initialState } from "#repvgg/nn/initialize.js";
import { repvgg } from "#repvgg/nn/repvgg.js";
import { toGraph } from "#repvgg/nn/to-graph.js";

describe("parameters by layer", () => {
  it.each(["nano", "D2se", "RepVGGplus-L2pse"])("of the graph are those of the architecture: %s", (name) => {
    // The real net's structure with few channels.
    const net = architecture(name);
    const small = { ...net, widths: net.widths.map((_, stage) => 16 * (stage + 1)), classes: 7 };
    for (const form of ["train", "plain"] as const) {
      const graph = toGraph({ architecture: small, form, state: initialState(small, form, 0) });
      const layerOf = layersOfArchitecture(small);
      const found = parametersByLayer(graph, layerOf);
      // Auxiliary heads are of training; the graph is of inference.
      const layers = counts(small, 64).layers.filter(({ kind }) => kind !== "aux-head");
      for (const layer of layers)
        expect([layer.path, found.get(layer.path) ?? 0]).toEqual([layer.path, layer.parameters[form]]);
      expect([...found.values()].reduce((a, b) => a + b)).toBe(
        layers.reduce((sum, { parameters }) => sum + parameters[form], 0),
      );
    }
  });

  it("of any graph go to what it folds to", () => {
    const graph = toGraph(repvgg("nano"));
    const { graph: folded, report } = fold(graph);
    const [before, after] = [
      parametersByLayer(graph, layersOfFold(graph, report)),
      parametersByLayer(folded, layersOfFold(folded)),
    ];
    expect([...before.keys()]).toEqual([...after.keys()]);
    expect(before.get("stage1.0.rbr_reparam")).toBeGreaterThan(after.get("stage1.0.rbr_reparam")!);
  });
});

describe("the roofline", () => {
  const peaks = { gigaflops: 100, gigabytesPerSecond: 10 };

  it("limits by arithmetic right of the ridge, by memory left of it", () => {
    // 10⁹ operations and 10⁷ bytes: 10 ms of arithmetic, 1 ms of memory.
    const right = roofPosition({ multiplications: 5e8, bytesRead: 6e6, bytesWritten: 4e6, milliseconds: 20 }, peaks);
    expect(right).toEqual({ intensity: 100, gigaflops: 50, gigabytesPerSecond: 0.5, ofRoof: 0.5, bound: "arithmetic" });
    const left = roofPosition({ multiplications: 5e6, bytesRead: 1e8, bytesWritten: 0, milliseconds: 20 }, peaks);
    expect(left).toMatchObject({ intensity: 0.1, ofRoof: 0.5, bound: "memory" });
  });

  it("has a place for steps that only move bytes, and for what takes no time", () => {
    const copy = roofPosition({ multiplications: 0, bytesRead: 5e7, bytesWritten: 5e7, milliseconds: 10 }, peaks);
    expect(copy).toMatchObject({ intensity: 0, gigaflops: 0, ofRoof: 1, bound: "memory" });
    expect(roofPosition({ multiplications: 0, bytesRead: 0, bytesWritten: 0, milliseconds: 0 }, peaks).ofRoof).toBe(0);
  });
});

// The paper's figure 3: a block with an identity branch keeps twice its input, a plain layer keeps its input no longer than it reads it.
describe("memory of one block, in multiples of its input", () => {
  const kept = async (block: BlockSpec, form: "train" | "plain", fuseBatchNorm: boolean): Promise<number> => {
    const spec = { depths: [3], widths: [8, 8], strides: [1, 1], classes: 3, inputChannels: 8 };
    const net = { ...architecture(spec), block };
    const backend = await createBackend({ threads: 1, kernels: "wasm" });
    const graph = toGraph({ architecture: net, form, state: initialState(net, form, 0) });
    const report = planReport(graph, { inputShapes: { input: [1, 8, 32, 32] }, backend, fuseBatchNorm });
    backend.dispose();
    const memory = formMemory(form, report, layersOfArchitecture(net));
    return layerMemory(memory, mostKeepingLayer(memory)!)!.peakKept;
  };
  const block = (pointwise: boolean, identity: boolean): BlockSpec => ({ kind: "repvgg", pointwise, identity });

  it.each([
    ["3×3 and identity", block(false, true), "train", true, 2],
    ["3×3 and identity, BatchNorm by itself", block(false, true), "train", false, 2],
    ["3×3, 1×1 and identity", block(true, true), "train", true, 2],
    ["3×3, 1×1 and identity, BatchNorm by itself", block(true, true), "train", false, 3],
    ["plain", block(true, true), "plain", true, 1],
  ] as const)("%s", async (_, spec, form, fuseBatchNorm, expected) => {
    expect(await kept(spec, form, fuseBatchNorm)).toBe(expected);
  });
});
