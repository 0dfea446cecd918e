import * as ort from "onnxruntime-node";
import { describe, expect, it } from "vitest";
import { Rng } from "#repvgg/core/rng.js";
import { writeOnnx } from "#repvgg/formats/onnx/model.js";
import { valueInfo } from "#repvgg/graph/build.js";
import { decodeGraph, encodeGraph } from "#repvgg/graph/graph-file.js";
import { defaultEnvelope, toOnnx } from "#repvgg/graph/to-onnx.js";
import { equalizablePairs, equalized } from "#repvgg/quantize/equalize.js";
import { activationScales, graphOfForm, nearestForm, observedRanges } from "#repvgg/quantize/form.js";
import { sampleLayer } from "#repvgg/quantize/layer-samples.js";
import { biasOf, layersOf, rowsOf } from "#repvgg/quantize/layers.js";
import { type Moments, momentsOf, withEnds } from "#repvgg/quantize/moments.js";
import { quantizationPoints } from "#repvgg/quantize/points.js";
import { prepared } from "#repvgg/quantize/prepare.js";
import { quantizeGraph } from "#repvgg/quantize/quantize-graph.js";
import { refined } from "#repvgg/quantize/refine.js";
import { observe } from "#repvgg/quantize/statistics.js";
import { RandomNet } from "../graph/support.js";
import { evaluator, matrix, noise, outputsOf, randomPictures, smallNet } from "./support.js";

const graph = prepared(smallNet());
const pictures = randomPictures([4, 3, 8, 8]);
const points = quantizationPoints(graph, layersOf(graph).layers);
const seen = observe(evaluator, graph, pictures, points.values);
const scales = activationScales(points, observedRanges(graph, seen, "min-max"));
const input = pictures.batches[0]!.input();
const float = outputsOf(graph, input).get("y")!;

describe("cross-layer equalization", () => {
  it("finds pairs through ReLUs, LeakyReLUs, pools and Flatten, grouped and depthwise ones too", () => {
    expect(
      equalizablePairs(graph, layersOf(graph).layers).map(({ first, second }) => [first.name, second.name]),
    ).toEqual([
      ["a", "b"],
      ["b", "c"],
      ["c", "d"],
      ["d", "y"],
    ]);
  });

  it("leaves the function the same, and makes ranges on both sides equal", () => {
    const pairs = equalizablePairs(graph, layersOf(graph).layers);
    for (const target of ["weights", "activations"] as const) {
      const { graph: other } = equalized(graph, pairs, target, seen);
      expect(noise(float, outputsOf(other, input).get("y")!)).toBeLessThan(1e-11);
    }
    const { graph: other } = equalized(graph, pairs, "weights", seen);
    const [a, b] = layersOf(other).layers;
    const most = (rows: Float64Array, o: number): number =>
      Math.max(...rows.subarray((o * rows.length) / 8, ((o + 1) * rows.length) / 8).map(Math.abs));
    for (let c = 0; c < 8; c++) expect(most(rowsOf(a!, other), c)).toBeCloseTo(most(rowsOf(b!, other), c), 2);
  });

  it("refuses what does not scale, what others read, and outputs", () => {
    const between = (op: string, more: (net: RandomNet) => void = () => {}) => {
      const net = new RandomNet(1);
      net.randomConv("a", "x", 3, 4, 3, { bias: true });
      net.add(op, "m", ["a"]);
      net.randomConv("b", "m", 4, 4, 1);
      more(net);
      return net;
    };
    const pairsOf = (net: RandomNet, outputs: string[]) => {
      const found = net.graph(
        "g",
        [valueInfo("x", [1, 3, 8, 8])],
        outputs.map((name) => valueInfo(name, [1, 4, 6, 6])),
      );
      return equalizablePairs(found, layersOf(found).layers).length;
    };
    expect(pairsOf(between("Relu"), ["b"])).toBe(1);
    expect(pairsOf(between("Sigmoid"), ["b"])).toBe(0);
    expect(pairsOf(between("HardSwish"), ["b"])).toBe(0);
    expect(pairsOf(between("Relu"), ["b", "m"])).toBe(0);
    expect(
      pairsOf(
        between("Relu", (net) => net.add("Add", "s", ["m", "b"])),
        ["s"],
      ),
    ).toBe(0);
    // A map that is flattened without a pool before has several numbers a channel.
    const net = new RandomNet(1);
    net.randomConv("a", "x", 3, 4, 3);
    net.add("Flatten", "f", ["a"]);
    net.constant("w", matrix(new Rng(1), 144, 4));
    net.add("MatMul", "b", ["f", "w"]);
    expect(pairsOf(net, ["b"])).toBe(0);
  });
});

