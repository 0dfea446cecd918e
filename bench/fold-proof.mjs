// What proving a fold costs: CPU seconds of folding alone and of folding with proof (`foldVerified`), each in a process of its own, without reading
// and writing files. RepVGGs are folded as `repvgg fold` folds them.
//   node bench/fold-proof.mjs [--models A0,B1,YOLOv9-t] [--rounds 3] [--precision f16] [--write]
// CPU seconds count all threads, and hardly depend on what else the machine does; wall-clock seconds stand beside them.
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { foldNet } from "#repvgg/api/exchange/fold-net.js";
import { foldVerified } from "#repvgg/api/exchange/fold-verified.node.js";
import { netOf } from "#repvgg/api/exchange/net.js";
import { repvgg } from "#repvgg/nn/repvgg.js";
import { command, machine, runPeer, summary, writeResults } from "./lib.mjs";
import { yolov9t } from "./models/yolov9.mjs";
import { withStatistics } from "./peers/random-statistics.mjs";

const { values } = parseArgs({
  options: {
    models: { type: "string", default: "A0,B1,YOLOv9-t" },
    rounds: { type: "string", default: "3" },
    precision: { type: "string", default: "f32" },
    write: { type: "boolean", default: false },
    one: { type: "string" },
  },
});
const [model, mode] = values.one?.split(":") ?? [];
if (model) await measure();
else compareAll();

function compareAll() {
  const rows = values.models.split(",").map((name) => {
    const runs = { fold: [], proof: [] };
    for (let round = 0; round < Number(values.rounds); round++) {
      for (const way of Object.keys(runs)) {
        const options = ["--one", `${name}:${way}`, "--precision", values.precision];
        runs[way].push(runPeer(process.execPath, [fileURLToPath(import.meta.url), ...options]));
      }
    }
    const of = (list, key) => summary(list.map((run) => run[key]));
    const [alone, proven] = [runs.fold, runs.proof].map((list) => of(list, "cpuSeconds"));
    const wallSeconds = [runs.fold, runs.proof].map((list) => of(list, "wallSeconds"));
    const { regions, notRun } = runs.proof[0];
    const ratio = proven.median / alone.median;
    console.log(
      `${name}, ${regions} regions, weights as ${values.precision}: ${alone.median.toFixed(2)} s of CPU alone, ${proven.median.toFixed(2)} s with proof (× ${ratio.toFixed(2)}); by the clock ${wallSeconds.map(({ median }) => median.toFixed(2)).join(" and ")} s${notRun ? `; ${notRun}` : ""}`,
    );
    return { model: name, precision: values.precision, regions, cpuSeconds: { alone, proven, ratio }, wallSeconds };
  });
  if (values.write) writeResults("fold-proof", { machine: machine(), command, rows });
}

async function measure() {
  const net =
    model === "YOLOv9-t"
      ? { graph: yolov9t(), source: { format: "onnx", notes: [] } }
      : netOf(withStatistics(repvgg(model)));
  const [cpu, wall] = [process.cpuUsage(), performance.now()];
  const { precision } = values;
  const verification = mode === "proof" ? (await foldVerified(net, { precision })).verification : foldNet(net);
  const { user, system } = process.cpuUsage(cpu);
  const regions = verification.regions ?? verification.report.regions;
  const [cpuSeconds, wallSeconds] = [(user + system) / 1e6, (performance.now() - wall) / 1e3];
  console.log(JSON.stringify({ cpuSeconds, wallSeconds, regions: regions.length, notRun: verification.notRun }));
}
