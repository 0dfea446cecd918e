import { describe, expect, it } from "vitest";
import { pairValues } from "#repvgg/analysis/diagnosis/blocks.js";
import { f32, toFloat32 } from "#repvgg/core/named-arrays.js";
import { fold } from "#repvgg/graph/fold.js";
import type { Graph } from "#repvgg/graph/graph.js";
import { verifyModels } from "#repvgg/verify/verify-models.js";
import { randomArray } from "../engine/compare.js";
import { randomNet } from "../engine/nets.js";
import { backendOf } from "../tensor/backends.js";

const backend = backendOf(2);
const train = randomNet({ depths: [2, 2, 1], widths: [8, 8, 16, 16] }, "train");
const folded = fold(train).graph;
const options = { backend, shape: [1, 3, 24, 24] };
const batches = [randomArray("first", [5, 3, 24, 24]), randomArray("second", [3, 3, 24, 24])];

/** The graph with an initializer changed. */
function tampered(graph: Graph, name: string, change: (values: Float32Array) => void): Graph {
  const array = graph.initializers.get(name)!;
  const values = toFloat32(array).slice();
  change(values);
  return { ...graph, initializers: new Map(graph.initializers).set(name, f32(array.shape, values)) };
}

describe("verifyModels", () => {
  it("finds a net and its fold equal, on all samples and block by block", async () => {
    const result = await verifyModels(train, folded, batches, options);
    expect(result.samples).toBe(8);
    expect(result.agree).toBe(true);
    expect(result.outputs.count).toBe(8 * 5);
    expect(result.outputs.relative).toBeLessThan(1e-5);
    expect(result.outputs.meanAbsolute).toBeLessThanOrEqual(result.outputs.maxAbsolute);
    expect(result.top1Disagreements).toBe(0);
    expect(result.firstParted).toBeUndefined();
    const blocks = result.values.map((value) => value.name).filter((name) => name.endsWith("rbr_reparam"));
    expect(blocks).toEqual(
      ["stage0", "stage1.0", "stage1.1", "stage2.0", "stage2.1", "stage3.0"].map((p) => `${p}.rbr_reparam`),
    );
  });

  it("finds a net equal to itself to the bit", async () => {
    const result = await verifyModels(train, train, batches, options);
    expect(result.outputs).toMatchObject({ maxAbsolute: 0, meanAbsolute: 0, relative: 0, nonFinite: 0 });
    expect(result.worstSample).toBeUndefined();
  });

  it("says the same with one net in memory at a time", async () => {
    const used = backend.memory.usedWords;
    const result = await verifyModels(train, folded, batches, { ...options, oneAtATime: true });
    const { outputs, samples, values } = await verifyModels(train, folded, batches, options);
    expect(result.samples).toBe(samples);
    expect(result.outputs.relative).toBeLessThan(1e-5);
    expect(result.outputs.count).toBe(outputs.count);
    expect(result.values.map(({ name }) => name)).toEqual(values.map(({ name }) => name));
    const itself = await verifyModels(train, train, batches, { ...options, oneAtATime: true });
    expect(itself.outputs).toMatchObject({ maxAbsolute: 0, nonFinite: 0 });
    expect(backend.memory.usedWords).toBe(used);
  });

  it("names the block where a fold went wrong, and leaves those before it", async () => {
    const wrong = tampered(folded, "stage2.0.rbr_reparam.bias", (bias) => {
      bias[3]! += 0.5;
    });
    const result = await verifyModels(train, wrong, batches, options);
    expect(result.agree).toBe(false);
    expect(result.firstParted).toBe("stage2.0.rbr_reparam");
    const parted = result.values.filter((value) => value.parted).map((value) => value.name);
    expect(parted).toContain("logits");
    expect(parted).not.toContain("stage1.1.rbr_reparam");
    const first = result.values.find((value) => value.name === "stage2.0.rbr_reparam")!;
    expect(first.maxAbsolute).toBeCloseTo(0.5, 4);
  });

  it("counts disagreements on the class, and finds the worst sample over all batches", async () => {
    const shifted = tampered(folded, "linear.bias", (bias) => {
      bias[0]! -= 100;
    });
    const result = await verifyModels(train, shifted, batches, options);
    expect(result.top1Disagreements).toBeGreaterThan(0);
    expect(result.outputs.maxAbsolute).toBeCloseTo(100, 2);
    expect(result.outputs.meanAbsolute).toBeCloseTo(100 / 5, 2);
    const loud = { shape: [1, 3, 24, 24], data: randomArray("loud", [1, 3, 24, 24]).data.map((x) => x * 50) };
    const scaled = tampered(folded, "linear.weight", (weight) => {
      weight.forEach((w, i) => {
        weight[i] = w * 1.01;
      });
    });
    expect((await verifyModels(train, scaled, [...batches, loud], options)).worstSample?.index).toBe(8);
  });

  it("counts what is not a number and does not agree then", async () => {
    const broken = tampered(folded, "linear.bias", (bias) => {
      bias[2] = Number.NaN;
    });
    const result = await verifyModels(train, broken, batches, options);
    expect(result.outputs.nonFinite).toBe(8);
    expect(result.agree).toBe(false);
    expect(result.firstParted).toBe("logits");
  });

  it("refuses nets of other classes", async () => {
    const other = randomNet({ depths: [2, 2, 1], widths: [8, 8, 16, 16], classes: 7 }, "plain");
    await expect(verifyModels(train, other, batches, options)).rejects.toThrow(/of shape \[5,5\].*received \[5,7\]/);
  });

  it("gives back all memory", async () => {
    const before = backend.memory.usedWords;
    await verifyModels(train, folded, batches, options);
    expect(backend.memory.usedWords).toBe(before);
  });
});

