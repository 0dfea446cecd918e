// Training throughput of RepVGG-A0 beside PyTorch and TensorFlow.js, in one run, in turn.
//   node bench/train.mjs [--rounds 3] [--seconds 8] [--write]
// PyTorch: Debian's python3-torch with libopenblas0-pthread. Its malloc gives memory back to the system at every step and is
// then bound by page faults; it gets the settings under which it is fastest (GLIBC_TUNABLES below).
import { parseArgs } from "node:util";
import { machine, python, runPeer, summary, writeResults } from "./lib.mjs";

const { values } = parseArgs({
  options: {
    rounds: { type: "string", default: "3" },
    seconds: { type: "string", default: "8" },
    write: { type: "boolean", default: false },
  },
});
const torchEnvironment = { GLIBC_TUNABLES: "glibc.malloc.mmap_max=0:glibc.malloc.trim_threshold=100000000000" };
const cases = [
  { size: 32, batch: 64 },
  { size: 224, batch: 16 },
];

const rows = [];
for (const { size, batch } of cases) {
  for (const threads of [1, 2]) {
    const args = [size, batch, threads, values.seconds].map(String);
    const times = { repvgg: [], pytorch: [], tfjs: [] };
    let tfjsBackend = "";
    for (let round = 0; round < Number(values.rounds); round++) {
      times.repvgg.push(...(runPeer(process.execPath, ["bench/peers/train_repvgg.mjs", ...args])?.milliseconds ?? []));
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
    const imagesPerSecond = (list) => (list.length ? (batch * 1000) / summary(list).median : undefined);
    const [ours, torch, tfjs] = [times.repvgg, times.pytorch, times.tfjs].map(imagesPerSecond);
    rows.push({
      ...{ model: "A0", size, batch, threads },
      imagesPerSecond: { repvgg: ours, pytorch: torch, tfjs },
      ratioToPytorch: ours / torch,
      ...(tfjs && { ratioToTfjs: ours / tfjs, tfjsBackend }),
      stepMilliseconds: { repvgg: summary(times.repvgg), ...(torch && { pytorch: summary(times.pytorch) }) },
    });
    const spread = ({ q1, q3 }) => `${q1.toFixed(0)}–${q3.toFixed(0)} ms`;
    console.log(
      `A0 ${size}×${size} batch ${batch}, ${threads} thread${threads > 1 ? "s" : ""}: repvgg ${ours?.toFixed(1)} img/s (${spread(summary(times.repvgg))} a step)` +
        (torch
          ? `, PyTorch ${torch.toFixed(1)} (${spread(summary(times.pytorch))}), ratio ${(ours / torch).toFixed(2)}`
          : "") +
        (tfjs ? `, TensorFlow.js (${tfjsBackend}) ${tfjs.toPrecision(2)}, ratio ${(ours / tfjs).toFixed(0)}` : ""),
    );
  }
}
if (values.write) writeResults("train", { machine: machine(), command: "node bench/train.mjs --write", rows });
