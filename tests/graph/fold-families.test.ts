import { describe, expect, it } from "vitest";
import { f32 } from "#repvgg/core/named-arrays.js";
import { float, int, ints } from "#repvgg/graph/attributes.js";
import { int64 } from "#repvgg/graph/build.js";
import type { Graph } from "#repvgg/graph/graph.js";
import { resnet } from "../../bench/models/resnet.mjs";
import { type FoldedPair, foldAndCompare, normal, RandomNet } from "./support.js";

function expectExact(pair: FoldedPair, counts: Record<string, number>): void {
  expect(pair.exactError).toBeLessThanOrEqual(1e-9);
  expect(pair.roundedError).toBeLessThanOrEqual(1e-5);
  expect(pair.counts).toEqual(counts);
}

const convOf = (graph: Graph, index = 0) => graph.nodes.filter(({ op }) => op === "Conv")[index]!;

function repvggBlock(
  net: RandomNet,
  name: string,
  input: string,
  from: number,
  to: number,
  stride: number,
  groups = 1,
): string {
  const dense = net.convBn(`${name}.rbr_dense`, input, from, to, 3, { stride, padding: 1, groups });
  const pointwise = net.convBn(`${name}.rbr_1x1`, input, from, to, 1, { stride, groups });
  const sum = stride === 1 && from === to ? `${name}.pair` : `${name}.rbr_reparam`;
  net.add("Add", sum, [dense, pointwise]);
  if (sum === `${name}.pair`) {
    net.add("Add", `${name}.rbr_reparam`, [sum, net.randomBatchNorm(`${name}.rbr_identity`, input, from)]);
  }
  return `${name}.rbr_reparam`;
}

