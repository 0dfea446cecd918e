import { describe, expect, it } from "vitest";
import { diagnose, roundingBound } from "#repvgg/analysis/diagnosis/diagnose.js";
import { describeFindings } from "#repvgg/analysis/diagnosis/finding.js";
import { verifyModels } from "#repvgg/analysis/verify.js";
import {
  bfloat16ToNumber,
  f32,
  halfToNumber,
  type NamedArray,
  numberToBfloat16,
  numberToHalf,
  toFloat32,
  toFloat64,
} from "#repvgg/core/named-arrays.js";
import { rngFor } from "#repvgg/core/rng.js";
import { float, int, ints } from "#repvgg/graph/attributes.js";
import { evaluate } from "#repvgg/graph/evaluate/evaluate.js";
import type { Graph } from "#repvgg/graph/graph.js";
import { castFloats } from "#repvgg/graph/precision.js";
import { oracleArrays } from "../nn/oracles.js";
import { backendOf } from "../tensor/backends.js";
import { folded, moved, onnxGraph, oracleGraph, stateOf, withConstants, withNodes } from "./diagnosis-support.js";

const train = await oracleGraph("tiny", "train");
const plain = await oracleGraph("tiny", "plain");
const grouped = { train: await oracleGraph("tiny-g4", "train"), plain: await oracleGraph("tiny-g4", "plain") };
const excited = { train: await oracleGraph("tiny-se", "train"), plain: await oracleGraph("tiny-se", "plain") };

/** stage2.1 has all three branches. */
const block = "stage2.1";
const kernel = `${block}.rbr_reparam.weight`;
const bias = `${block}.rbr_reparam.bias`;
const blockCount = 10; // nine blocks and the classifier

/** The first finding of a broken pair. */
function first(reference: Graph, candidate: Graph) {
  const [finding, ...others] = diagnose(reference, candidate, undefined);
  return { ...finding!, others: others.map(({ cause }) => cause) };
}

const noStep = (graph: Graph, path: string, keep: string): Graph =>
  withNodes(graph, (node) => {
    if (node.name !== path) return node;
    return { ...node, op: "Identity", inputs: [node.inputs.find((name) => name.startsWith(keep))!] };
  });

describe("an unbroken pair", () => {
  const pairs: Record<string, [Graph, Graph]> = {
    "tiny and the authors' fold": [train, plain],
    "tiny-g4 and the authors' fold": [grouped.train, grouped.plain],
    "tiny-se and the authors' fold": [excited.train, excited.plain],
    "the authors' fold and tiny": [plain, train],
    "tiny and our fold": [train, folded(train)],
    "tiny and itself": [train, train],
    "tiny-g4 with groups written as zeros": [grouped.train, dense(grouped.plain, "zeros")],
  };
  it.each(Object.entries(pairs))("%s: only rounding", (_, [a, b]) => {
    expect(diagnose(a, b, undefined).map(({ cause }) => cause)).toEqual(["rounding"]);
  });

  it.each([
    ["tiny-train-bn.onnx", "tiny-deploy.onnx"],
    ["tiny-train.onnx", "tiny-deploy.onnx"],
    ["tiny-g4-train.onnx", "tiny-g4-deploy.onnx"],
    ["tiny-se-train.onnx", "tiny-se-deploy.onnx"],
  ])("exports under other names, %s and %s: only rounding", async (a, b) => {
    expect(diagnose(await onnxGraph(a), await onnxGraph(b), undefined).map(({ cause }) => cause)).toEqual(["rounding"]);
  });

  it.each(["block-acb", "block-dbb", "block-mobileone-dw", "block-mobileone-k4"])(
    "%s with BN kept and fused: only rounding",
    async (name) => {
      const [a, b] = [await onnxGraph(`${name}-bn.onnx`), await onnxGraph(`${name}.onnx`)];
      expect(diagnose(a, b, undefined).map(({ cause }) => cause)).toEqual(["rounding"]);
      expect(diagnose(b, folded(a), undefined).map(({ cause }) => cause)).toEqual(["rounding"]);
    },
  );

  it("tiny across file formats: our graph and the authors' export", async () => {
    const findings = diagnose(train, await onnxGraph("tiny-train-bn.onnx"), undefined);
    expect(findings.map(({ cause }) => cause)).toEqual(["rounding"]);
  });

  it("states the measured error and the bound", async () => {
    const input = (await oracleArrays("tiny-io.safetensors")).get("input")!;
    const tensor = { shape: input.shape, data: toFloat32(input) };
    const measured = await verifyModels(train, plain, [tensor], { backend: backendOf(1), shape: input.shape });
    const findings = diagnose(train, plain, measured);
    expect(findings.map(({ cause }) => cause)).toEqual(["rounding"]);
    expect(measured.outputs.relative).toBeLessThan(roundingBound(blockCount));
    expect(findings[0]!.evidence).toContain(`explain up to ${Number(roundingBound(blockCount).toPrecision(3))}`);
  });
});

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

