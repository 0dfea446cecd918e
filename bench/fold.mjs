// Folding a checkpoint of a trained RepVGG beside PyTorch's own conversion, in one run, in turn.
//   node bench/fold.mjs [--rounds 5] [--models A0,B1,B3] [--write]
// Both read the same .pth from the system's file cache and write a file of the same size: ours .safetensors, flushed to the disk
// (fsync) before it gets its name, PyTorch's .pth, not flushed. Times are the programs' own, without the start of the process
// (Node and this package's modules; `import torch`), which stands beside them. Memory is the process's peak (maximum resident set).
import { mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { command, machine, python, runPeer, summary, writeResults } from "./lib.mjs";

const { values } = parseArgs({
  options: {
    rounds: { type: "string", default: "5" },
    models: { type: "string", default: "A0,B1,B3" },
    write: { type: "boolean", default: false },
  },
});

const folder = mkdtempSync(join(tmpdir(), "repvgg-bench-fold-"));
const rows = [];
try {
  for (const model of values.models.split(",")) rows.push(await compare(model));
} finally {
  rmSync(folder, { recursive: true });
}
if (values.write) writeResults("fold", { machine: machine(), command, rows });

async function compare(model) {
  const checkpoint = join(folder, `${model}.pth`);
  // In a process of its own: a child's peak counts the parent's memory at its start.
  runPeer(process.execPath, ["bench/peers/fold_checkpoint.mjs", model, checkpoint]);
  const [ours, theirs] = ["ours.safetensors", "theirs.pth"].map((name) => join(folder, name));
  const runs = { repvgg: [], pytorch: [] };
  for (let round = 0; round < Number(values.rounds); round++) {
    runs.repvgg.push(runPeer(process.execPath, ["bench/peers/fold_repvgg.mjs", checkpoint, ours]));
    runs.pytorch.push(runPeer(python, ["bench/peers/fold_pytorch.py", checkpoint, theirs]));
  }
  const check = runPeer(python, ["bench/peers/fold_pytorch.py", checkpoint, theirs, ours]);
  const modelMB = statSync(checkpoint).size / 1e6;
  const figures = (list) => {
    const done = list.filter(Boolean);
    if (done.length === 0) return undefined;
    const of = (key) => summary(done.map((run) => run[key]));
    const peakMB = of("peakMB");
    return { milliseconds: of("milliseconds"), startMilliseconds: of("startMilliseconds"), peakMB };
  };
  const row = {
    model,
    modelMB,
    repvgg: figures(runs.repvgg),
    pytorch: figures(runs.pytorch),
    largestRelativeDifference: check?.largestDifference,
  };
  const line = ({ milliseconds, startMilliseconds, peakMB }) =>
    `${(milliseconds.median / 1000).toFixed(2)} s (${(milliseconds.lowerQuartile / 1000).toFixed(2)}–${(milliseconds.upperQuartile / 1000).toFixed(2)}) after ${(startMilliseconds.median / 1000).toFixed(2)} s of start, peak ${peakMB.median.toFixed(0)} MB (${(peakMB.median / modelMB).toFixed(2)} × the file)`;
  console.log(`${model}, ${modelMB.toFixed(0)} MB in training form`);
  console.log(`  repvgg   ${line(row.repvgg)}`);
  if (row.pytorch) {
    row.timeRatioToPytorch = row.repvgg.milliseconds.median / row.pytorch.milliseconds.median;
    row.memoryRatioToPytorch = row.repvgg.peakMB.median / row.pytorch.peakMB.median;
    console.log(`  PyTorch  ${line(row.pytorch)}`);
    console.log(
      `  ratio: time ${row.timeRatioToPytorch.toFixed(2)}, memory ${row.memoryRatioToPytorch.toFixed(2)}; weights differ by at most ${check?.largestDifference?.toExponential(1)} of a tensor's largest`,
    );
  }
  return row;
}