describe("one convolution a block", () => {
  it("RepVGG: 3×3 + 1×1 + identity, stride 1 and 2, named after the value", () => {
    const net = new RandomNet(1);
    let x = net.add("Relu", "r0", [repvggBlock(net, "stage0", "x", 3, 8, 2)]);
    x = net.add("Relu", "r1", [repvggBlock(net, "stage1.0", x, 8, 8, 1)]);
    x = net.add("Relu", "r2", [repvggBlock(net, "stage1.1", x, 8, 8, 1, 4)]);
    const pair = foldAndCompare(net.finish(["batch", 3, "height", "width"], x), [2, 3, 9, 8]);
    expectExact(pair, { Conv: 3, Relu: 3 });
    expect(pair.graph.nodes.map(({ name }) => name)).toEqual([
      "stage0.rbr_reparam",
      "r0",
      "stage1.0.rbr_reparam",
      "r1",
      "stage1.1.rbr_reparam",
      "r2",
    ]);
    const names = ["stage0", "stage1.0", "stage1.1"].flatMap((b) => [
      `${b}.rbr_reparam.weight`,
      `${b}.rbr_reparam.bias`,
    ]);
    expect([...pair.graph.initializers.keys()]).toEqual(names);
    expect(pair.graph.initializers.get("stage1.1.rbr_reparam.weight")!.shape).toEqual([8, 2, 3, 3]);
    expect(convOf(pair.graph, 0).attributes).toEqual({
      dilations: ints([1, 1]),
      group: int(1),
      kernel_shape: ints([3, 3]),
      pads: ints([1, 1, 1, 1]),
      strides: ints([2, 2]),
    });
    expect(convOf(pair.graph, 2).attributes.group).toEqual(int(4));
    expect(pair.report.refusals).toEqual([]);
  });

  it("RepVGG ablations: a branch left out keeps the kernel of the others", () => {
    const net = new RandomNet(2);
    net.convBn("a", "x", 4, 4, 1);
    net.add("Add", "y", ["a", net.randomBatchNorm("b", "x", 4)]);
    const pair = foldAndCompare(net.finish([1, 4, 6, 6], "y"), [1, 4, 6, 6]);
    expectExact(pair, { Conv: 1 });
    expect(pair.graph.initializers.get("y.weight")!.shape).toEqual([4, 4, 1, 1]);
  });

  it("D2se and RepVGGplus: squeeze-and-excitation before or after ReLU stays", () => {
    for (const before of [true, false]) {
      const net = new RandomNet(3);
      let x = repvggBlock(net, "b", "x", 8, 8, 1);
      if (!before) x = net.add("Relu", "relu", [x]);
      const pooled = net.add("GlobalAveragePool", "pool", [x]);
      const down = net.add("Relu", "squeezed", [net.randomConv("down", pooled, 8, 2, 1, { bias: true })]);
      const gate = net.add("Sigmoid", "gate", [net.randomConv("up", down, 2, 8, 1, { bias: true })]);
      x = net.add("Mul", "scaled", [x, gate]);
      if (before) x = net.add("Relu", "relu", [x]);
      const pair = foldAndCompare(net.finish(["n", 8, 7, 7], x), [2, 8, 7, 7]);
      expectExact(pair, { Conv: 3, Relu: 2, GlobalAveragePool: 1, Sigmoid: 1, Mul: 1 });
    }
  });

  it("QARepVGG: BatchNorm after the sum, identity without it", () => {
    const net = new RandomNet(4);
    net.convBn("dense", "x", 6, 6, 3, { padding: 1 });
    net.randomConv("pointwise", "x", 6, 6, 1);
    net.add("Add", "pair", ["dense", "pointwise"]);
    net.add("Add", "all", ["pair", "x"]);
    net.randomBatchNorm("y", "all", 6);
    expectExact(foldAndCompare(net.finish(["n", 6, "h", "w"], "y"), [2, 6, 5, 7]), { Conv: 1 });
  });

  it("ACB: 3×3, 1×3 and 3×1", () => {
    const net = new RandomNet(5);
    net.convBn("square", "x", 4, 6, 3, { padding: 1, stride: 2 });
    net.convBn("horizontal", "x", 4, 6, [1, 3], { padding: [0, 1], stride: 2 });
    net.convBn("vertical", "x", 4, 6, [3, 1], { padding: [1, 0], stride: 2 });
    net.add("Sum", "y", ["square", "horizontal", "vertical"]);
    expectExact(foldAndCompare(net.finish(["n", 4, "h", "w"], "y"), [1, 4, 9, 8]), { Conv: 1 });
  });

  it("DBB: 1×1 → 3×3 and 1×1 → average, padded with the inner bias", () => {
    const net = new RandomNet(6);
    const channels = 4;
    net.convBn("origin", "x", channels, channels, 3, { padding: 1 });
    net.convBn("pointwise", "x", channels, channels, 1);
    const padWithBias = (name: string, input: string): string => {
      // BNAndPad: the border gets β − μγ/σ, computed by the exporter in float32 from the same statistics.
      const [gamma, beta, mean, variance] = ["weight", "bias", "running_mean", "running_var"].map(
        (part) => net.initializers.get(`${input}.${part}`)!.data as Float32Array,
      );
      const border = beta!.map((b, c) => {
        const deviation = Math.fround(Math.sqrt(Math.fround(variance![c]! + Math.fround(1e-5))));
        return Math.fround(b - Math.fround(Math.fround(mean![c]! * gamma![c]!) / deviation));
      });
      const constant = net.constant(`${name}.border`, f32([1, channels, 1, 1], border));
      net.add("Sub", `${name}.centred`, [input, constant]);
      const pads = net.constant(`${name}.pads`, int64([0, 0, 1, 1, 0, 0, 1, 1]));
      net.add("Pad", `${name}.padded`, [`${name}.centred`, pads]);
      return net.add("Add", name, [`${name}.padded`, constant]);
    };
    const narrow = padWithBias("avg.pad", net.convBn("avg.bn", "x", channels, channels, 1));
    net.add("AveragePool", "avg.pool", [narrow], { kernel_shape: ints([3, 3]), strides: ints([1, 1]) });
    net.randomBatchNorm("avg", "avg.pool", channels);
    const wide = padWithBias("seq.pad", net.convBn("seq.bn", "x", channels, channels, 1));
    net.convBn("seq", wide, channels, channels, 3);
    net.add("Add", "s1", ["origin", "pointwise"]);
    net.add("Add", "s2", ["s1", "avg"]);
    net.add("Add", "y", ["s2", "seq"]);
    const pair = foldAndCompare(net.finish(["n", channels, 8, 8], "y"), [2, channels, 8, 8]);
    // The border constant is float32: what the fold takes for zero there is its rounding.
    expect(pair.exactError).toBeLessThanOrEqual(1e-6);
    expect(pair.roundedError).toBeLessThanOrEqual(1e-5);
    expect(pair.counts).toEqual({ Conv: 1 });
    expect(pair.graph.initializers.get("y.weight")!.shape).toEqual([channels, channels, 3, 3]);
  });

  it("MobileOne: k branches; depthwise with stride 2", () => {
    for (const [groups, stride] of [
      [1, 1],
      [8, 2],
    ] as const) {
      const net = new RandomNet(7 + groups);
      let sum = net.convBn("scale", "x", 8, 8, 1, { stride, groups });
      if (stride === 1) sum = net.add("Add", "with_skip", [sum, net.randomBatchNorm("skip", "x", 8)]);
      for (let k = 0; k < 4; k++) {
        sum = net.add("Add", k === 3 ? "y" : `sum${k}`, [
          sum,
          net.convBn(`k${k}`, "x", 8, 8, 3, { stride, groups, padding: 1 }),
        ]);
      }
      const pair = foldAndCompare(net.finish(["n", 8, "h", "w"], net.add("Relu", "out", ["y"])), [1, 8, 9, 9]);
      expectExact(pair, { Conv: 1, Relu: 1 });
      expect(convOf(pair.graph).attributes.group).toEqual(int(groups));
    }
  });

  it("YOLOv7 RepConv inside a small detector: SiLU, Concat and Resize around it", () => {
    const net = new RandomNet(10);
    const silu = (name: string, input: string): string =>
      net.add("Mul", name, [input, net.add("Sigmoid", `${name}.gate`, [input])]);
    const stem = silu("stem", net.convBn("stem.bn", "x", 3, 8, 3, { stride: 2, padding: 1 }));
    const rep = silu("rep", repvggBlock(net, "rep1", stem, 8, 8, 1));
    const down = silu("down", repvggBlock(net, "rep2", rep, 8, 8, 2));
    const scales = net.constant("scales", f32([4], Float32Array.of(1, 1, 2, 2)));
    net.add("Resize", "up", [down, "", scales], {
      mode: { type: "string", value: "nearest" },
      coordinate_transformation_mode: { type: "string", value: "asymmetric" },
      nearest_mode: { type: "string", value: "floor" },
    });
    net.add("Concat", "cat", ["up", rep], { axis: int(1) });
    const out = silu("neck", net.convBn("neck.bn", "cat", 16, 8, 1));
    net.randomConv("detect", out, 8, 6, 1, { bias: true });
    const pair = foldAndCompare(net.finish(["n", 3, 16, 16], "detect"), [1, 3, 16, 16]);
    expectExact(pair, { Conv: 5, Sigmoid: 4, Mul: 4, Resize: 1, Concat: 1 });
  });

  it("RepLKNet: depthwise 31×31 + 5×5", () => {
    const net = new RandomNet(11);
    net.convBn("large", "x", 4, 4, 31, { padding: 15, groups: 4 });
    net.convBn("small", "x", 4, 4, 5, { padding: 2, groups: 4 });
    net.add("Add", "y", ["large", "small"]);
    const pair = foldAndCompare(net.finish(["n", 4, "h", "w"], "y"), [1, 4, 20, 12]);
    expectExact(pair, { Conv: 1 });
    expect(pair.graph.initializers.get("y.weight")!.shape).toEqual([4, 1, 31, 31]);
  });

  it("UniRepLKNet: dilated branches become zero-inserted kernels", () => {
    const net = new RandomNet(12);
    let sum = net.convBn("origin", "x", 4, 4, 13, { padding: 6, groups: 4 });
    for (const [kernel, dilation] of [
      [5, 1],
      [7, 2],
      [3, 3],
      [3, 4],
      [3, 5],
    ] as const) {
      const branch = net.convBn(`d${kernel}.${dilation}`, "x", 4, 4, kernel, {
        dilation,
        groups: 4,
        padding: ((kernel - 1) / 2) * dilation,
      });
      sum = net.add("Add", dilation === 5 ? "y" : `sum${kernel}.${dilation}`, [sum, branch]);
    }
    const pair = foldAndCompare(net.finish(["n", 4, "h", "w"], "y"), [1, 4, 14, 15]);
    expectExact(pair, { Conv: 1 });
    expect(pair.graph.initializers.get("y.weight")!.shape).toEqual([4, 1, 13, 13]);
  });

  it("branches of one dilation keep it", () => {
    const net = new RandomNet(13);
    net.convBn("a", "x", 4, 4, 3, { dilation: 2, padding: 2 });
    net.convBn("b", "x", 4, 4, 1);
    net.add("Add", "y", ["a", "b"]);
    const pair = foldAndCompare(net.finish(["n", 4, "h", "w"], "y"), [1, 4, 8, 8]);
    expectExact(pair, { Conv: 1 });
    expect(convOf(pair.graph).attributes.dilations).toEqual(ints([2, 2]));
    expect(pair.graph.initializers.get("y.weight")!.shape).toEqual([4, 4, 3, 3]);
  });

  it("FastViT RepMixer: x + γ(m − n)", () => {
    const net = new RandomNet(14);
    const conv = net.convBn("m.conv_kxk", "x", 6, 6, 3, { padding: 1, groups: 6 });
    const scale = net.convBn("m.conv_scale", "x", 6, 6, 1, { groups: 6 });
    net.add("Add", "m.pair", [conv, scale]);
    net.add("Add", "m", ["m.pair", net.randomBatchNorm("m.identity", "x", 6)]);
    net.add("Sub", "difference", ["m", net.randomBatchNorm("n", "x", 6)]);
    net.add("Mul", "scaled", [net.constant("gamma", normal(net.rng, [6, 1, 1])), "difference"]);
    net.add("Add", "y", ["x", "scaled"]);
    const pair = foldAndCompare(net.finish(["n", 6, 9, 9], "y"), [2, 6, 9, 9]);
    expectExact(pair, { Conv: 1 });
    expect(convOf(pair.graph).attributes.group).toEqual(int(6));
  });

  it("RepViT: depthwise block, then a channel mixer whose residual stays", () => {
    const net = new RandomNet(15);
    net.convBn("dw3", "x", 6, 6, 3, { padding: 1, groups: 6 });
    net.randomConv("dw1", "x", 6, 6, 1, { groups: 6, bias: true });
    net.add("Add", "pair", ["dw3", "dw1"]);
    net.add("Add", "all", ["pair", "x"]);
    const token = net.randomBatchNorm("token", "all", 6);
    const hidden = net.add("Gelu", "gelu", [net.convBn("expand", token, 6, 12, 1)], {}, 20);
    net.add("Add", "y", [token, net.convBn("project", hidden, 12, 6, 1)]);
    const pair = foldAndCompare(net.finish(["n", 6, 7, 7], "y"), [1, 6, 7, 7]);
    expectExact(pair, { Conv: 3, Gelu: 1, Add: 1 });
    expect(pair.report.refusals.map(({ node }) => node)).toContain("y");
  });

  it("RepViT's head: BatchNorm before each of two linear classifiers whose mean is taken", () => {
    const net = new RandomNet(23);
    net.add("GlobalAveragePool", "pool", ["x"]);
    net.add("Flatten", "flat", ["pool"], { axis: int(1) });
    const head = (name: string): string => {
      const weight = net.constant(`${name}.w`, normal(net.rng, [5, 6]));
      const inputs = [
        net.randomBatchNorm(`${name}.bn`, "flat", 6),
        weight,
        net.constant(`${name}.b`, normal(net.rng, [5])),
      ];
      return net.add("Gemm", name, inputs, { transB: int(1) });
    };
    net.add("Add", "sum", [head("a"), head("b")]);
    net.add("Div", "mean", ["sum", net.constant("two", f32([], Float32Array.of(2)))]);
    net.add("MatMul", "mixed", ["mean", net.constant("m", normal(net.rng, [5, 4]))]);
    net.add("Add", "y", ["mixed", net.constant("offset", normal(net.rng, [4]))]);
    const pair = foldAndCompare(net.finish(["n", 6, "h", "w"], "y"), [2, 6, 3, 3]);
    expectExact(pair, { GlobalAveragePool: 1, Flatten: 1, Gemm: 1 });
    expect(pair.graph.initializers.get("y.weight")!.shape).toEqual([4, 6]);
  });

  it("scales of features alone do not become a fully connected layer", () => {
    const net = new RandomNet(24);
    net.add("Flatten", "flat", ["x"], { axis: int(1) });
    net.add("Mul", "scaled", ["flat", net.constant("s", normal(net.rng, [8]))]);
    net.add("Add", "y", ["scaled", net.constant("t", normal(net.rng, [8]))]);
    expectExact(foldAndCompare(net.finish(["n", 2, 2, 2], "y"), [3, 2, 2, 2]), { Flatten: 1, Mul: 1, Add: 1 });
  });

  it("PPLCNetV3: learnable scalar affines after the branches and after the activation", () => {
    const net = new RandomNet(16);
    const scalar = (name: string): string => net.constant(name, normal(net.rng, [1]));
    const conv = net.convBn("kxk", "x", 4, 4, 3, { padding: 1 });
    net.add("Add", "sum", [conv, net.randomBatchNorm("identity", "x", 4)]);
    net.add("Mul", "lab.mul", [scalar("lab.scale"), "sum"]);
    net.add("Add", "lab", ["lab.mul", scalar("lab.bias")]);
    const act = net.add("HardSwish", "act", ["lab"]);
    net.add("Mul", "lab2.mul", [scalar("lab2.scale"), act]);
    net.add("Add", "lab2", ["lab2.mul", scalar("lab2.bias")]);
    net.convBn("next", "lab2", 4, 4, 1);
    const pair = foldAndCompare(net.finish(["n", 4, "h", "w"], "next"), [1, 4, 6, 5]);
    expectExact(pair, { Conv: 2, HardSwish: 1 });
  });

  it("ResNet bottleneck: only BatchNorm folds, the shortcut's sum stays", () => {
    const net = new RandomNet(17);
    const a = net.add("Relu", "ra", [net.convBn("a", "x", 8, 4, 1)]);
    const b = net.add("Relu", "rb", [net.convBn("b", a, 4, 4, 3, { stride: 2, padding: 1 })]);
    net.convBn("c", b, 4, 16, 1);
    net.add("Add", "sum", ["c", net.convBn("shortcut", "x", 8, 16, 1, { stride: 2 })]);
    net.add("MaxPool", "pool", [net.add("Relu", "out", ["sum"])], {
      kernel_shape: ints([2, 2]),
      strides: ints([2, 2]),
    });
    const pair = foldAndCompare(net.finish(["n", 8, 8, 8], "pool"), [2, 8, 8, 8]);
    expectExact(pair, { Conv: 4, Relu: 3, Add: 1, MaxPool: 1 });
    expect(pair.report.refusals.find(({ node }) => node === "sum")!.reason).toMatch(/one common value/);
  });

  it("ResNet-50, whole: each BatchNorm goes into its convolution, and nothing else changes", () => {
    const graph = resnet(50, { width: 8, classes: 10 });
    const named = { ...graph, inputs: [{ ...graph.inputs[0]!, name: "x" }] };
    const nodes = graph.nodes.map((node) => ({
      ...node,
      inputs: node.inputs.map((name) => (name === "input" ? "x" : name)),
    }));
    const pair = foldAndCompare({ ...named, nodes }, [1, 3, 32, 48]);
    expect(pair.exactError).toBeLessThanOrEqual(1e-9);
    expect(pair.roundedError).toBeLessThanOrEqual(1e-5);
    expect(graph.nodes.filter(({ op }) => op === "BatchNormalization")).toHaveLength(53);
    const others = { MaxPool: 1, GlobalAveragePool: 1, Flatten: 1, Gemm: 1 };
    expect(pair.counts).toEqual({ Conv: 53, Relu: 49, Add: 16, ...others });
    expect(pair.report.regions.map((region) => region.nodes.length)).toEqual(new Array(53).fill(2));
    expect(pair.report.regions.every(({ macsBefore, macsAfter }) => macsAfter <= macsBefore)).toBe(true);
    expect(pair.report.refusals).toHaveLength(16); // the sums, whose sides are linear in different values
  });

  it("a normalised input joins an unpadded first convolution", () => {
    const net = new RandomNet(18);
    net.add("Sub", "centred", ["x", net.constant("mean", normal(net.rng, [1, 3, 1, 1]))]);
    net.add("Div", "normal", ["centred", net.constant("std", normal(net.rng, [3, 1, 1]))]);
    net.convBn("y", "normal", 3, 5, 3);
    expectExact(foldAndCompare(net.finish(["n", 3, 8, 8], "y"), [1, 3, 8, 8]), { Conv: 1 });
  });

  it("a Pad node before the convolution becomes its padding", () => {
    const net = new RandomNet(19);
    net.add("Pad", "padded", ["x", net.constant("pads", int64([0, 0, 0, 0, 0, 0, 1, 1]))]);
    net.randomConv("y", "padded", 3, 4, 3, { stride: 2, bias: true });
    const pair = foldAndCompare(net.finish(["n", 3, "h", "w"], "y"), [1, 3, 8, 7]);
    expectExact(pair, { Conv: 1 });
    expect(convOf(pair.graph).attributes.pads).toEqual(ints([0, 0, 1, 1]));
  });

  it("parallel convolutions joined by Concat become one where that is not dearer", () => {
    const net = new RandomNet(20);
    net.add("Concat", "y", [net.convBn("a", "x", 4, 3, 1), net.convBn("b", "x", 4, 5, 1)], { axis: int(1) });
    expectExact(foldAndCompare(net.finish(["n", 4, 5, 5], "y"), [1, 4, 5, 5]), { Conv: 1 });
    const uneven = new RandomNet(21);
    uneven.add("Concat", "y", [uneven.convBn("a", "x", 4, 8, 1), uneven.convBn("b", "x", 4, 2, 3, { padding: 1 })], {
      axis: int(1),
    });
    const graph = uneven.finish(["n", 4, 5, 5], "y");
    expectExact(foldAndCompare(graph, [1, 4, 5, 5]), { Conv: 2, Concat: 1 });
    expectExact(foldAndCompare(graph, [1, 4, 5, 5], { maxCost: 10 }), { Conv: 1 });
  });

  it.each([{ epsilon: float(0.001) }, {}])("an epsilon is honoured: %j", (attributes) => {
    const net = new RandomNet(22);
    net.randomConv("c", "x", 2, 2, 1);
    const one = normal(net.rng, [2]);
    const inputs = [
      "c",
      ...["g", "b", "m"].map((name) => net.constant(name, one)),
      net.constant("v", f32([2], Float32Array.of(1e-4, 2e-4))),
    ];
    net.add("BatchNormalization", "y", inputs, attributes);
    expectExact(foldAndCompare(net.finish(["n", 2, 3, 3], "y"), [1, 2, 3, 3]), { Conv: 1 });
  });
});
