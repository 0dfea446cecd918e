import * as ort from "onnxruntime-node";
import { describe, expect, it } from "vitest";
import { f32 } from "#repvgg/core/named-arrays.js";
import { createSession } from "#repvgg/engine/session.js";
import { writeOnnx } from "#repvgg/formats/onnx/model.js";
import { int, ints, string } from "#repvgg/graph/attributes.js";
import { GraphBuilder, valueInfo } from "#repvgg/graph/build.js";
import type { Graph } from "#repvgg/graph/graph.js";
import { defaultEnvelope, toOnnx } from "#repvgg/graph/to-onnx.js";
import { resnet } from "../../bench/models/resnet.mjs";
import { backendOf } from "../tensor/backends.js";
import { expectAsDefined, randomArray, randomBatchNorm, randomInputs, relativeError } from "./compare.js";
import { randomNet } from "./nets.js";

const backend = backendOf(2);

/** A convolution, BatchNorm and an activation, weights scaled so that values stay of the same size. */
function unit(b: GraphBuilder, x: string, name: string, shape: readonly number[], options: object, activation: string) {
  const weight = randomArray(name, shape);
  const fan = shape.slice(1).reduce((a, c) => a * c, 1);
  weight.data.forEach((w, i) => {
    weight.data[i] = w / Math.sqrt(fan / 2);
  });
  const y = b.batchNorm(`${name}.bn`, b.conv(name, x, weight, options), randomBatchNorm(name, shape[0]!));
  if (activation !== "SiLU") return activation === "" ? y : b.add(activation, `${name}.${activation}`, [y]);
  return b.add("Mul", `${name}.silu`, [y, b.add("Sigmoid", `${name}.gate`, [y])]);
}

const images = valueInfo("input", ["batch", 3, "height", "width"]);
const unknown = (name: string) => ({ name, dtype: "f32" as const, shape: undefined });

function vgg(): Graph {
  const b = new GraphBuilder();
  let [x, channels] = ["input", 3];
  for (const [stage, width] of [8, 12, 16].entries()) {
    for (const layer of [0, 1]) {
      const weight = randomArray(`conv${stage}.${layer}`, [width, channels, 3, 3]);
      const bias = randomArray(`conv${stage}.${layer}.bias`, [width]);
      x = b.add("Relu", `relu${stage}.${layer}`, [b.conv(`conv${stage}.${layer}`, x, weight, { padding: 1, bias })]);
      channels = width;
    }
    x = b.add("MaxPool", `pool${stage}`, [x], { kernel_shape: ints([2, 2]), strides: ints([2, 2]) });
  }
  let flat = b.add("Flatten", "flat", [x], { axis: int(1) });
  for (const [name, out, from] of [
    ["fc1", 20, 16 * 4 * 4],
    ["fc2", 7, 20],
  ] as const) {
    b.constant(`${name}.weight`, randomArray(name, [out, from]));
    b.constant(`${name}.bias`, randomArray(`${name}.bias`, [out]));
    const y = b.add("Gemm", name, [flat, `${name}.weight`, `${name}.bias`], { transB: int(1) });
    flat = name === "fc1" ? b.add("Dropout", "dropped", [b.add("Relu", "fc1.relu", [y])]) : y;
  }
  b.add("Softmax", "probabilities", [flat]);
  return b.graph("vgg", [images], [unknown("probabilities")]);
}

/** Depthwise and pointwise blocks with ReLU6, a squeeze and a residual: MobileNet and, folded, MobileOne. */
function mobile(): Graph {
  const b = new GraphBuilder();
  b.constant("zero", f32([], Float32Array.of(0)));
  b.constant("six", f32([], Float32Array.of(6)));
  const relu6 = (name: string, value: string) => b.add("Clip", name, [value, "zero", "six"]);
  let x = relu6("stem6", unit(b, "input", "stem", [12, 3, 3, 3], { stride: 2, padding: 1 }, ""));
  for (const i of [0, 1]) {
    const deep = unit(b, x, `dw${i}`, [12, 1, 3, 3], { padding: 1, groups: 12 }, "HardSwish");
    const gate = b.add("HardSigmoid", `gate${i}`, [
      b.conv(`se${i}`, b.add("GlobalAveragePool", `squeeze${i}`, [deep]), randomArray(`se${i}`, [12, 12, 1, 1])),
    ]);
    const point = unit(b, b.add("Mul", `scaled${i}`, [deep, gate]), `pw${i}`, [12, 12, 1, 1], {}, "");
    x = relu6(`out${i}`, b.add("Add", `add${i}`, [point, x]));
  }
  return b.graph("mobile", [images], [unknown(x)]);
}

