// Classes of very different sizes, by how the loss makes up for it.
//   node bench/unbalanced.mjs --out FOLDER [--data fashion-mnist] [--shapes tail,step] [--ratio 20] [--most 200] [--seeds 0,1,2] [--threads 1] [--validate] [--methods "a;b"] [--write]
// The largest class has `most` training pictures, the smallest `most / ratio`: in a tail the others fall geometrically, in a step half of the
// classes are large and half small (the two shapes of Cao et al. 2019 and Menon et al. 2021); which class is large is drawn by the seed.
// Nets, epochs and the rest are what `repvgg train` chooses. Every training is a file in OUT/parts: what was stopped goes on where it stood.
// --validate: measured on 200 held-out training pictures of each class, never on test pictures: what the default was chosen by.
// --write: bench/results/unbalanced.json (unbalanced-validation.json).
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { evaluate } from "#repvgg/api/evaluate.node.js";
import { createBackend } from "#repvgg/backend/select.node.js";
import { rngFor } from "#repvgg/core/rng.js";
import { openDataset } from "#repvgg/data/open-dataset.node.js";
import { chooseSettings } from "#repvgg/flags/chosen-settings.js";
import { freshModel } from "#repvgg/recipe/fresh-model.node.js";
import { train } from "#repvgg/runs/train.node.js";
import { machine, writeResults } from "./lib.mjs";

const { values } = parseArgs({
  options: {
    out: { type: "string" },
    data: { type: "string", default: "fashion-mnist" },
    shapes: { type: "string", default: "tail,step" },
    ratio: { type: "string", default: "20" },
    most: { type: "string", default: "200" },
    seeds: { type: "string", default: "0,1,2" },
    threads: { type: "string", default: "1" },
    methods: { type: "string" },
    validate: { type: "boolean", default: false },
    write: { type: "boolean", default: false },
  },
});
if (!values.out) throw new Error("expected --out FOLDER");
const parts = join(resolve(values.out), "parts");
mkdirSync(parts, { recursive: true });

/** Held-out training pictures of each class that settings are chosen by. */
const validated = 200;

const methods = values.validate
  ? {
      none: { balance: "none" },
      "logits 0.5": { balance: "logits", balanceStrength: 0.5 },
      logits: { balance: "logits" },
      "logits 1.5": { balance: "logits", balanceStrength: 1.5 },
      "weights 0.5 (root)": { balance: "weights", balanceStrength: 0.5 },
      "weights (inverse)": { balance: "weights" },
    }
  : { "before (--balance none)": { balance: "none" }, "default options": {} };
const chosen = values.methods ? values.methods.split(";") : Object.keys(methods);

const pictures = await openDataset(values.data, "train");
const test = values.validate ? undefined : await openDataset(values.data, "test");
const backend = await createBackend({ threads: Number(values.threads) });
const rows = [];
for (const shape of values.shapes.split(",")) {
  for (const ratio of values.ratio.split(",").map(Number)) {
    for (const seed of values.seeds.split(",").map(Number)) {
      for (const method of chosen) rows.push(await part(shape, ratio, seed, method));
    }
  }
}
backend.dispose();
const summary = summarize(rows);
console.table(summary);
if (values.write) {
  const { data, shapes, most, ratio, seeds, methods: some, validate } = values;
  const command = `node bench/unbalanced.mjs --out FOLDER --data ${existsSync(data) ? "FOLDER" : data} --shapes ${shapes} --ratio ${ratio} --most ${most} --seeds ${seeds}${some ? ` --methods "${some}"` : ""}${validate ? " --validate" : ""} --write`;
  writeResults(validate ? "unbalanced-validation" : "unbalanced", { machine: machine(), command, summary, rows });
}

