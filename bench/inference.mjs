// Inference beside onnxruntime-node, onnxruntime-web and TensorFlow.js: each engine in a process of its own, in turn, one run for all.
//   npm run bench:inference -- [--models A0,A2,B1g4,ResNet-50] [--threads 1,2] [--kernels native,wasm] [--rounds 7] [--seconds 1] [--write]
// The same measurement as `repvgg bench` (src/studies/bench), with ResNet-50 and the size of our kernels beside it.
import { readFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { gzipSync } from "node:zlib";
import { bench } from "#repvgg/studies/bench/bench.node.js";
import { ownEngine, ownEngines, peerNames } from "#repvgg/studies/bench/engines/registry.node.js";
import { netNamed } from "#repvgg/studies/bench/net-named.node.js";
import { benchHead, benchRows, describeNoise } from "#repvgg/studies/bench/text.js";
import { Terminal } from "#repvgg/terminal/terminal.js";
import { command, writeResults } from "./lib.mjs";
import { resnet } from "./models/resnet.mjs";

const list = (text) => text.split(",");
const { values } = parseArgs({
  options: {
    models: { type: "string", default: "A0,A2,B1g4,ResNet-50" },
    threads: { type: "string", default: "1,2" },
    kernels: { type: "string" },
    rounds: { type: "string", default: "7" },
    seconds: { type: "string", default: "1" },
    write: { type: "boolean", default: false },
  },
});

async function netOf(name) {
  const depth = /^ResNet-(\d+)$/.exec(name)?.[1];
  return depth ? { graph: resnet(Number(depth)), source: { format: "onnx", notes: [] } } : netNamed(name);
}

/** Bytes that a page has to load for our kernels. */
function kernelSizes() {
  const sizeOf = (file) => {
    const bytes = readFileSync(new URL(`../dist/kernels/${file}`, import.meta.url));
    return { bytes: bytes.length, gzipBytes: gzipSync(bytes, { level: 9 }).length };
  };
  return { simd: sizeOf("simd.wasm"), "simd-threads": sizeOf("simd-threads.wasm") };
}

const ours = values.kernels ? list(values.kernels).map(ownEngine) : ownEngines();
const nets = await Promise.all(list(values.models).map(async (name) => ({ name, net: await netOf(name) })));
const report = await bench({
  nets,
  engines: [...ours, ...peerNames],
  threads: list(values.threads).map(Number),
  size: [224, 224],
  rounds: Number(values.rounds),
  seconds: Number(values.seconds),
  onTurn: (done, total) => process.stderr.write(`turn ${done} of ${total}\n`),
});
const kernels = kernelSizes();
console.log(new Terminal({}).table(benchHead, benchRows(report.results)));
for (const [name, { bytes, gzipBytes }] of Object.entries(kernels)) {
  console.log(`kernels ${name}: ${(bytes / 1024).toFixed(1)} KiB, ${(gzipBytes / 1024).toFixed(1)} KiB gzipped`);
}
console.log(describeNoise(report.noise));
if (values.write) writeResults("inference", { command, ...report, kernels });
