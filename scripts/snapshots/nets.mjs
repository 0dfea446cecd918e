// The nets whose folds and plans are snapshots: the zoo, what other people's exporters wrote (tests/fixtures), and usual CNNs in
// their usual sizes. Weights are random and stand in no snapshot; large ones are deferred arrays that nobody asks for.
import { readFileSync } from "node:fs";
import { resnet } from "../../bench/models/resnet.mjs";
import { yolov9t } from "../../bench/models/yolov9.mjs";
import {
  architecture,
  counts,
  deferredArray,
  f32,
  fromOnnx,
  GraphBuilder,
  int,
  ints,
  readOnnx,
  rngFor,
  stateSchema,
  toGraph,
  valueInfo,
} from "./library.mjs";

const fixtures = new URL("../../tests/fixtures/", import.meta.url);

/**
 * By name, which is the snapshot's file name too: () => { graph, shapes of inputs by name, counts where there is an architecture,
 * unfused: show the plan with BatchNorms as steps too }.
 */
export const nets = {
  "repvgg-a0": zoo("A0", 224, { unfused: true }),
  "repvgg-a0-batch-4": zoo("A0", 224, { batch: 4 }),
  "repvgg-a2": zoo("A2", 224),
  "repvgg-b1g4": zoo("B1g4", 224),
  "repvgg-d2se": zoo("D2se", 320),
  "repvggplus-l2pse": zoo("L2pse", 320),
  "repvgg-nano": zoo("nano", 28),
  "repvgg-nano-acb": zoo("nano", 28, { block: "acb" }),
  "repvgg-nano-dirac": zoo("nano", 28, { block: "dirac" }),
  "repvgg-nano-qarepvgg": zoo("nano", 28, { block: "qarepvgg" }),
  "repvgg-nano-relu-in-branches": zoo("nano", 28, { block: "relu-in-branches" }),

  "authors-tiny": file("oracles/tiny-train-bn.onnx"),
  "authors-tiny-g4": file("oracles/tiny-g4-train.onnx"),
  "authors-tiny-se": file("oracles/tiny-se-train.onnx"),
  "authors-tiny-deploy": file("oracles/tiny-deploy.onnx"),
  "authors-block-acb": file("oracles/block-acb-bn.onnx"),
  "authors-block-dbb": file("oracles/block-dbb-bn.onnx"),
  "authors-block-mobileone": file("oracles/block-mobileone-k4-bn.onnx"),
  "authors-block-mobileone-depthwise": file("oracles/block-mobileone-dw-bn.onnx"),

  "resnet-18": usual(() => resnet(18, { weights: named }), 224),
  "resnet-50": usual(() => resnet(50, { weights: named }), 224),
  "vgg-16": usual(vgg16, 224),
  "mobilenet-v2": usual(mobileNetV2, 224),
  "yolov9-t": usual(() => yolov9t({ side: 640 }), 640, "images"),

  "exported-convnext": file("third-party/nets/convnext-net.onnx"),
  "exported-densenet": file("third-party/nets/densenet-net-bn.onnx"),
  "exported-detector-with-suppression": file("third-party/nets/detector-net-suppression.onnx"),
  "exported-efficientnet": file("third-party/nets/efficientnet-net-bn.onnx"),
  "exported-face-detector": file("third-party/nets/face-net-opset9-bn.onnx"),
  "exported-fastvit": file("third-party/nets/fastvit-net-bn.onnx"),
  "exported-mobileone": file("third-party/nets/mobileone-net-bn.onnx"),
  "exported-paddle-ocr-detection": file("third-party/nets/ppocr-detection-net.onnx", [1, 3, 32, 64]),
  "exported-paddle-ocr-recognition": file("third-party/nets/ppocr-recognition-net.onnx", [1, 3, 8, 32]),
  "exported-repghost": file("third-party/nets/repghost-net-bn.onnx"),
  "exported-repvit": file("third-party/nets/repvit-net-bn.onnx"),
  "exported-rtdetr-encoder": file("third-party/nets/rtdetr-encoder-net-bn.onnx"),
  "exported-shufflenet": file("third-party/nets/shufflenet-net-bn.onnx"),
  "exported-speaker": file("third-party/nets/speaker-net-bn.onnx", [1, 40, 8]),
  "exported-super-resolution": file("third-party/nets/span-net.onnx"),
  "exported-tensorflow": file("third-party/nets/tensorflow-net.onnx"),
  "exported-unet": file("third-party/nets/unet-net-bn.onnx"),
  "exported-unireplknet": file("third-party/nets/unireplknet-net-bn.onnx"),
  "exported-yolov7-tiny": file("third-party/nets/yolov7-tiny-net-bn.onnx"),
  "exported-yolov10-head": file("third-party/nets/yolov10-head-net.onnx"),
};

function zoo(name, side, { batch = 1, block, unfused = false } = {}) {
  return () => {
    const net = architecture(name, block ? { block } : {});
    const state = new Map();
    for (const entry of stateSchema(net, "train").values()) state.set(entry.name, weights(entry));
    return {
      graph: toGraph({ architecture: net, form: "train", state }),
      shapes: { input: [batch, net.inputChannels, side, side] },
      counts: counts(net, side),
      unfused,
    };
  };
}

function usual(build, side, input = "input") {
  return () => ({ graph: build(), shapes: { [input]: [1, 3, side, side] } });
}

