// Copies the net of one run to a folder of assets/models/, in both forms, as float16, with what made it; paths of this machine stay out.
// node scripts/ship-model.mjs FOLDER "name of the data" RUN RESULT "command that trained it"
// RESULT: the file into which `repvgg train … --json` printed its result. The test pictures are not looked at again.
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fold, loadModel, saveModel } from "../dist/index.js";

const [folder, data, run, resultFile, command, ...rest] = process.argv.slice(2);
if (!command || rest.length > 0) {
  console.error('node scripts/ship-model.mjs FOLDER "name of the data" RUN RESULT "command that trained it"');
  process.exit(1);
}

/** Records of the epochs, in order. A run that went on after a stop has written an epoch twice: the later record counts. */
function readEpochs() {
  const records = readFileSync(join(run, "metrics.jsonl"), "utf8")
    .split("\n")
    .filter((line) => line.startsWith('{"kind":"epoch"'))
    .map((line) => JSON.parse(line));
  return [...new Map(records.map(({ wallTime: _, kind: __, ...record }) => [record.epoch, record])).values()];
}

const { config, validation, arithmetic } = JSON.parse(readFileSync(join(run, "config.json"), "utf8"));
const { chosen, test } = JSON.parse(readFileSync(resultFile, "utf8"));
const epochs = readEpochs();
if (!chosen?.validation || !test) throw new Error(`${resultFile}: no end of a run with validation and test pictures`);
const shares = ({ top1, top5, loss }) => ({ top1, top5, loss });

const trained = await loadModel(join(run, "model.safetensors"));
const pictures = /\d+ pictures/.exec(trained.metadata.provenance["trainedOn"])[0];
const provenance = {
  ...trained.metadata.provenance,
  trainedOn: `${data}, ${pictures}, ${chosen.epoch} epochs`,
  chosenBy: `${validation} of the training pictures: top-1 ${chosen.validation.top1.toFixed(4)}`,
  testTop1: test.top1.toFixed(4),
  command,
};
const half = { precision: "f16" };
mkdirSync(folder, { recursive: true });
await saveModel({ ...trained, metadata: { ...trained.metadata, provenance } }, join(folder, "train.safetensors"), half);
// What is shipped is folded, not what was rounded to it: both forms are one net.
await saveModel(fold(await loadModel(join(folder, "train.safetensors"))), join(folder, "plain.safetensors"), half);
const told = {
  data,
  command,
  arithmetic,
  config,
  validation,
  chosenEpoch: chosen.epoch,
  test: { images: test.images, ...shares(test) },
};
writeFileSync(join(folder, "config.json"), `${JSON.stringify(told, null, 2)}\n`);
writeFileSync(join(folder, "metrics.jsonl"), epochs.map((record) => `${JSON.stringify(record)}\n`).join(""));
const percent = (share) => `${(100 * share).toFixed(2)} %`;
console.log(
  `epoch ${chosen.epoch} of ${config.epochs}: validation ${percent(chosen.validation.top1)}, test ${percent(test.top1)}`,
);
