// Training throughput of RepVGG-A0 (training form) in this package. Arguments and output as train_pytorch.py.
import { createBackend } from "#repvgg/backend/select.node.js";
import { rngFor } from "#repvgg/core/rng.js";
import { repvgg } from "#repvgg/nn/repvgg.js";
import { trainConfig } from "#repvgg/train/config.js";
import { Trainer } from "#repvgg/train/trainer.js";

const [size, batch, threads, seconds] = process.argv.slice(2).map(Number);
const backend = await createBackend({ threads });
const model = repvgg("A0", { inputSize: size });
const config = trainConfig({ learningRate: 0.01, nesterov: false, batchSize: batch, augmentation: {} });
const trainer = new Trainer(backend, model, config);
const rng = rngFor(0, "bench");
const images = Uint8Array.from({ length: batch * size * size * 3 }, () => rng.int(256));
const labels = Int32Array.from({ length: batch }, () => rng.int(1000));
const pictures = { size: batch, height: size, width: size, channels: 3, images, labels, indices: labels };

let done = 0;
const step = () => trainer.step(pictures, 0.01, 0, done++);
for (let i = 0; i < 3; i++) step();
const milliseconds = [];
const start = performance.now();
while (performance.now() - start < seconds * 1000 || milliseconds.length < 3) {
  const before = performance.now();
  step();
  milliseconds.push(performance.now() - before);
}
console.log(JSON.stringify({ backend: backend.name, peakMiB: (backend.memory.peakWords * 4) / 2 ** 20, milliseconds }));
trainer.dispose();
backend.dispose();