/** @param shape of its input, where the file leaves more open than the batch */
function file(path, shape) {
  return () => {
    const { graph } = fromOnnx(readOnnx(readFileSync(new URL(path, fixtures))));
    const closed = (sizes) => sizes.map((size, axis) => (typeof size === "string" && axis === 0 ? 1 : size));
    const shapes = graph.inputs.map((input) => [input.name, shape ?? closed(input.shape)]);
    return { graph, shapes: Object.fromEntries(shapes) };
  };
}

/** Random numbers by name, made when they are asked for; above 0 for what is divided by or scales (a BatchNorm with γ = 0 is another net). */
function weights({ name, shape, dtype = "f32", kind = "conv" }) {
  if (dtype === "i64") return { dtype, shape, data: new BigInt64Array(1) };
  const [low, high] = kind === "bn-var" || kind === "bn-weight" ? [0.5, 1.5] : [-0.5, 0.5];
  return deferredArray("f32", shape, (target, from) => {
    const rng = rngFor(0, name);
    for (let i = 0; i < from; i++) rng.uniform(low, high);
    for (let i = 0; i < target.length; i++) target[i] = rng.uniform(low, high);
  });
}

function named(name, shape) {
  return weights({ name, shape });
}

/** Convolution with BatchNorm, as in every net of its time. */
class Net extends GraphBuilder {
  convolution(name, x, from, to, kernel, { stride = 1, groups = 1 } = {}) {
    const weight = weights({ name: `${name}.weight`, shape: [to, from / groups, kernel, kernel] });
    return this.conv(name, x, weight, { stride, groups, padding: (kernel - 1) / 2 });
  }

  unit(name, x, from, to, kernel, options) {
    const vector = (kind) => weights({ name: `${name}.${kind}`, shape: [to], kind });
    return this.batchNorm(`${name}.bn`, this.convolution(name, x, from, to, kernel, options), {
      weight: vector("bn-weight"),
      bias: vector("bn-bias"),
      mean: vector("bn-mean"),
      variance: vector("bn-var"),
    });
  }

  linear(name, x, from, to) {
    this.constant(`${name}.weight`, weights({ name: `${name}.weight`, shape: [to, from] }));
    this.constant(`${name}.bias`, weights({ name: `${name}.bias`, shape: [to] }));
    return this.add("Gemm", name, [x, `${name}.weight`, `${name}.bias`], { transB: int(1) });
  }

  images(name, output) {
    return this.graph(
      name,
      [valueInfo("input", ["batch", 3, "height", "width"])],
      [valueInfo(output, ["batch", 1000])],
    );
  }
}

/** VGG-16 with BatchNorm (Simonyan and Zisserman 2014, table 1, column D). */
function vgg16() {
  const net = new Net();
  let [x, channels] = ["input", 3];
  for (const [stage, [depth, width]] of [
    [2, 64],
    [2, 128],
    [3, 256],
    [3, 512],
    [3, 512],
  ].entries()) {
    for (let layer = 0; layer < depth; layer++) {
      const name = `conv${stage + 1}.${layer + 1}`;
      x = net.add("Relu", `${name}.relu`, [net.unit(name, x, channels, width, 3)]);
      channels = width;
    }
    x = net.add("MaxPool", `pool${stage + 1}`, [x], { kernel_shape: ints([2, 2]), strides: ints([2, 2]) });
  }
  x = net.add("Flatten", "flatten", [x], { axis: int(1) });
  x = net.add("Relu", "fc6.relu", [net.linear("fc6", x, 512 * 7 * 7, 4096)]);
  x = net.add("Relu", "fc7.relu", [net.linear("fc7", x, 4096, 4096)]);
  return net.images("VGG-16", net.linear("fc8", x, 4096, 1000));
}

/** MobileNetV2 (Sandler et al. 2018, table 2). */
function mobileNetV2() {
  const net = new Net();
  net.constant("zero", f32([], Float32Array.of(0)));
  net.constant("six", f32([], Float32Array.of(6)));
  const relu6 = (name, value) => net.add("Clip", name, [value, "zero", "six"]);
  let x = relu6("stem.relu6", net.unit("stem", "input", 3, 32, 3, { stride: 2 }));
  let channels = 32;
  const stages = [
    [1, 16, 1, 1],
    [6, 24, 2, 2],
    [6, 32, 3, 2],
    [6, 64, 4, 2],
    [6, 96, 3, 1],
    [6, 160, 3, 2],
    [6, 320, 1, 1],
  ];
  for (const [stage, [expansion, width, repeats, firstStride]] of stages.entries()) {
    for (let block = 0; block < repeats; block++) {
      const name = `block${stage + 1}.${block + 1}`;
      const stride = block === 0 ? firstStride : 1;
      const inner = expansion * channels;
      let y = x;
      if (expansion > 1) y = relu6(`${name}.expand.relu6`, net.unit(`${name}.expand`, y, channels, inner, 1));
      y = relu6(
        `${name}.depthwise.relu6`,
        net.unit(`${name}.depthwise`, y, inner, inner, 3, { stride, groups: inner }),
      );
      y = net.unit(`${name}.project`, y, inner, width, 1);
      x = stride === 1 && channels === width ? net.add("Add", `${name}.add`, [x, y]) : y;
      channels = width;
    }
  }
  x = relu6("last.relu6", net.unit("last", x, channels, 1280, 1));
  x = net.add("Flatten", "flatten", [net.add("GlobalAveragePool", "pool", [x])], { axis: int(1) });
  return net.images("MobileNetV2", net.linear("classifier", x, 1280, 1000));
}
