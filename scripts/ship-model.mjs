// Copies the net that a run gave to a folder of assets/models/, in both forms, as float16, with what made it; paths of this machine stay out.
// node scripts/ship-model.mjs FOLDER PICTURES "name of the data" RUN "command that trained it" [RUN "command" …]
// Of several runs, each began with the net of the one before. Its test accuracy is measured here, once: PICTURES is a folder or known
// name with a test split.
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { evaluate, fold, loadModel, saveModel } from "../dist/index.js";

const [folder, pictures, data, ...runArguments] = process.argv.slice(2);
if (!folder || !pictures || !data || runArguments.length === 0 || runArguments.length % 2 === 1) {
  console.error(
    'node scripts/ship-model.mjs FOLDER PICTURES "name of the data" RUN "command that trained it" [RUN "command" …]',
  );
  process.exit(1);
}

/** @returns what a run was told, and what became of it, epoch by epoch */
function readRun(run, command) {
  const records = readFileSync(join(run, "metrics.jsonl"), "utf8")
    .split("\n")
    .filter((line) => line.startsWith('{"kind":"epoch"'))
    .map((line) => JSON.parse(line));
  // A run that went on after a stop has written an epoch twice: the later record counts.
  const byEpoch = new Map(records.map(({ wallTime: _, kind: __, ...record }) => [record.epoch, record]));
  const { config, arithmetic } = JSON.parse(readFileSync(join(run, "config.json"), "utf8"));
  return { run, command, config, arithmetic, epochs: [...byEpoch.values()] };
}

const runs = [];
for (let i = 0; i < runArguments.length; i += 2) runs.push(readRun(runArguments[i], runArguments[i + 1]));
const last = runs.at(-1);
const epochsBefore = runs.slice(0, -1).reduce((sum, { epochs }) => sum + epochs.length, 0);

const trained = await loadModel(join(last.run, "model.safetensors"));
const [, count = "all pictures", epoch] =
  /(\d+ pictures), (\d+) epochs$/.exec(trained.metadata.provenance["trainedOn"]) ?? [];
const { top1, images } = await evaluate(trained, pictures, { split: "test" });
const provenance = {
  ...trained.metadata.provenance,
  trainedOn: `${data}, ${count}, ${epochsBefore + Number(epoch)} epochs`,
  testTop1: top1.toFixed(4),
  command: runs.map(({ command }) => command).join(" && "),
};
const half = { precision: "f16" };
mkdirSync(folder, { recursive: true });
await saveModel({ ...trained, metadata: { ...trained.metadata, provenance } }, join(folder, "train.safetensors"), half);
// What is shipped is folded, not what was rounded to it: both forms are one net.
await saveModel(fold(await loadModel(join(folder, "train.safetensors"))), join(folder, "plain.safetensors"), half);
const told = runs.map(({ command, config, arithmetic }) => ({ command, config, arithmetic }));
writeFileSync(join(folder, "config.json"), `${JSON.stringify({ data, runs: told }, null, 2)}\n`);
const lines = runs.flatMap(({ epochs }, i) => epochs.map((record) => JSON.stringify({ run: i + 1, ...record })));
writeFileSync(join(folder, "metrics.jsonl"), lines.map((line) => `${line}\n`).join(""));
console.log(`epoch ${epoch} of ${last.config.epochs}: top-1 ${(100 * top1).toFixed(2)} % of ${images} test pictures`);
