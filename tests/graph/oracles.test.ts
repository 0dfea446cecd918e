import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { type NamedArray, toFloat64 } from "#repvgg/core/named-arrays.js";
import { fold } from "#repvgg/graph/fold.js";
import { readOnnx } from "#repvgg/formats/onnx/model.js";
import { readSafetensors } from "#repvgg/formats/safetensors/read.js";
import { evaluate } from "#repvgg/graph/evaluate/evaluate.js";
import { fromOnnx } from "#repvgg/graph/from-onnx.js";
import type { Graph } from "#repvgg/graph/graph.js";
import { worstError } from "./support.js";

// Written by the blocks' own authors' code under PyTorch, but for DBB's padding; see tests/fixtures/oracles/README.md.
const folder = join(dirname(fileURLToPath(import.meta.url)), "..", "fixtures", "oracles");

function load(name: string, io: string): { graph: Graph; inputs: Map<string, NamedArray>; expected: Float64Array } {
  const { graph } = fromOnnx(readOnnx(readFileSync(join(folder, `${name}.onnx`))));
  const { arrays } = readSafetensors(readFileSync(join(folder, `${io}-io.safetensors`)));
  const pick = (kind: RegExp): NamedArray => [...arrays].find(([key]) => kind.test(key))![1];
  return {
    graph,
    inputs: new Map([[graph.inputs[0]!.name, pick(/^(x|input)/)]]),
    expected: toFloat64(pick(/^(y|output|logits)/)),
  };
}

function counts(graph: Graph): Record<string, number> {
  const result: Record<string, number> = {};
  for (const { op } of graph.nodes) result[op] = (result[op] ?? 0) + 1;
  return result;
}

/** Operators of the folded graph: nine blocks, one convolution each; Reshapes that change nothing are gone. */
const plain = { Conv: 9, Relu: 9, GlobalAveragePool: 1, Reshape: 1, Gemm: 1 };
const withSe = { Conv: 27, Relu: 18, AveragePool: 9, Sigmoid: 9, Reshape: 1, Mul: 9, GlobalAveragePool: 1, Gemm: 1 };

describe("other people's exports", () => {
  it.each([
    ["block-acb", "block-acb", { Conv: 1 }],
    ["block-acb-bn", "block-acb", { Conv: 1 }],
    ["block-dbb", "block-dbb", { Conv: 1 }],
    ["block-dbb-bn", "block-dbb", { Conv: 1 }],
    ["block-mobileone-dw", "block-mobileone-dw", { Conv: 1, Relu: 1 }],
    ["block-mobileone-dw-bn", "block-mobileone-dw", { Conv: 1, Relu: 1 }],
    ["block-mobileone-k4", "block-mobileone-k4", { Conv: 1, Relu: 1 }],
    ["block-mobileone-k4-bn", "block-mobileone-k4", { Conv: 1, Relu: 1 }],
    ["tiny-train", "tiny", plain],
    ["tiny-train-bn", "tiny", plain],
    ["tiny-deploy", "tiny", plain],
    ["tiny-g4-train", "tiny-g4", plain],
    ["tiny-g4-deploy", "tiny-g4", plain],
    ["tiny-se-train", "tiny-se", withSe],
    ["tiny-se-deploy", "tiny-se", withSe],
  ])("%s gives the stored outputs before and after folding, one convolution a block", (name, io, nodes) => {
    const { graph, inputs, expected } = load(name, io);
    const [output] = graph.outputs;
    expect(worstError(evaluate(graph, inputs).get(output!.name)!.data, expected)).toBeLessThanOrEqual(1e-4);
    const { graph: folded } = fold(graph);
    expect(counts(folded)).toEqual(nodes);
    expect(worstError(evaluate(folded, inputs).get(output!.name)!.data, expected)).toBeLessThanOrEqual(1e-4);
  });

  it("kernels folded from tiny-train-bn equal the authors' own within 1e-6", () => {
    const { graph: folded } = fold(load("tiny-train-bn", "tiny").graph);
    const { graph: deploy } = load("tiny-deploy", "tiny");
    const convolutions = (graph: Graph): string[][] =>
      graph.nodes.filter(({ op }) => op === "Conv").map(({ inputs }) => inputs.slice(1));
    const theirs = convolutions(deploy);
    convolutions(folded).forEach((names, block) => {
      names.forEach((name, part) => {
        const [mine, other] = [folded.initializers.get(name)!, deploy.initializers.get(theirs[block]![part]!)!];
        expect(mine.shape).toEqual(other.shape);
        expect(worstError(toFloat64(mine), toFloat64(other))).toBeLessThanOrEqual(1e-6);
      });
    });
  });
});
