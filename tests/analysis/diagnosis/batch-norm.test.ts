import { describe, expect, it } from "vitest";
import { f32, type NamedArray, toFloat64 } from "#repvgg/core/named-arrays.js";
import { rngFor } from "#repvgg/core/rng.js";
import { float, int } from "#repvgg/graph/attributes.js";
import { evaluate } from "#repvgg/graph/evaluate/evaluate.js";
import type { Graph } from "#repvgg/graph/graph.js";
import { diagnose } from "#repvgg/verify/diagnose.js";
import { folded, withConstants, withNodes } from "./support.js";
import { block, blockCount, difference, first, train, verification } from "./tiny.js";

describe("BatchNorm", () => {
  it("in training mode, by the attribute", () => {
    const candidate = withNodes(train, (node) =>
      node.op === "BatchNormalization" ? { ...node, attributes: { ...node.attributes, training_mode: int(1) } } : node,
    );
    const found = first(train, candidate);
    expect(found.cause).toBe("batch-norm-training-mode");
    expect(found.where).toBe("stage0.rbr_dense.bn");
    expect(found.evidence).toMatch(/22 of 22 BatchNormalization nodes of the candidate/);
    expect(found.others).toEqual([]);
  });

  it("in training mode, by the outputs alone", () => {
    const shape = [4, 3, 16, 16];
    const data = normals("batch", 4 * 3 * 16 * 16);
    const output = evaluateInTrainingMode(train, { dtype: "f32", shape, data });
    const wrong = { outputs: difference(0.4), top1Disagreements: 2 };
    const [found] = diagnose(train, train, verification(wrong), { batch: { input: { shape, data }, output } });
    expect(found).toMatchObject({ cause: "batch-norm-training-mode", where: "the whole net" });
    const [other] = diagnose(train, train, verification(wrong), {
      batch: { input: { shape, data }, output: output.map((x) => -x) },
    });
    expect(other!.cause).toBe("unexplained");
  });

  it("folded with the statistics of a batch", () => {
    const shape = [4, 3, 16, 16];
    const data = normals("batch", 4 * 3 * 16 * 16);
    const statistics = batchStatistics(train, { dtype: "f32", shape, data });
    const candidate = folded({ ...train, initializers: new Map([...train.initializers, ...statistics]) });
    const [found] = diagnose(train, candidate, undefined, { batch: { input: { shape, data } } });
    expect(found).toMatchObject({ cause: "batch-norm-training-mode", where: "stage0" });
    expect(found!.blocks.length).toBe(blockCount - 1);
    // Without the batch there is no evidence for it.
    expect(first(train, candidate).cause).toBe("unexplained");
  });

  it.each([1e-3, 1e-4, 1e-6, 0])("with ε = %f, whichever of both nets still has its BatchNorm", (epsilon) => {
    const other = withNodes(train, (node) =>
      node.op === "BatchNormalization" ? { ...node, attributes: { epsilon: float(epsilon) } } : node,
    );
    // As exporters fuse: each convolution with the BatchNorm behind it; branches, and the BatchNorm of identities, stay.
    for (const reference of [fusedBranches(other), folded(other)]) {
      const found = first(reference, train);
      expect(found.cause).toBe("batch-norm-epsilon");
      expect(found.evidence).toContain(`the reference has ε = ${epsilon || "0 (or next to it)"} instead of 0.00001`);
      expect(found.blocks.length).toBe(blockCount - 1);
      expect(found.others).toEqual([]);
      const turned = first(train, reference);
      expect(turned.cause).toBe("batch-norm-epsilon");
      expect(turned.evidence).toContain(`the candidate has ε = ${epsilon || "0 (or next to it)"} instead of 0.00001`);
    }
  });

  it.each([1e-3, 1e-4, 1e-6, 0])("with ε = %f", (epsilon) => {
    const other = withNodes(train, (node) =>
      node.op === "BatchNormalization" ? { ...node, attributes: { epsilon: float(epsilon) } } : node,
    );
    for (const candidate of [other, folded(other)]) {
      const found = first(train, candidate);
      expect(found.cause).toBe("batch-norm-epsilon");
      expect(found.evidence).toContain(`has ε = ${epsilon || "0 (or next to it)"} instead of 0.00001`);
      expect(found.where).toBe("stage0");
      expect(found.blocks.length).toBe(blockCount - 1);
      expect(found.others).toEqual([]);
    }
  });

  it("with another ε in one branch only", () => {
    const candidate = withNodes(train, (node) =>
      node.name === `${block}.rbr_1x1.bn` ? { ...node, attributes: { epsilon: float(1e-3) } } : node,
    );
    const found = first(train, folded(candidate));
    expect(found).toMatchObject({ cause: "batch-norm-epsilon", blocks: [block] });
    expect(found.evidence).toContain(`of ${block}.rbr_1x1.bn`);
  });

  it("with statistics that were not loaded", () => {
    const fresh = withConstants(
      withConstants(
        train,
        (name) => name.endsWith("running_mean"),
        (values) => values.fill(0),
      ),
      (name) => name.endsWith("running_var"),
      (values) => values.fill(1),
    );
    const found = first(train, folded(fresh));
    expect(found).toMatchObject({ cause: "stale-statistics", where: "stage0", others: [] });
    expect(found.blocks.length).toBe(blockCount - 1);
  });

  it("left out", () => {
    const candidate = withNodes(train, (node) =>
      node.op === "BatchNormalization" && node.name.startsWith(block)
        ? { ...node, op: "Identity", inputs: node.inputs.slice(0, 1), attributes: {} }
        : node,
    );
    expect(first(train, folded(candidate))).toMatchObject({ cause: "batch-norm-skipped", blocks: [block] });
  });

  it.each([
    ["running_mean", 0, "leaves the running mean out"],
    ["running_mean", -1, "adds the running mean"],
    ["bias", 0, "leaves β out"],
    ["bias", -1, "wrong sign of β"],
  ])("with %s × %i", (which, factor, words) => {
    const candidate = withConstants(
      train,
      (name) => name.startsWith(block) && name.endsWith(`.${which}`),
      (values) => values.map((x) => factor * x),
    );
    const found = first(train, folded(candidate));
    expect(found).toMatchObject({ cause: "batch-norm-shift", blocks: [block], others: [] });
    expect(found.evidence).toContain(words);
  });
});

