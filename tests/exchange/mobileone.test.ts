import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { loadNet } from "#repvgg/exchange/load-net.node.js";
import { mobileOneGraph } from "#repvgg/exchange/mobileone-graph.js";
import { fromOfficial } from "#repvgg/exchange/names/schemes.js";
import { saveNet } from "#repvgg/exchange/save-net.node.js";
import { readSafetensorsFile } from "#repvgg/formats/safetensors/file.node.js";
import { readTorchFile, writeTorchFile } from "#repvgg/formats/torch/file.node.js";
import { valueInfo } from "#repvgg/graph/build.js";
import type { Graph } from "#repvgg/graph/graph.js";
import { foldVerified } from "#repvgg/verify/fold-verified.node.js";
import { MobileOneWeights, smallMobileOne } from "./mobileone-weights.js";
import {
  fileFolder,
  operatorCounts,
  oracleIo,
  oraclePath,
  outputOf,
  random,
  relativeError,
  runOnnx,
} from "./support.js";

const folder = fileFolder();

describe("a block", () => {
  // Apple's own exports keep the names of their weights.
  it.each(["block-mobileone-dw", "block-mobileone-k4"])("%s gives what Apple's code gave", async (name) => {
    const { graph: exported } = await loadNet(oraclePath(`${name}-bn.onnx`));
    const { input, output } = await oracleIo(name);
    const weights = new MobileOneWeights();
    weights.block("stage0", [16, 3, 3, 3], { k: 1 });
    for (const [key, array] of exported.initializers) weights.set(`stage1.0.${key}`, array);
    weights.linear(5, 16);
    const { graph, leftOver } = mobileOneGraph(weights);
    expect(leftOver).toEqual([]);
    const block: Graph = {
      ...graph,
      nodes: graph.nodes.filter((node) => node.name.startsWith("stage1.0.")),
      inputs: [valueInfo("stage0.activation", ["batch", 16, "height", "width"])],
      outputs: [valueInfo("stage1.0.activation", ["batch", 16, "h", "w"])],
    };
    expect(relativeError(outputOf(block, input), output)).toBeLessThanOrEqual(1e-5);
  });
});

describe("a net", () => {
  it.each(["mobileone", "mobileone-timm"] as const)("by the names of %s loads, folds and exports", async (scheme) => {
    const file = join(folder, `${scheme}.pth`);
    await writeTorchFile(file, fromOfficial(smallMobileOne(), scheme));
    const net = await loadNet(file);
    expect(net.source).toMatchObject({ format: "torch", scheme, form: "train" });
    expect(net.source.notes).toEqual([
      expect.stringMatching(/BatchNorm's ε: assumed 1e-5/),
      expect.stringMatching(/^weights do not show strides: assumed 2, /),
    ]);
    const { net: folded, verification } = await foldVerified(net);
    expect(verification.agree).toBe(true);
    // Seven blocks, two convolutions in each of two squeeze-and-excitations.
    expect(operatorCounts(folded)).toMatchObject({ Conv: 11, Relu: 9, Sigmoid: 2, Gemm: 1 });
    expect(operatorCounts(folded)["BatchNormalization"]).toBeUndefined();
    const input = random(1, [2, 3, 32, 48]);
    const expected = outputOf(net.graph, input);

    // With its counters, as PyTorch's strict loading wants them, under either's names.
    for (const [ending, read] of [
      ["pth", readTorchFile],
      ["safetensors", readSafetensorsFile],
    ] as const) {
      for (const target of ["mobileone", "mobileone-timm"] as const) {
        const copy = join(folder, `${scheme}-to-${target}.${ending}`);
        await saveNet(net, copy, { scheme: target });
        const { arrays } = await read(copy);
        expect(new Map([...arrays].toSorted())).toEqual(
          new Map([...fromOfficial(smallMobileOne(), target)].toSorted()),
        );
      }
    }

    const plain = join(folder, `${scheme}-plain.pth`);
    await saveNet(folded, plain, { scheme });
    const { arrays } = await readTorchFile(plain);
    const block = scheme === "mobileone" ? "stage1.0.reparam_conv" : "stages.0.0.reparam_conv";
    expect(arrays.get(`${block}.weight`)!.shape).toEqual([8, 1, 3, 3]);
    expect(arrays.size).toBe(7 * 2 + 2 * 4 + 2);
    const back = await loadNet(plain);
    expect(back.source).toMatchObject({ scheme, form: "plain", notes: [expect.stringMatching(/do not show strides/)] });
    expect(relativeError(outputOf(back.graph, input), expected)).toBeLessThanOrEqual(1e-5);

    const onnx = join(folder, `${scheme}.onnx`);
    await saveNet(folded, onnx);
    expect(relativeError((await runOnnx(onnx, input))["logits"]!.data, expected)).toBeLessThanOrEqual(1e-5);
  });

  it("whose weights are not whole is refused", () => {
    const without = smallMobileOne();
    without.delete("stage1.2.rbr_scale.bn.running_var");
    expect(() => mobileOneGraph(without)).toThrow(/stage1\.2\.rbr_scale\.bn\.running_var.*a file without it/);
    const wide = smallMobileOne();
    wide.set("stage1.1.rbr_conv.0.conv.weight", random(1, [16, 5, 1, 1]));
    expect(() => mobileOneGraph(wide)).toThrow(/for a divisor of 8 input channels, received shape \[16, 5, 1, 1\]/);
    const other = smallMobileOne();
    other.linear(5, 31);
    expect(() => mobileOneGraph(other)).toThrow(/linear\.weight of a MobileOne to be 32 input channels/);
  });
});