describe("samples of a layer", () => {
  it("are what its kernels read: W E[x] + b = E[y], for strides, groups, paddings, matrices", () => {
    for (const layer of layersOf(graph).layers) {
      const groups = sampleLayer(evaluator, graph, graph, layer, layer.input, pictures);
      const [rows, bias] = [rowsOf(layer, graph), biasOf(layer, graph)];
      const own = layer.outputs / layer.groups;
      for (let o = 0; o < layer.outputs; o++) {
        const { meanX, meanY, covarianceX, covarianceXY } = groups[Math.floor(o / own)]!;
        const row = rows.subarray(o * layer.inputs, (o + 1) * layer.inputs);
        expect(row.reduce((sum, w, k) => sum + w * meanX[k]!, bias[o]!)).toBeCloseTo(meanY[o % own]!, 4);
        for (let i = 0; i < layer.inputs; i++) {
          const given = row.reduce((sum, w, k) => sum + w * covarianceX[i * layer.inputs + k]!, 0);
          expect(given).toBeCloseTo(covarianceXY[i * own + (o % own)]!, 3);
        }
      }
    }
  });
});

describe("quantized graphs", () => {
  const form = nearestForm(graph, scales, { bits: 8, perChannel: true });
  const quantized = graphOfForm(form);

  it("are near the float net by the operators' definitions", () => {
    expect(noise(float, outputsOf(quantized, input).get("y")!)).toBeLessThan(2e-3);
    const { initializers } = quantized;
    expect(initializers.get("a.weight_quantized")?.dtype).toBe("i8");
    expect(initializers.get("a.bias_quantized")?.dtype).toBe("i32");
    expect(initializers.has("a.weight")).toBe(false);
    // What an integer engine relies on: sums of products have the bias's unit.
    for (const [layer, read] of [
      ["a", "x"],
      ["b", "ar"],
      ["d", "cr"],
    ]) {
      const [unit, weight, activation] = [`${layer}.bias_scale`, `${layer}.weight_scale`, `${read}_scale`].map(
        (name) => initializers.get(name)!.data as Float32Array,
      );
      expect([...unit!]).toEqual([...weight!].map((scale) => Math.fround(scale * activation![0]!)));
    }
  });

  it("run in ONNX Runtime, to a step of the last activation", async () => {
    const bytes = writeOnnx(toOnnx(quantized, defaultEnvelope));
    for (const graphOptimizationLevel of ["disabled", "all"] as const) {
      const session = await ort.InferenceSession.create(bytes, {
        graphOptimizationLevel,
        intraOpNumThreads: 1,
        logSeverityLevel: 4,
      });
      const { y } = await session.run({ x: new ort.Tensor("float32", input.data, [...input.shape]) });
      const own = outputsOf(quantized, input).get("y")!;
      expect(noise(own, y!.data as Float32Array)).toBeLessThan(1e-3);
      await session.release();
    }
  });

  it("keep biases of dead channels within int32", () => {
    const net = new RandomNet(2);
    net.randomConv("a", "x", 3, 4, 3, { bias: true });
    net.initializers.get("a.weight")!.data.fill(0 as never, 0, 27);
    net.initializers.get("a.bias")!.data[0] = 1e4 as never;
    const dead = prepared(net.graph("dead", [valueInfo("x", [4, 3, 8, 8])], [valueInfo("a", [4, 4, 6, 6])]));
    const form = nearestForm(dead, new Map([["x", { scale: 0.01, zero: 128 }]]), { bits: 8, perChannel: true });
    const y = outputsOf(graphOfForm(form), input).get("a")!;
    expect(y[0]).toBeCloseTo(1e4, 0);
  });

  it("share the scale of what only moves numbers, and leave the value between a layer and its ReLU alone", () => {
    expect(points.values).toEqual(["x", "ar", "br", "cr", "dr", "gap", "flat"]);
    expect(points.shares).toEqual(new Map([["flat", "gap"]]));
  });

  it("through an addition and a concatenation read and give integers", () => {
    const net = new RandomNet(5);
    net.randomConv("a", "x", 3, 4, 3, { padding: 1 });
    net.randomConv("b", "x", 3, 4, 1);
    net.add("Add", "s", ["a", "b"]);
    net.add("Relu", "r", ["s"]);
    net.add("Concat", "c", ["r", "a"], { axis: { type: "int", value: 1 } });
    net.randomConv("y", "c", 8, 4, 1);
    const both = prepared(net.graph("g", [valueInfo("x", [4, 3, 8, 8])], [valueInfo("y", [4, 4, 8, 8])]));
    expect(quantizationPoints(both, layersOf(both).layers).values).toEqual(["x", "a", "b", "r", "c"]);
  });

  it("come back from a file the same, 4-bit weights two in a byte; broken files are refused in one line", () => {
    for (const bits of [8, 4]) {
      const written = graphOfForm(nearestForm(graph, scales, { bits, perChannel: true }));
      const { arrays, metadata } = encodeGraph(written);
      const read = decodeGraph(arrays, metadata, "file");
      expect(read.nodes).toEqual(written.nodes);
      expect(read.initializers).toEqual(written.initializers);
      expect(arrays.get("a.weight_quantized")!.dtype).toBe(bits === 4 ? "u8" : "i8");
      const rng = new Rng(bits);
      const text = metadata["graph"]!;
      for (let i = 0; i < 60; i++) {
        const at = rng.int(text.length);
        const broken = text.slice(0, at) + ["", '"', "9", "null", "[", "}"][i % 6] + text.slice(at + rng.int(9));
        try {
          decodeGraph(arrays, { ...metadata, graph: broken }, "file");
        } catch (error) {
          expect(error).toMatchObject({ name: "FormatError" });
          expect((error as Error).message).not.toContain("\n");
        }
      }
    }
  });
});