function normals(seed: string, count: number): Float32Array {
  const rng = rngFor(0, seed);
  return Float32Array.from({ length: count }, () => rng.normal());
}

/** Mean and biased variance of what each BatchNorm reads, layer after layer, by running the graph again for each. */
function batchStatistics(graph: Graph, input: NamedArray): Map<string, NamedArray> {
  const statistics = new Map<string, NamedArray>();
  for (const node of graph.nodes) {
    if (node.op !== "BatchNormalization") continue;
    const current = { ...graph, initializers: new Map([...graph.initializers, ...statistics]) };
    const { shape, data } = evaluate(current, new Map([["input", input]]), [node.inputs[0]!]).get(node.inputs[0]!)!;
    const [batch, channels, height, width] = shape as [number, number, number, number];
    const area = height * width;
    const columns = Array.from({ length: channels }, (_, c) =>
      Array.from(
        { length: batch * area },
        (_, at) => data[(Math.floor(at / area) * channels + c) * area + (at % area)]!,
      ),
    );
    const means = columns.map((column) => column.reduce((a, b) => a + b) / column.length);
    const variances = columns.map((column, c) => column.reduce((a, b) => a + (b - means[c]!) ** 2, 0) / column.length);
    statistics.set(node.inputs[3]!, { dtype: "f64", shape: [channels], data: Float64Array.from(means) });
    statistics.set(node.inputs[4]!, { dtype: "f64", shape: [channels], data: Float64Array.from(variances) });
  }
  return statistics;
}

function evaluateInTrainingMode(graph: Graph, input: NamedArray): Float64Array {
  const initializers = new Map([...graph.initializers, ...batchStatistics(graph, input)]);
  return evaluate({ ...graph, initializers }, new Map([["input", input]])).get("logits")!.data;
}

/** Each Conv → BatchNormalization as one Conv with bias. */
function fusedBranches(graph: Graph): Graph {
  const initializers = new Map(graph.initializers);
  const norms = new Map(
    graph.nodes.filter(({ op }) => op === "BatchNormalization").map((node) => [node.inputs[0]!, node]),
  );
  const fused = new Set<string>();
  const nodes = graph.nodes.flatMap((node) => {
    if (fused.has(node.outputs[0]!)) return [];
    const norm = node.op === "Conv" ? norms.get(node.outputs[0]!) : undefined;
    if (!norm) return [node];
    fused.add(norm.outputs[0]!);
    const epsilon = norm.attributes.epsilon;
    const [gamma, beta, mean, variance] = norm.inputs.slice(1).map((name) => toFloat64(graph.initializers.get(name)!));
    const weight = graph.initializers.get(node.inputs[1]!)!;
    const scale = gamma!.map(
      (g, c) => g / Math.sqrt(variance![c]! + (epsilon?.type === "float" ? epsilon.value : 1e-5)),
    );
    const row = toFloat64(weight).length / scale.length;
    const [name, bias] = [`${node.name}.fused`, `${node.name}.fusedBias`];
    initializers.set(
      name,
      f32(
        weight.shape,
        Float32Array.from(toFloat64(weight), (w, i) => w * scale[Math.floor(i / row)]!),
      ),
    );
    initializers.set(
      bias,
      f32(
        [scale.length],
        Float32Array.from(scale, (s, c) => beta![c]! - s * mean![c]!),
      ),
    );
    return [{ ...node, inputs: [node.inputs[0]!, name, bias], outputs: norm.outputs }];
  });
  return { ...graph, nodes, initializers };
}
