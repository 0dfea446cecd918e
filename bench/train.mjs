// Training throughput of RepVGG-A0 beside PyTorch and TensorFlow.js, in one run, in turn.
//   node bench/train.mjs [--rounds 3] [--seconds 8] [--write]
// PyTorch: Debian's python3-torch with libopenblas0-pthread. Its malloc gives memory back to the system at every step and is
// then bound by page faults; it gets the settings under which it is fastest (GLIBC_TUNABLES below).
import { parseArgs } from "node:util";
import { nativeAbsence } from "#repvgg/backend/native/native-backend.js";
import { backendKinds } from "#repvgg/backend/options.js";
import { command, machine, python, runPeer, summary, writeResults } from "./lib.mjs";

const { values } = parseArgs({
  options: {
    rounds: { type: "string", default: "3" },
    seconds: { type: "string", default: "8" },
    write: { type: "boolean", default: false },
  },
});
const torchEnvironment = { GLIBC_TUNABLES: "glibc.malloc.mmap_max=0:glibc.malloc.trim_threshold=100000000000" };
const kinds = backendKinds.filter((kind) => kind !== "native" || nativeAbsence() === undefined);
const cases = [
  { size: 32, batch: 64 },
  { size: 224, batch: 16 },
];

const rows = [];
for (const { size, batch } of cases) {
  for (const threads of [1, 2]) {
    const args = [size, batch, threads, values.seconds].map(String);
    const times = Object.fromEntries([...kinds, "pytorch", "tfjs"].map((engine) => [engine, []]));
    let tfjsBackend = "";
    for (let round = 0; round < Number(values.rounds); round++) {
      for (const kind of kinds) {
        const own = ["bench/peers/train_repvgg.mjs", ...args];
        times[kind].push(...(runPeer(process.execPath, own, { env: { REPVGG_BACKEND: kind } })?.milliseconds ?? []));
      }
      times.pytorch.push(
        ...(runPeer(python, ["bench/peers/train_pytorch.py", ...args], { env: torchEnvironment })?.milliseconds ?? []),
      );
      // TensorFlow.js takes minutes a step and does not get faster by threads: one picture, once, is enough.
      if (round > 0 || size > 32 || threads > 1) continue;
      const tfjs = runPeer(process.execPath, ["bench/peers/train_tfjs.mjs", String(size), "1", "1", "0"]);
      if (!tfjs) continue;
      tfjsBackend = tfjs.backend;
      times.tfjs.push(...tfjs.milliseconds.map((ms) => ms * batch));
    }
    const engines = Object.entries(times).filter(([, list]) => list.length > 0);
    const stepMilliseconds = Object.fromEntries(engines.map(([engine, list]) => [engine, summary(list)]));
    const speed = ([engine, { median }]) => [engine, (batch * 1000) / median];
    const imagesPerSecond = Object.fromEntries(Object.entries(stepMilliseconds).map(speed));
    const ratioToPytorch = Object.fromEntries(
      kinds.map((kind) => [kind, imagesPerSecond[kind] / imagesPerSecond.pytorch]),
    );
    rows.push({
      ...{ model: "A0", size, batch, threads, imagesPerSecond, stepMilliseconds },
      ...(imagesPerSecond.pytorch && { ratioToPytorch }),
      ...(tfjsBackend && { tfjsBackend }),
    });
    console.log(`A0 ${size}×${size} batch ${batch}, ${threads} thread${threads > 1 ? "s" : ""}`);
    for (const [engine, { median, lowerQuartile, upperQuartile }] of Object.entries(stepMilliseconds)) {
      const quartiles = [lowerQuartile, upperQuartile].map((ms) => ms.toFixed(0)).join("–");
      const ratio = ratioToPytorch[engine] ? `, ${ratioToPytorch[engine].toFixed(2)} × PyTorch` : "";
      console.log(
        `  ${engine.padEnd(8)} ${imagesPerSecond[engine].toPrecision(4)} img/s (${median.toFixed(0)}, ${quartiles} ms a step)${ratio}`,
      );
    }
  }
}
if (values.write) writeResults("train", { machine: machine(), command, rows });
