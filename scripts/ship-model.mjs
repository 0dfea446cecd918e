// Copies a run's best net to a folder of assets/models/, in both forms, with what made it; paths of this machine stay out.
// node scripts/ship-model.mjs RUN FOLDER "name of the data" "command that trained it"
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fold, loadModel, saveModel } from "../dist/index.js";

const [run, folder, data, command] = process.argv.slice(2);
if (!run || !folder || !data || !command) {
  console.error('node scripts/ship-model.mjs RUN FOLDER "name of the data" "command that trained it"');
  process.exit(1);
}

const records = readFileSync(join(run, "metrics.jsonl"), "utf8")
  .split("\n")
  .filter((line) => line.startsWith('{"kind":"epoch"'))
  .map((line) => JSON.parse(line));
// A run that went on after a stop has written an epoch twice: the later record counts.
const byEpoch = new Map(records.map(({ wallTime: _, kind: __, ...record }) => [record.epoch, record]));
const epochs = [...byEpoch.values()];
const best = epochs.reduce((a, b) => (b.testTop1 > a.testTop1 ? b : a));
const { config, arithmetic } = JSON.parse(readFileSync(join(run, "config.json"), "utf8"));

const trained = await loadModel(join(run, "best.safetensors"));
const pictures = /\d+ pictures/.exec(trained.metadata.provenance["trainedOn"])?.[0] ?? "all pictures";
const provenance = {
  ...trained.metadata.provenance,
  trainedOn: `${data}, ${pictures}, ${best.epoch} epochs`,
  testTop1: best.testTop1.toFixed(4),
  command,
};
const model = { ...trained, metadata: { ...trained.metadata, provenance } };
mkdirSync(folder, { recursive: true });
await saveModel(model, join(folder, "train.safetensors"));
await saveModel(fold(model), join(folder, "plain.safetensors"));
writeFileSync(join(folder, "config.json"), `${JSON.stringify({ command, data, config, arithmetic }, null, 2)}\n`);
writeFileSync(join(folder, "metrics.jsonl"), epochs.map((record) => `${JSON.stringify(record)}\n`).join(""));
console.log(`epoch ${best.epoch} of ${config.epochs}: test top-1 ${(100 * best.testTop1).toFixed(2)} %`);
