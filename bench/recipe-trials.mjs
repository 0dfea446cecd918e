// What the settings of the recipes (docs/train.md) were chosen by: short trainings, judged by a tenth of the training pictures. The test pictures are
// never opened.
//   node bench/recipe-trials.mjs --out FILE [--cifar10 FOLDER] [--trials A,B] [--threads 1]
// FOLDER: CIFAR-10 as train/CLASS/x.jpg. FILE: a line of JSON for each epoch; a trial whose last epoch it has is not done again.
import { appendFileSync, existsSync, readFileSync } from "node:fs";
import { resolve } from "node:path";
import { parseArgs } from "node:util";
import { augmentationPreset, randomErasing } from "#repvgg/data/augmentation/config.js";
import { holdOut } from "#repvgg/data/hold-out.js";
import { openDataset, train } from "#repvgg/index.js";
import { freshModel } from "#repvgg/recipe/fresh-model.node.js";
import { trials } from "./recipe-commands.mjs";

const { values } = parseArgs({
  options: {
    out: { type: "string" },
    cifar10: { type: "string" },
    trials: { type: "string" },
    threads: { type: "string", default: "1" },
  },
});
if (!values.out) throw new Error("expected --out FILE");
const out = resolve(values.out);
const places = { "fashion-mnist": "fashion-mnist", ...(values.cifar10 && { cifar10: resolve(values.cifar10) }) };
const wanted = values.trials?.split(",") ?? Object.keys(trials);

for (const name of wanted) {
  const { data, depths, widths, strides, augmentation, erasing = 0, ...settings } = trials[name];
  if (places[data] === undefined || isDone(name, settings.epochs)) continue;
  const all = await openDataset(places[data], "train");
  const { train: pictures, test: heldOut } = holdOut(all, 0.1, 0);
  const model = await freshModel({ depths, widths, strides }, pictures);
  const varied = {
    ...augmentationPreset(augmentation, model.metadata.preprocessing.size),
    ...(erasing > 0 && { erasing: randomErasing(erasing) }),
  };
  await train(
    model,
    { train: pictures, validation: heldOut },
    {
      ...{ ...settings, augmentation: varied, choose: "last", threads: Number(values.threads) },
      onEpoch({ epoch, trainLoss, validation }) {
        const { user, system } = process.cpuUsage();
        const cpuSeconds = Math.round((user + system) / 1e6);
        appendFileSync(out, `${JSON.stringify({ trial: name, epoch, trainLoss, validation, cpuSeconds })}\n`);
        console.log(`${name}, epoch ${epoch} of ${settings.epochs}: ${(100 * validation.top1).toFixed(2)} %`);
      },
    },
  );
}

function isDone(trial, epochs) {
  if (!existsSync(out)) return false;
  const lines = readFileSync(out, "utf8").trim().split("\n");
  return lines.map((line) => JSON.parse(line)).some((row) => row.trial === trial && row.epoch === epochs);
}
