// Convolutions of bytes beside those of float32, layer by layer, in one process: node bench/integers.mjs [options]
//   --net a0 | b1 | resnet50   --size 224   --threads 1   --passes 20   --kernels native | wasm | a native set (x86-64-v3)   --algorithm igemm   --json
// All layers of a net run one after another, first in float32, then in bytes, so that each finds its weights as cold as in a net; the best pass
// of a layer counts, and of the whole net. Algorithms are those that the cost models choose; --algorithm takes one for bytes wherever it applies.
// Numbers are no net's: only what is computed is (the largest Σ |w| is taken to be 100,000).
import { parseArgs } from "node:util";
import { algorithmOfOne, planConvForward } from "../dist/backend/conv/plan.js";
import { byteConvAlgorithms, planByteConv } from "../dist/backend/conv-bytes/plan.js";
import { createNativeBackend, nativeVariants } from "../dist/backend/native/native-backend.js";
import { createBackend } from "../dist/backend/select.node.js";
import { convGeometry, convMacs, convOutHeight, convOutWidth } from "../dist/core/conv-geometry.js";

const { values: options } = parseArgs({
  options: {
    net: { type: "string", default: "a0" },
    size: { type: "string", default: "224" },
    threads: { type: "string", default: "1" },
    passes: { type: "string", default: "20" },
    kernels: { type: "string", default: "native" },
    algorithm: { type: "string" },
    json: { type: "boolean", default: false },
  },
});
const largestSum = 100_000;

/** Convolutions in order: [channels out, kernel, stride, channels in if not those before, side of the input if not that before]. */
function repvgg(depths, widths) {
  return widths.flatMap((width, stage) => Array.from({ length: depths[stage] }, (_, i) => [width, 3, i === 0 ? 2 : 1]));
}
function resnet50() {
  const layers = [[64, 7, 2], "pool"];
  [3, 4, 6, 3].forEach((blocks, stage) => {
    const width = 64 << stage;
    for (let block = 0; block < blocks; block++) {
      const stride = block === 0 && stage > 0 ? 2 : 1;
      layers.push([width, 1, 1], [width, 3, stride], [4 * width, 1, 1]);
    }
  });
  return layers;
}
const nets = {
  a0: repvgg([1, 2, 4, 14, 1], [48, 48, 96, 192, 1280]),
  a2: repvgg([1, 2, 4, 14, 1], [64, 96, 192, 384, 1408]),
  b1: repvgg([1, 4, 6, 16, 1], [64, 128, 256, 512, 2048]),
  resnet50: resnet50(),
};

function geometries(net, size) {
  let [channels, side] = [3, size];
  return net.flatMap((layer) => {
    if (layer === "pool") {
      side = Math.ceil(side / 2);
      return [];
    }
    const [outChannels, kernel, stride] = layer;
    const sizes = { height: side, width: side, inChannels: channels, outChannels };
    const g = convGeometry({ ...sizes, kernel, stride, padding: (kernel - 1) / 2 });
    [channels, side] = [outChannels, convOutHeight(g)];
    return [g];
  });
}

const outputs = (g) => convOutHeight(g) * convOutWidth(g) * g.outChannels;
const weights = (g) => g.kernelHeight * g.kernelWidth * g.inChannels * g.outChannels;

function floats(backend, g) {
  const plan = planConvForward(g, backend, algorithmOfOne(g, "forward", backend));
  const [input, output, weight, bias] = [g.height * g.width * g.inChannels, outputs(g), weights(g), g.outChannels].map(
    (words) => backend.allocate(words),
  );
  const packed = backend.allocate(plan.packedWords);
  const workspace = plan.workspaceWords ? backend.allocate(plan.workspaceWords) : 0;
  const fill = (at, length) => {
    const all = backend.f32(at, length);
    for (let i = 0; i < length; i++) all[i] = ((i * 7919) % 1013) / 1013 - 0.5;
  };
  fill(input, g.height * g.width * g.inChannels);
  fill(weight, weights(g));
  fill(bias, g.outChannels);
  backend.run(plan.pack(weight, packed));
  backend.free(weight);
  const calls = plan.run({ input, output, packed, workspace, bias, relu: true });
  return { algorithm: plan.algorithm, packedWords: plan.packedWords, program: backend.compile(calls) };
}