/** Every value and constant under another name, as another exporter would have it. */
function renamed(graph: Graph): Graph {
  const names = new Map<string, string>();
  const rename = (name: string): string => {
    if (name === "" || graph.inputs.some((input) => input.name === name)) return name;
    if (!names.has(name)) names.set(name, `${names.size}`);
    return names.get(name)!;
  };
  return {
    ...graph,
    outputs: graph.outputs.map((output) => ({ ...output, name: rename(output.name) })),
    nodes: graph.nodes.map((node) => ({
      ...node,
      name: `node_${node.name}`,
      inputs: node.inputs.map(rename),
      outputs: node.outputs.map(rename),
    })),
    initializers: new Map([...graph.initializers].map(([name, array]) => [rename(name), array])),
  };
}

describe("pairValues", () => {
  const blocks = ["stage0", "stage1.0", "stage1.1", "stage2.0", "stage2.1", "stage3.0"].map((p) => `${p}.rbr_reparam`);

  it("are the values that both compute, in order", () => {
    const pairs = pairValues(train, folded);
    expect(pairs.every((pair) => pair.reference === pair.candidate)).toBe(true);
    const names = pairs.map((pair) => pair.reference);
    expect(names).toEqual(expect.arrayContaining(blocks));
    expect(names).not.toContain("stage1.0.rbr_dense.bn");
    expect(names.at(-1)).toBe("logits");
  });

  it("are found by their place in the chain where names differ", async () => {
    const other = renamed(folded);
    const pairs = pairValues(train, other);
    expect(pairs.map((pair) => pair.reference)).toEqual([...blocks, "logits"]);
    const wrong = tampered(other, biasOf(other, pairs[3]!.candidate), (bias) => {
      bias[0]! += 0.5;
    });
    const result = await verifyModels(train, wrong, batches, options);
    expect(result.firstParted).toBe(blocks[3]);
    expect(result.values.find(({ name }) => name === blocks[3])!.candidateName).toBe(pairs[3]!.candidate);
  });
});

function biasOf(graph: Graph, value: string): string {
  return graph.nodes.find((node) => node.outputs[0] === value)!.inputs[2]!;
}
