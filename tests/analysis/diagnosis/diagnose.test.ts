import { describe, expect, it } from "vitest";
import { describeFindings } from "#repvgg/analysis/diagnosis/finding.js";
import { f32, toFloat32 } from "#repvgg/core/named-arrays.js";
import { rngFor } from "#repvgg/core/rng.js";
import { ints } from "#repvgg/graph/attributes.js";
import type { Graph } from "#repvgg/graph/graph.js";
import { diagnose, roundingBound } from "#repvgg/verify/diagnose.js";
import { verifyModels } from "#repvgg/verify/verify-models.js";
import { oracleArrays } from "../../nn/oracles.js";
import { backendOf } from "../../tensor/backends.js";
import { folded, moved, onnxGraph, withConstants, withNodes } from "./support.js";
import {
  block,
  blockCount,
  dense,
  difference,
  excited,
  first,
  grouped,
  kernel,
  noStep,
  plain,
  train,
  verification,
} from "./tiny.js";

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