function bytes(backend, g) {
  const { algorithm } = options;
  const wanted = algorithm && byteConvAlgorithms(g, backend, largestSum).includes(algorithm) ? algorithm : undefined;
  const plan = planByteConv(g, backend, largestSum, wanted);
  const row = (channels) => Math.ceil(channels / 4);
  const inputWords = g.height * g.width * row(g.inChannels);
  const input = backend.allocate(inputWords);
  const output = backend.allocate((outputs(g) / g.outChannels) * row(g.outChannels));
  const weight = backend.allocate(Math.ceil(weights(g) / 4));
  const [bias, multiplier] = [backend.allocate(g.outChannels), backend.allocate(g.outChannels)];
  const packed = backend.allocate(plan.packedWords);
  const fill = (at, length) => {
    const all = backend.u8(at, length);
    for (let i = 0; i < length; i++) all[i] = (i * 7919) % 251;
  };
  fill(input, 4 * inputWords);
  fill(weight, weights(g));
  backend.i32(bias, g.outChannels).fill(1000);
  backend.f32(multiplier, g.outChannels).fill(1e-4);
  backend.run(plan.pack(weight, packed));
  backend.free(weight);
  const range = { zero: 0, low: 0, high: 255 };
  const calls = plan.run({ input, inputZero: 0, output, packed, bias, multiplier, bytes: range });
  return { algorithm: plan.algorithm, packedWords: plan.packedWords, program: backend.compile(calls) };
}

const create = () =>
  nativeVariants().includes(options.kernels)
    ? createNativeBackend(Number(options.threads), options.kernels)
    : createBackend({ threads: Number(options.threads), kernels: options.kernels });

const backend = await create();
const layers = geometries(nets[options.net], Number(options.size));
const kinds = [floats, bytes].map((prepare) => {
  const prepared = layers.map((g) => prepare(backend, g));
  return { layers: prepared, best: prepared.map(() => Number.POSITIVE_INFINITY), total: Number.POSITIVE_INFINITY };
});
for (let pass = 0; pass <= Number(options.passes); pass++) {
  for (const kind of kinds) {
    let total = 0;
    kind.layers.forEach(({ program }, i) => {
      const start = performance.now();
      program.run();
      const time = performance.now() - start;
      total += time;
      if (pass > 0) kind.best[i] = Math.min(kind.best[i], time);
    });
    if (pass > 0) kind.total = Math.min(kind.total, total);
  }
}

const [float, byte] = kinds;
const results = layers.map((g, i) => ({
  name: `${g.inChannels} ${g.height} ${g.outChannels} ${g.kernelHeight} ${g.strideHeight}`,
  float: { algorithm: float.layers[i].algorithm, milliseconds: float.best[i] },
  bytes: { algorithm: byte.layers[i].algorithm, milliseconds: byte.best[i] },
  macs: convMacs(g),
}));
const mebibytes = (kind) => kind.layers.reduce((sum, { packedWords }) => sum + packedWords, 0) / 2 ** 18;
const summary = {
  float: float.total,
  bytes: byte.total,
  floatMebibytes: mebibytes(float),
  byteMebibytes: mebibytes(byte),
};
if (options.json)
  console.log(JSON.stringify({ backend: backend.name, threads: backend.threads, layers: results, summary }));
else {
  console.log(`${backend.name}, ${backend.threads} thread(s), ${options.net} at ${options.size}²`);
  console.log(
    "inputs side outputs kernel stride    float32 ms                     bytes ms                    times  GMAC/s",
  );
  for (const [i, { name, float, bytes, macs }] of results.entries()) {
    if (results.findIndex((other) => other.name === name) !== i) continue; // layers of one shape: the first
    const cell = ({ algorithm, milliseconds }) => `${milliseconds.toFixed(3).padStart(8)} ${algorithm.padEnd(20)}`;
    const times = (float.milliseconds / bytes.milliseconds).toFixed(2).padStart(6);
    console.log(
      `${name.padEnd(34)}${cell(float)} ${cell(bytes)}${times} ${(macs / bytes.milliseconds / 1e6).toFixed(0).padStart(7)}`,
    );
  }
  const { bytes: inBytes, floatMebibytes, byteMebibytes } = summary;
  console.log(
    `all: ${summary.float.toFixed(2)} ms float32, ${inBytes.toFixed(2)} ms bytes, ${(summary.float / inBytes).toFixed(2)} times as fast; packed weights ${floatMebibytes.toFixed(1)} and ${byteMebibytes.toFixed(1)} MiB`,
  );
}
backend.dispose();
