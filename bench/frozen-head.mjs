// A head on a frozen backbone: the built command with default options beside a multinomial logistic regression, fitted to its optimum in
// float64 on the same features. 10 classes × 200 training pictures of the shipped part of Fashion-MNIST.
//   node bench/frozen-head.mjs --from NET [--seeds 3] [--threads 2] [--write]
// NET: for instance the source net of bench/transfer.mjs (OUT/source/run/model.safetensors), or the shipped CIFAR-10 net (the default).
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { createBackend } from "#repvgg/backend/select.node.js";
import { createLoader } from "#repvgg/data/loader.node.js";
import { loadModel, openDataset } from "#repvgg/index.js";
import { trainConfig } from "#repvgg/train/config.js";
import { computeFeatures } from "#repvgg/train/features.js";
import { writePictures } from "../scripts/fashion-pictures.mjs";
import { machine, writeResults } from "./lib.mjs";
import { fitHead, headAccuracy } from "./logistic-regression.mjs";

const shipped = fileURLToPath(new URL("../assets/models/cifar10/train.safetensors", import.meta.url));
const { values } = parseArgs({
  options: {
    from: { type: "string", default: shipped },
    seeds: { type: "string", default: "3" },
    threads: { type: "string" },
    write: { type: "boolean", default: false },
  },
});
const main = fileURLToPath(new URL("../dist/cli/main.js", import.meta.url));
const threads = values.threads ? ["--threads", values.threads] : [];
const folder = mkdtempSync(join(tmpdir(), "repvgg-head-"));
const backend = await createBackend({});
try {
  const data = join(folder, "pictures");
  await writePictures(data, { train: 2000, test: 2000 });
  const model = await loadModel(values.from);
  const config = trainConfig({ augmentation: {}, freeze: "all-but-head" });
  const [own, tested] = [await features("train"), await features("test")];
  const classes = 10;
  const oracle = { top1: headAccuracy(fitHead(own, classes, { weightDecay: config.weightDecay }), tested, classes) };
  const rows = [];
  for (let seed = 0; seed < Number(values.seeds); seed++) {
    const run = join(folder, `run-${seed}`);
    const started = performance.now();
    const { test } = repvgg(
      "train",
      data,
      "--from",
      values.from,
      "--freeze",
      "all-but-head",
      "--seed",
      String(seed),
      "--no-report",
      "--out",
      run,
    );
    rows.push({ seed, top1: test.top1, seconds: Number(((performance.now() - started) / 1000).toFixed(1)) });
    console.log(`seed ${seed}: ${(100 * test.top1).toFixed(2)} % in ${rows.at(-1).seconds} s`);
  }
  console.log(`logistic regression on the same features: ${(100 * oracle.top1).toFixed(2)} %`);
  if (values.write) {
    const named = values.from === shipped ? "" : " --from OUT/source/run/model.safetensors";
    const command = `node bench/frozen-head.mjs${named} --seeds ${values.seeds} --write`;
    const net = { name: model.architecture.name, features: own.shape };
    writeResults("frozen-head", { machine: machine(), command, net, oracle, rows });
  }

  async function features(split) {
    const dataset = await openDataset(data, split);
    const { size, channels, cropRatio } = model.metadata.preprocessing;
    const loader = createLoader(dataset, { batchSize: 64, size, channels, cropRatio, seed: 0 });
    try {
      return await computeFeatures(backend, model, config, loader, { pictures: dataset.length });
    } finally {
      await loader.dispose();
    }
  }
} finally {
  await backend.dispose();
  rmSync(folder, { recursive: true, force: true });
}

function repvgg(...args) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [main, ...args, "--json", ...threads], {
    encoding: "utf8",
  });
  if (status !== 0) throw new Error(stderr);
  return JSON.parse(stdout);
}