describe("branches", () => {
  it.each([
    ["1×1", "missing-1x1-branch", "sum", "rbr_dense"],
    ["identity", "missing-identity-branch", "rbr_reparam", "sum"],
  ])("without the %s branch", (_, cause, step, keep) => {
    const candidate = noStep(train, `${block}.${step}`, `${block}.${keep}`);
    for (const broken of [candidate, folded(candidate)]) {
      expect(first(train, broken)).toMatchObject({ cause, where: block, blocks: [block], others: [] });
    }
    // The plain form as the reference: then it is the other side that lacks the branch.
    const turned = first(folded(candidate), train);
    expect(turned.cause).toBe(cause);
    expect(turned.where).toMatch(/^stage2\.1/);
    expect(turned.evidence).toMatch(/^the reference lacks/);
  });

  it("without two of three branches", () => {
    const once = noStep(train, `${block}.sum`, `${block}.rbr_dense`);
    const candidate = noStep(once, `${block}.rbr_reparam`, `${block}.sum`);
    expect(first(train, folded(candidate))).toMatchObject({ cause: "missing-branch", where: block });
  });

  it.each([
    [0, 0],
    [0, 1],
    [2, 2],
  ])("with the 1×1 kernel at tap (%i, %i)", (y, x) => {
    const name = `${block}.rbr_1x1.conv`;
    const pointwise = train.initializers.get(`${name}.weight`)!;
    const [outputs, inputs] = pointwise.shape as [number, number];
    const padded = new Float32Array(outputs * inputs * 9);
    toFloat32(pointwise).forEach((value, at) => {
      padded[at * 9 + y * 3 + x] = value;
    });
    const candidate = {
      ...withNodes(train, (node) =>
        node.name === name
          ? { ...node, attributes: { ...node.attributes, kernel_shape: ints([3, 3]), pads: ints([1, 1, 1, 1]) } }
          : node,
      ),
      initializers: new Map(train.initializers).set(`${name}.weight`, f32([outputs, inputs, 3, 3], padded)),
    };
    const found = first(train, folded(candidate));
    expect(found).toMatchObject({ cause: "misplaced-branch", where: block, others: [] });
    expect(found.evidence).toContain(`at tap (${y}, ${x})`);
  });
});

describe("kernels", () => {
  it.each<[string, (o: number, i: number, y: number, x: number) => number[]]>([
    ["transposed in height and width", (o, i, y, x) => [o, i, x, y]],
    ["transposed in input and output channels", (o, i, y, x) => [i, o, y, x]],
    ["turned by 180°", (o, i, y, x) => [o, i, 2 - y, 2 - x]],
  ])("%s, after the fold and before it", (words, from) => {
    const is = (wanted: string) => (name: string) => name === wanted;
    const after = withConstants(plain, is(kernel), (_, array) => moved(array, from));
    const before = withConstants(train, is(`${block}.rbr_dense.conv.weight`), (_, array) => moved(array, from));
    for (const candidate of [after, folded(before)]) {
      const found = first(train, candidate);
      expect(found).toMatchObject({ cause: "transposed-kernel", where: block, blocks: [block], others: [] });
      expect(found.evidence).toContain(words);
    }
  });

  it("without a bias, and with the negated one", () => {
    const none = withConstants(
      plain,
      (name) => name === bias,
      (values) => values.fill(0),
    );
    expect(first(train, none)).toMatchObject({ cause: "missing-bias", where: block, others: [] });
    const negated = withConstants(
      plain,
      (name) => name === bias,
      (values) => values.map((x) => -x),
    );
    expect(first(plain, negated)).toMatchObject({ cause: "bias-sign", where: block, others: [] });
  });

  it("of groups used as dense ones", () => {
    const found = first(grouped.train, dense(grouped.plain, "tiled"));
    expect(found).toMatchObject({ cause: "wrong-groups", where: "stage2.0", others: [] });
    expect(found.blocks).toEqual(["stage2.0", "stage3.0", "stage3.2"]);
  });

  it("of dense convolutions cut into groups", () => {
    const node = plain.nodes.find(({ name }) => name === `${block}.rbr_reparam`)!;
    const array = plain.initializers.get(kernel)!;
    const [outputs, inputs] = array.shape as [number, number];
    const own = inputs / 2;
    const values = toFloat64(array);
    const cut = Float32Array.from({ length: (outputs * inputs * 9) / 2 }, (_, at) => {
      const [o, i] = [Math.floor(at / (own * 9)), Math.floor(at / 9) % own];
      const group = Math.floor(o / (outputs / 2));
      return values[(o * inputs + group * own + i) * 9 + (at % 9)]!;
    });
    const candidate = {
      ...withNodes(plain, (other) =>
        other === node ? { ...node, attributes: { ...node.attributes, group: int(2) } } : other,
      ),
      initializers: new Map(plain.initializers).set(kernel, f32([outputs, own, 3, 3], cut)),
    };
    expect(first(train, candidate)).toMatchObject({ cause: "wrong-groups", where: block, others: [] });
  });
});

