import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { foldVerified } from "#repvgg/api/exchange/fold-verified.node.js";
import { loadNet } from "#repvgg/api/exchange/load-net.node.js";
import { mobileOneGraph } from "#repvgg/api/exchange/mobileone-graph.js";
import { saveNet } from "#repvgg/api/exchange/save-net.node.js";
import type { NamedArray } from "#repvgg/core/named-arrays.js";
import { fromOfficial } from "#repvgg/formats/names/schemes.js";
import { readTorchFile, writeTorchFile } from "#repvgg/formats/torch/file.node.js";
import { valueInfo } from "#repvgg/graph/build.js";
import type { Graph } from "#repvgg/graph/graph.js";
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

/** Random weights by Apple's names: stem, then depthwise and pointwise blocks by stage, with k branches each. */
class Weights extends Map<string, NamedArray> {
  #seed = 0;

  batchNorm(path: string, channels: number): void {
    for (const name of ["weight", "bias", "running_mean"]) this.set(`${path}.${name}`, this.#random([channels]));
    this.set(`${path}.running_var`, this.#random([channels], true));
    this.set(`${path}.num_batches_tracked`, { dtype: "i64", shape: [], data: BigInt64Array.of(7n) });
  }

  convolution(path: string, shape: readonly number[]): void {
    this.set(`${path}.conv.weight`, this.#random(shape));
    this.batchNorm(`${path}.bn`, shape[0]!);
  }

  block(
    path: string,
    shape: readonly [number, number, number, number],
    options: { k: number; skip?: boolean; se?: boolean },
  ): void {
    const [outChannels, perGroup, kernel] = shape;
    if (options.se) {
      const squeezed = Math.max(1, Math.floor(outChannels / 16));
      this.set(`${path}.se.reduce.weight`, this.#random([squeezed, outChannels, 1, 1]));
      this.set(`${path}.se.reduce.bias`, this.#random([squeezed]));
      this.set(`${path}.se.expand.weight`, this.#random([outChannels, squeezed, 1, 1]));
      this.set(`${path}.se.expand.bias`, this.#random([outChannels]));
    }
    if (options.skip) this.batchNorm(`${path}.rbr_skip`, outChannels);
    for (let i = 0; i < options.k; i++) this.convolution(`${path}.rbr_conv.${i}`, shape);
    if (kernel > 1) this.convolution(`${path}.rbr_scale`, [outChannels, perGroup, 1, 1]);
  }

  linear(classes: number, channels: number): void {
    this.set("linear.weight", this.#random([classes, channels]));
    this.set("linear.bias", this.#random([classes]));
  }

  #random(shape: readonly number[], positive = false): NamedArray {
    return random(this.#seed++, shape, positive);
  }
}

/** A small net of the same build as S4: several branches, both kinds of block, SE in the last stage. */
function smallNet(): Weights {
  const weights = new Weights();
  weights.block("stage0", [8, 3, 3, 3], { k: 1 });
  weights.block("stage1.0", [8, 1, 3, 3], { k: 2 });
  weights.block("stage1.1", [16, 8, 1, 1], { k: 2 });
  weights.block("stage1.2", [16, 1, 3, 3], { k: 2, skip: true });
  weights.block("stage1.3", [16, 16, 1, 1], { k: 2, skip: true });
  weights.block("stage2.0", [16, 1, 3, 3], { k: 1, se: true });
  weights.block("stage2.1", [32, 16, 1, 1], { k: 1, se: true });
  weights.linear(5, 32);
  return weights;
}

describe("a block", () => {
  // Apple's own exports keep the names of their weights.
  it.each(["block-mobileone-dw", "block-mobileone-k4"])("%s gives what Apple's code gave", async (name) => {
    const { graph: exported } = await loadNet(oraclePath(`${name}-bn.onnx`));
    const { input, output } = await oracleIo(name);
    const weights = new Weights();
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
    await writeTorchFile(file, fromOfficial(smallNet(), scheme));
    const net = await loadNet(file);
    expect(net.source).toMatchObject({ format: "torch", scheme, form: "train", notes: [] });
    const { net: folded, verification } = await foldVerified(net);
    expect(verification.agree).toBe(true);
    // Seven blocks, two convolutions in each of two squeeze-and-excitations.
    expect(operatorCounts(folded)).toMatchObject({ Conv: 11, Relu: 9, Sigmoid: 2, Gemm: 1 });
    expect(operatorCounts(folded)["BatchNormalization"]).toBeUndefined();
    const input = random(1, [2, 3, 32, 48]);
    const expected = outputOf(net.graph, input);

    const plain = join(folder, `${scheme}-plain.pth`);
    await saveNet(folded, plain, { scheme });
    const { arrays } = await readTorchFile(plain);
    const block = scheme === "mobileone" ? "stage1.0.reparam_conv" : "stages.0.0.reparam_conv";
    expect(arrays.get(`${block}.weight`)!.shape).toEqual([8, 1, 3, 3]);
    expect(arrays.size).toBe(7 * 2 + 2 * 4 + 2);
    const back = await loadNet(plain);
    expect(back.source).toMatchObject({ scheme, form: "plain", notes: [] });
    expect(relativeError(outputOf(back.graph, input), expected)).toBeLessThanOrEqual(1e-5);

    const onnx = join(folder, `${scheme}.onnx`);
    await saveNet(folded, onnx);
    expect(relativeError((await runOnnx(onnx, input))["logits"]!.data, expected)).toBeLessThanOrEqual(1e-5);
  });

  it("whose weights are not whole is refused", () => {
    const without = smallNet();
    without.delete("stage1.2.rbr_scale.bn.running_var");
    expect(() => mobileOneGraph(without)).toThrow(/stage1\.2\.rbr_scale\.bn\.running_var.*a file without it/);
    const wide = smallNet();
    wide.set("stage1.1.rbr_conv.0.conv.weight", random(1, [16, 5, 1, 1]));
    expect(() => mobileOneGraph(wide)).toThrow(/for a divisor of 8 input channels, received shape \[16, 5, 1, 1\]/);
    const other = smallNet();
    other.linear(5, 31);
    expect(() => mobileOneGraph(other)).toThrow(/linear\.weight of a MobileOne to be 32 input channels/);
  });
});