/** The parts of a YOLOv7: RepConv with three branches, SiLU, spatial pyramid, upsampling and joined channels. */
function yolo(): Graph {
  const b = new GraphBuilder();
  const silu = (name: string, x: string, shape: readonly number[], options = {}) =>
    unit(b, x, name, shape, options, "SiLU");
  const small = silu("down1", "input", [8, 3, 3, 3], { stride: 2, padding: 1 });
  const deep = silu("down2", small, [16, 8, 3, 3], { stride: 2, padding: 1 });
  const pools = [5, 9, 13].map((k) =>
    b.add("MaxPool", `spp${k}`, [deep], { kernel_shape: ints([k, k]), pads: ints(Array(4).fill((k - 1) / 2)) }),
  );
  const pyramid = b.add("Concat", "pyramid", [deep, ...pools], { axis: int(1) });
  const narrow = silu("narrow", pyramid, [8, 64, 1, 1]);
  b.constant("scales", f32([4], Float32Array.of(1, 1, 2, 2)));
  const nearest = { coordinate_transformation_mode: string("asymmetric"), nearest_mode: string("floor") };
  const up = b.add("Resize", "up", [narrow, "", "scales"], nearest);
  const joined = b.add("Concat", "joined", [up, small], { axis: int(1) });
  const dense = unit(b, joined, "rep3", [16, 16, 3, 3], { padding: 1 }, "");
  const point = unit(b, joined, "rep1", [16, 16, 1, 1], {}, "");
  const identity = b.batchNorm("rep0", joined, randomBatchNorm("rep0", 16));
  const sum = b.add("Add", "rep", [b.add("Add", "rep.pair", [dense, point]), identity]);
  const act = b.add("Mul", "rep.silu", [sum, b.add("Sigmoid", "rep.gate", [sum])]);
  const head = b.conv("head", act, randomArray("head", [6, 16, 1, 1]), { bias: randomArray("head.bias", [6]) });
  b.add("Sigmoid", "boxes", [head]);
  return b.graph("yolo", [images], [unknown("boxes")]);
}

const small = { width: 8, classes: 10 };
const nets: readonly [name: string, graph: () => Graph][] = [
  ["ResNet-18", () => resnet(18, small)],
  ["ResNet-34", () => resnet(34, small)],
  ["ResNet-50", () => resnet(50, small)],
  ["ResNet-101", () => resnet(101, { ...small, width: 4 })],
  ["VGG", vgg],
  ["MobileNet", mobile],
  ["YOLO", yolo],
  ["RepVGG in training form", () => randomNet({ depths: [1, 2, 1], widths: [8, 8, 12, 16] }, "train")],
];

describe.each(nets)("%s", (_, graphOf) => {
  const graph = graphOf();

  it.each([1, 2])("computes what is defined, batch %i", (batch) => {
    const inputs = randomInputs({ input: [batch, 3, 32, 32] });
    for (const fuseBatchNorm of [true, false]) expectAsDefined(backend, graph, inputs, { fuseBatchNorm }, 2e-5);
  });

  it("agrees with ONNX Runtime", async () => {
    const { input } = randomInputs({ input: [1, 3, 32, 32] });
    const session = createSession(graph, { backend, shape: input!.shape });
    const [ours] = Object.values(session.run(input!));
    session.dispose();
    const outputs = graph.outputs.map((output) => ({ ...output, shape: output.shape ?? ours!.shape }));
    const bytes = writeOnnx(toOnnx({ ...graph, outputs }, defaultEnvelope));
    const runtime = await ort.InferenceSession.create(bytes, { logSeverityLevel: 3, intraOpNumThreads: 1 });
    const theirs = await runtime.run({ input: new ort.Tensor("float32", input!.data, [...input!.shape]) });
    await runtime.release();
    expect(relativeError(ours!.data, Object.values(theirs)[0]!.data as Float32Array)).toBeLessThan(2e-5);
  });
});

describe("the planner", () => {
  const planOf = (graph: Graph) => {
    const session = createSession(graph, { backend, shape: [1, 3, 64, 64] });
    const plan = session.plan();
    session.dispose();
    return plan;
  };

  it("does a residual's sum and ReLU where the convolution writes, and folds every BatchNorm", () => {
    const { steps } = planOf(resnet(50, small));
    const operators = new Map<string, number>();
    for (const { op } of steps) operators.set(op, (operators.get(op) ?? 0) + 1);
    expect(Object.fromEntries(operators)).toEqual({
      Transpose: 1,
      "Conv+Affine+Relu": 33, // the stem and two of each of 16 blocks
      MaxPool: 1,
      "Conv+Affine": 4, // the first of the two that a stage's first block adds
      "Conv+Affine+Add+Relu": 16,
      GlobalAveragePool: 1,
      Gemm: 1,
    });
  });

  it("keeps two activations of a plain net alive, and three of a residual one", () => {
    const most = (graph: Graph) => Math.max(...planOf(graph).steps.map(({ liveBuffers }) => liveBuffers));
    expect(most(randomNet({ depths: [2, 4, 1], widths: [8, 8, 12, 16] }, "plain"))).toBe(2);
    expect(most(resnet(18, small))).toBe(3);
  });

  it("lays a plain net's activations in the memory of its two largest neighbours", () => {
    const { steps, arenaBytes } = planOf(randomNet({ depths: [2, 4, 1], widths: [8, 8, 12, 16] }, "plain"));
    const pairs = steps.map(({ liveBytes, workspaceBytes }) => liveBytes + workspaceBytes);
    expect(arenaBytes).toBe(Math.max(...pairs));
  });
});
