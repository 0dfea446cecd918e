// Training throughput of RepVGG-A0 (training form) in TensorFlow.js. Arguments and output as train_pytorch.py.
// THREADS is for the wasm backend, which has no gradient of a convolution's weights (Conv2DBackpropFilter) up to 4.22 and so
// cannot train: then the plain JavaScript backend is measured and named. It takes minutes a step, so that is not warmed up.

import { createRequire } from "node:module";
import { dirname } from "node:path";
import * as tf from "@tensorflow/tfjs";
import { setThreadsCount, setWasmPaths } from "@tensorflow/tfjs-backend-wasm";

const [size, batch, threads, seconds] = process.argv.slice(2).map(Number);
const require = createRequire(import.meta.url);
setWasmPaths(`${dirname(require.resolve("@tensorflow/tfjs-backend-wasm/package.json"))}/dist/`);
setThreadsCount(threads);

function build() {
  const input = tf.input({ shape: [size, size, 3] });
  const branch = (x, filters, kernelSize, strides) =>
    tf.layers
      .batchNormalization()
      .apply(tf.layers.conv2d({ filters, kernelSize, strides, padding: "same", useBias: false }).apply(x));
  const block = (x, filters, strides) => {
    const branches = [branch(x, filters, 3, strides), branch(x, filters, 1, strides)];
    if (strides === 1 && x.shape[3] === filters) branches.push(tf.layers.batchNormalization().apply(x));
    return tf.layers.reLU().apply(tf.layers.add().apply(branches));
  };
  let x = block(input, 48, 2);
  const widths = [48, 96, 192, 1280];
  for (const [stage, depth] of [2, 4, 14, 1].entries()) {
    for (let i = 0; i < depth; i++) x = block(x, widths[stage], i === 0 ? 2 : 1);
  }
  x = tf.layers.globalAveragePooling2d({}).apply(x);
  const model = tf.model({ inputs: input, outputs: tf.layers.dense({ units: 1000 }).apply(x) });
  const loss = (labels, logits) => tf.losses.softmaxCrossEntropy(labels, logits);
  model.compile({ optimizer: tf.train.momentum(0.01, 0.9), loss });
  return model;
}

async function measure(backend) {
  await tf.setBackend(backend);
  const model = build();
  const x = tf.randomNormal([batch, size, size, 3]);
  const labels = tf.oneHot(tf.randomUniform([batch], 0, 1000, "int32"), 1000);
  const milliseconds = [];
  const start = performance.now();
  do {
    const before = performance.now();
    await model.trainOnBatch(x, labels);
    milliseconds.push(performance.now() - before);
  } while (performance.now() - start < seconds * 1000);
  return milliseconds;
}

let backend = "wasm";
let milliseconds;
try {
  milliseconds = await measure("wasm");
} catch {
  backend = "cpu";
  milliseconds = await measure("cpu");
}
console.log(JSON.stringify({ tfjs: tf.version.tfjs, backend, milliseconds }));
