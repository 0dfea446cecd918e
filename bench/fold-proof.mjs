// What proving a fold costs: `repvgg fold FILE` with and without its proof, each in a process of its own, in turn.
//   node bench/fold-proof.mjs [--models A0,B1,YOLOv9-t] [--rounds 3] [--precision f16] [--write]
// CPU seconds of all threads, which hardly depend on what else the machine does; wall-clock seconds stand beside them. Both from reading the file to
// writing the new one, without the start of the process (Node and this package's modules), which stands beside them too.
// RepVGGs are .pth in training form, YOLOv9-t (bench/models/yolov9.mjs) is .onnx for one picture of 640×640.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { runCommand } from "#repvgg/cli/program.js";
import { saveNet } from "#repvgg/exchange/save-net.node.js";
import { command, machine, runPeer, summary, writeResults } from "./lib.mjs";
import { yolov9t } from "./models/yolov9.mjs";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    models: { type: "string", default: "A0,B1,YOLOv9-t" },
    rounds: { type: "string", default: "3" },
    precision: { type: "string", default: "f32" },
    write: { type: "boolean", default: false },
  },
});
if (positionals[0] === "make") await make(positionals[1]);
else if (positionals[0] === "fold") await measure(positionals.slice(1));
else compareAll();

function compareAll() {
  const folder = mkdtempSync(join(tmpdir(), "repvgg-bench-fold-proof-"));
  try {
    const rows = values.models.split(",").map((model) => compare(model, folder));
    if (values.write) writeResults("fold-proof", { machine: machine(), command, rows });
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function compare(model, folder) {
  const own = fileURLToPath(import.meta.url);
  const path = join(folder, model === "YOLOv9-t" ? "yolov9t.onnx" : `${model}.pth`);
  if (model === "YOLOv9-t") runPeer(process.execPath, [own, "make", path]);
  else runPeer(process.execPath, ["bench/peers/fold_checkpoint.mjs", model, path]);
  const output = path.replace(/\.\w+$/, model === "YOLOv9-t" ? ".folded.onnx" : ".safetensors");
  const runs = { alone: [], proven: [] };
  for (let round = 0; round < Number(values.rounds); round++) {
    for (const way of Object.keys(runs)) {
      const options = ["--precision", values.precision];
      runs[way].push(runPeer(process.execPath, [own, "fold", path, output, way, ...options]));
    }
  }
  const figures = (key) => {
    const [alone, proven] = [runs.alone, runs.proven].map((list) => summary(list.map((run) => run[key])));
    return { alone, proven, ratio: proven.median / alone.median };
  };
  const [cpuSeconds, wallSeconds, startSeconds] = ["cpuSeconds", "wallSeconds", "startSeconds"].map(figures);
  const say = ({ alone, proven, ratio }) =>
    `${alone.median.toFixed(2)} s alone, ${proven.median.toFixed(2)} s with proof (× ${ratio.toFixed(2)})`;
  console.log(
    `${model}, weights as ${values.precision}: ${say(cpuSeconds)} of CPU after ${startSeconds.alone.median.toFixed(2)} s of start`,
  );
  console.log(`  by the clock ${say(wallSeconds)}`);
  return { model, precision: values.precision, cpuSeconds, wallSeconds, startSeconds };
}

async function make(path) {
  await saveNet({ graph: yolov9t(), source: { format: "onnx", notes: [] } }, path);
  console.log(JSON.stringify({ path }));
}

async function measure([input, output, way]) {
  const cpuSince = (before) => {
    const { user, system } = process.cpuUsage(before);
    return (user + system) / 1e6;
  };
  const [startSeconds, cpu, wall] = [cpuSince(), process.cpuUsage(), performance.now()];
  const options = ["--quiet", ...(way === "alone" ? ["--no-verify"] : [])];
  const precision = values.precision === "f32" ? [] : ["--precision", values.precision];
  await runCommand(["fold", input, "-o", output, ...options, ...precision]);
  console.log(
    JSON.stringify({ cpuSeconds: cpuSince(cpu), wallSeconds: (performance.now() - wall) / 1e3, startSeconds }),
  );
}