describe("inputs", () => {
  it("in BGR", () => {
    const candidate = withConstants(
      plain,
      (name) => name === "stage0.rbr_reparam.weight",
      (_, array) => moved(array, (o, i, y, x) => [o, 2 - i, y, x]),
    );
    expect(first(train, candidate)).toMatchObject({ cause: "channel-order", where: "stage0", others: [] });
  });

  it("in 0…255 with the scale in the first kernel", () => {
    const deviations = [0.229, 0.224, 0.225];
    const candidate = withConstants(
      plain,
      (name) => name === "stage0.rbr_reparam.weight",
      (values) => values.map((x, at) => x / (255 * deviations[Math.floor(at / 9) % 3]!)),
    );
    const found = first(train, candidate);
    expect(found).toMatchObject({ cause: "input-scale", where: "stage0", others: [] });
    expect(found.evidence).toContain("58.4, 57.12, 57.38");
  });

  it("that are prepared otherwise", () => {
    const preprocessing = {
      ...{ size: [32, 32] as const, channels: 3 as const, mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] },
      ...{ interpolation: "bilinear" as const, cropRatio: 0.875 },
    };
    const findings = diagnose(train, plain, undefined, {
      reference: { metadata: { preprocessing } },
      candidate: { metadata: { preprocessing: { ...preprocessing, std: [1, 1, 1], cropRatio: 1 } } },
    });
    expect(findings.map(({ cause }) => cause)).toEqual(["preprocessing"]);
    expect(findings[0]!.evidence).toContain("std [0.229, 0.224, 0.225] in the reference, [1, 1, 1] in the candidate");
  });
});

describe("16 bits", () => {
  it("after the fold", () => {
    const candidate = castFloats(folded(train), "f16");
    const found = first(train, candidate);
    expect(found).toMatchObject({ cause: "fp16-rounding", where: "stage0", others: [] });
    expect(found.blocks.length).toBe(blockCount);
    const stored = withConstants(plain, isFloat, (values) => values.map((x) => halfToNumber(numberToHalf(x))));
    expect(first(train, stored)).toMatchObject({ cause: "fp16-rounding", others: [] });
    const brain = withConstants(plain, isFloat, (values) => values.map((x) => bfloat16ToNumber(numberToBfloat16(x))));
    expect(first(train, brain)).toMatchObject({ cause: "bf16-rounding", others: [] });
  });

  it("before the fold: a checkpoint saved as float16", async () => {
    const half = await oracleGraph("tiny", "train", await stateOf("tiny-half.pth"));
    const found = first(train, folded(half));
    expect(found).toMatchObject({ cause: "fp16-rounding", where: "stage0", others: [] });
    expect(found.evidence).toContain("before the fold");
  });

  it("is not what a missing branch is taken for", () => {
    const candidate = castFloats(folded(noStep(train, `${block}.sum`, `${block}.rbr_dense`)), "f16");
    const causes = diagnose(train, candidate, undefined);
    expect(causes[0]).toMatchObject({ cause: "missing-1x1-branch", where: block });
    expect(causes.map(({ cause }) => cause)).toEqual(["missing-1x1-branch", "fp16-rounding"]);
  });

  it.each([
    ["infinite", (x: number) => halfToNumber(numberToHalf(x))],
    ["cut", (x: number) => halfToNumber(numberToHalf(Math.max(-65504, Math.min(65504, x))))],
  ])("overflows to %s", (words, round) => {
    const loud = withConstants(
      train,
      (name) => name === `${block}.rbr_dense.bn.weight`,
      (values) => {
        values[3] = 3e6;
        return values;
      },
    );
    const candidate = withConstants(folded(loud), isFloat, (values) => values.map(round));
    const found = first(loud, candidate);
    expect(found).toMatchObject({ cause: "fp16-overflow", where: block, others: ["fp16-rounding"] });
    expect(found.evidence).toMatch(new RegExp(`numbers? beyond 65504.*${words}`));
  });

  it("overflows in the values", () => {
    const measured = verification({ outputs: { ...difference(0), nonFinite: 3 }, firstParted: "stage3.0.rbr_reparam" });
    const half = castFloats(folded(train), "f16");
    const [found] = diagnose(half, half, measured);
    expect(found).toMatchObject({ cause: "fp16-overflow", where: "stage3.0" });
  });
});