/** One training: from OUT/parts where it was done before. */
async function part(shape, ratio, seed, method) {
  const name = `${values.validate ? "validation-" : ""}${values.data.replaceAll(/[^\w]+/g, "-")}-${shape}-${values.most}-${ratio}-${seed}-${method.replaceAll(/[^\w.]+/g, "-")}`;
  const file = join(parts, `${name}.json`);
  if (existsSync(file)) return JSON.parse(readFileSync(file, "utf8"));
  const { own, heldOut, counts } = draw(shape, ratio, seed);
  // What the training looks at after each epoch: few, because what counts is measured once, at the end.
  const sets = { train: own, test: heldOut.select(Array.from({ length: 20 }, (_, i) => i)) };
  const given = methods[method];
  const { sentence, model: net, inputSize, ...settings } = await chooseSettings(sets, given);
  const model = await freshModel(net, own, { inputSize, seed });
  const cpu = process.cpuUsage();
  const { model: trained } = await train(model, sets, { ...settings, ...given, seed, backend });
  const { user, system } = process.cpuUsage(cpu);
  const seconds = Number(((user + system) / 1e6).toFixed(1));
  const { top1, balancedAccuracy, perClass } = await evaluate(trained, test ?? heldOut, { backend });
  const recall = perClass.map((entry) => entry.recall);
  // Top-1 on pictures whose classes are as frequent as in training.
  const total = counts.reduce((sum, count) => sum + count, 0);
  const asTrained = recall.reduce((sum, share, c) => sum + (share * counts[c]) / total, 0);
  const row = {
    data: pictures.name.split("/")[0],
    shape,
    ratio,
    seed,
    method,
    balancedAccuracy: balancedAccuracy ?? top1,
    asTrained,
    recall,
    counts,
    sentence,
    seconds,
  };
  writeFileSync(file, `${JSON.stringify(row)}\n`);
  const percent = (share) => `${(100 * share).toFixed(2)} %`;
  console.log(
    `${shape} 1:${ratio}, seed ${seed}, ${method}: ${percent(row.balancedAccuracy)}, as trained ${percent(asTrained)} (${seconds} s)`,
  );
  return row;
}

/** Training pictures with a long tail, and held-out ones of every class that are none of them. */
function draw(shape, ratio, seed) {
  const classes = pictures.classNames.length;
  const depth = (i) => (shape === "step" ? Math.floor((2 * i) / classes) : i / (classes - 1));
  const sizes = Array.from({ length: classes }, (_, i) => Math.round(Number(values.most) * ratio ** -depth(i)));
  const counts = rngFor(seed, "unbalanced", "sizes").shuffle(sizes);
  const byClass = pictures.classNames.map(() => []);
  for (let i = 0; i < pictures.length; i++) byClass[pictures.label(i)].push(i);
  const [own, heldOut] = [[], []];
  byClass.forEach((all, label) => {
    rngFor(seed, "unbalanced", label).shuffle(all);
    own.push(...all.slice(0, counts[label]));
    heldOut.push(...all.slice(Number(values.most), Number(values.most) + validated));
  });
  const sorted = (list) => list.sort((a, b) => a - b);
  return {
    own: pictures.select(sorted(own), "long tail"),
    heldOut: pictures.select(sorted(heldOut), "held out"),
    counts,
  };
}

/** Mean and standard deviation over the seeds. */
function summarize(list) {
  const groups = new Map();
  for (const row of list) {
    const key = `${row.shape} ${row.ratio} ${row.method}`;
    groups.set(key, [...(groups.get(key) ?? []), row]);
  }
  return [...groups.values()].map((group) => {
    const { shape, ratio, method } = group[0];
    const mean = (of) => group.reduce((sum, row) => sum + of(row), 0) / group.length;
    const balancedAccuracy = mean((row) => row.balancedAccuracy);
    const variance = group.reduce((sum, row) => sum + (row.balancedAccuracy - balancedAccuracy) ** 2, 0);
    const deviation = Math.sqrt(variance / Math.max(1, group.length - 1));
    const smallest = mean((row) => row.recall[row.counts.indexOf(Math.min(...row.counts))]);
    return {
      shape,
      ratio,
      method,
      seeds: group.length,
      balancedAccuracy,
      deviation,
      smallest,
      asTrained: mean((row) => row.asTrained),
    };
  });
}