describe("steps", () => {
  it("each gain at 4 bits: bias correction, and rounding by what layers give", async () => {
    const options = { bits: 4, perChannel: true };
    const nearest = nearestForm(graph, scales, options);
    const [biased, rounded] = [
      await refined(evaluator, nearest, pictures, { ...options, rounding: false }),
      await refined(evaluator, nearest, pictures, { ...options, rounding: true }),
    ];
    const lost = [nearest, biased, rounded].map((form) => noise(float, outputsOf(graphOfForm(form), input).get("y")!));
    expect(lost[1]!).toBeLessThan(lost[0]!);
    expect(lost[2]!).toBeLessThan(0.5 * lost[0]!);
  });

  it("are chosen by the outputs: never worse than to the nearest, and layers that are asked for stay in float", async () => {
    const result = await quantizeGraph(
      { graph, runner: evaluator, pictures },
      { keepFloat: ["first"], mixedPrecision: false },
    );
    const noises = result.steps.map(({ measured }) => measured!.noise);
    const kept = result.steps.filter((step) => step.kept).at(-1)!;
    expect(kept.measured!.noise).toBe(Math.min(...noises));
    expect(result.reference!.measure(result.graph).noise).toBe(kept.measured!.noise);
    expect(result.floatLayers).toEqual([{ name: "a", reason: "asked for" }]);
    expect(result.graph.nodes.find(({ name }) => name === "a")!.inputs).toEqual(["x", "a.weight", "a.bias"]);
  });

  it("leave in float what costs too much", async () => {
    const result = await quantizeGraph(
      { graph, runner: evaluator, pictures },
      { bits: 2, rounding: "nearest", equalize: "none" },
    );
    expect(result.floatLayers.length).toBeGreaterThan(0);
    expect(result.floatLayers[0]!.reason).toMatch(/^as whole numbers it costs \d/);
    const all = await quantizeGraph(
      { graph, runner: evaluator, pictures },
      { bits: 2, rounding: "nearest", equalize: "none", mixedPrecision: false },
    );
    const noiseOf = ({ reference, graph: made }: typeof all) => reference!.measure(made).noise;
    expect(noiseOf(result)).toBeLessThan(noiseOf(all));
  });
});

describe("moments without pictures", () => {
  it("are those of clipped normal distributions behind BatchNorm and ReLU", () => {
    const net = new RandomNet(6);
    net.randomConv("a", "x", 3, 4, 3);
    net.randomBatchNorm("n", "a", 4);
    net.add("Relu", "r", ["n"]);
    const found = net.graph("g", [valueInfo("x", [1, 3, 8, 8])], [valueInfo("r", [1, 4, 6, 6])]);
    const known: Moments = momentsOf(
      found,
      withEnds(
        ...([0, 1, -2, 2].map((v) => new Float64Array(3).fill(v)) as [
          Float64Array,
          Float64Array,
          Float64Array,
          Float64Array,
        ]),
      ),
    ).get("r")!;
    const [gamma, beta] = ["weight", "bias"].map((name) => net.initializers.get(`n.${name}`)!.data as Float32Array);
    const rng = new Rng(8);
    for (let c = 0; c < 4; c++) {
      const drawn = Array.from({ length: 100_000 }, () => Math.max(0, beta![c]! + gamma![c]! * rng.normal()));
      const mean = drawn.reduce((a, b) => a + b, 0) / drawn.length;
      const variance = drawn.reduce((sum, v) => sum + (v - mean) ** 2, 0) / drawn.length;
      expect(known.mean[c]).toBeCloseTo(mean, 1.7);
      expect(known.variance[c]).toBeCloseTo(variance, 1.7);
      expect(known.channelHigh[c]).toBeCloseTo(beta![c]! + 6 * Math.abs(gamma![c]!), 4);
    }
    expect(known.low).toBe(0);
  });
});