describe("other nets", () => {
  it("of other classes", () => {
    const array = plain.initializers.get("linear.weight")!;
    const candidate = {
      ...plain,
      outputs: [{ ...plain.outputs[0]!, shape: ["batch", 7] }],
      initializers: new Map(plain.initializers)
        .set("linear.weight", f32([7, array.shape[1]!], toFloat32(array).slice(0, 7 * array.shape[1]!)))
        .set("linear.bias", f32([7], toFloat32(plain.initializers.get("linear.bias")!).slice(0, 7))),
    };
    const found = first(train, candidate);
    expect(found).toMatchObject({ cause: "class-count", where: "logits", others: [] });
    expect(found.evidence).toContain("10 classes in the reference and 7 in the candidate");
  });

  it("of another architecture", () => {
    const strided = withNodes(plain, (node) =>
      node.name === "stage2.0.rbr_reparam"
        ? { ...node, attributes: { ...node.attributes, strides: ints([1, 1]) } }
        : node,
    );
    expect(first(train, strided)).toMatchObject({ cause: "architecture", where: "stage2.0" });
    expect(first(train, excited.plain)).toMatchObject({ cause: "architecture" });
  });

  it("without one ReLU", () => {
    const name = plain.nodes.find(({ op, inputs }) => op === "Relu" && inputs[0] === `${block}.rbr_reparam`)!.name;
    const candidate = withNodes(plain, (node) => (node.name === name ? { ...node, op: "LeakyRelu" } : node));
    expect(first(train, candidate)).toMatchObject({ cause: "activation", where: block, others: [] });
  });

  it("of other weights, and noise: unexplained, with where it starts", () => {
    const rng = rngFor(1, "noise");
    const noisy = withConstants(
      plain,
      (name) => name === kernel,
      (values) => values.map((x) => x + 0.01 * rng.normal()),
    );
    const found = first(train, noisy);
    expect(found).toMatchObject({ cause: "unexplained", where: block, blocks: [block], others: [] });
    const unrelated = withConstants(
      plain,
      (name) => name.endsWith("reparam.weight"),
      (values) => values.map(() => rng.normal()),
    );
    const other = first(train, unrelated);
    expect(other).toMatchObject({ cause: "unexplained", where: "stage0" });
    expect(other.remedy).toContain("unrelated");
  });

  it("with kernels that agree and outputs that do not", () => {
    const measured = verification({ outputs: difference(0.3), firstParted: "stage3.0.rbr_reparam" });
    expect(diagnose(train, plain, measured)[0]).toMatchObject({ cause: "unexplained", where: "stage3.0" });
  });
});

describe("describeFindings", () => {
  it("gives one line a finding, with block, numbers and remedy", () => {
    const candidate = noStep(train, `${block}.sum`, `${block}.rbr_dense`);
    const [line, ...others] = describeFindings(diagnose(train, folded(candidate), undefined));
    expect(others).toEqual([]);
    expect(line).toMatch(
      /^missing-1x1-branch at stage2\.1: the candidate lacks the 1×1 branch \(stage2\.1\.rbr_1x1\.bn\); .*weights [\d.e-]+ → [\d.e-]+, .*Add the 1×1 branch/,
    );
  });
});

const isFloat = (name: string): boolean => /\.(weight|bias)$/.test(name);

/** Grouped convolutions as dense ones: with zeros between the groups (right), or the group's weights over and over (wrong). */
function dense(graph: Graph, how: "zeros" | "tiled"): Graph {
  const initializers = new Map(graph.initializers);
  const nodes = graph.nodes.map((node) => {
    const group = node.attributes.group;
    const groups = group?.type === "int" ? group.value : 1;
    if (groups === 1) return node;
    const name = node.inputs[1]!;
    const array = graph.initializers.get(name)!;
    const [outputs, own, height, width] = array.shape as [number, number, number, number];
    const values = toFloat64(array);
    const taps = height * width;
    const wide = new Float32Array(values.length * groups);
    for (let at = 0; at < wide.length; at++) {
      const [o, i] = [Math.floor(at / (taps * own * groups)), Math.floor(at / taps) % (own * groups)];
      const inside = Math.floor(i / own) === Math.floor(o / (outputs / groups));
      if (inside || how === "tiled") wide[at] = values[(o * own + (i % own)) * taps + (at % taps)]!;
    }
    initializers.set(name, f32([outputs, own * groups, height, width], wide));
    return { ...node, attributes: { ...node.attributes, group: int(1) } };
  });
  return { ...graph, nodes, initializers };
}

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

function difference(relative: number) {
  return { count: 40, maxAbsolute: relative, meanAbsolute: relative / 4, relative, nonFinite: 0 };
}

function verification(parts: object) {
  return {
    ...{ samples: 4, outputs: difference(0), top1Disagreements: 0, worstSample: undefined, agree: false, values: [] },
    ...{ firstParted: undefined, ...parts },
  };
}
