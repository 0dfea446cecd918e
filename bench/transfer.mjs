// Fine-tuning against training from scratch: a net trained on five classes of CIFAR-10, few pictures of the five others.
//   node bench/transfer.mjs --cifar10 FOLDER --out FOLDER [--counts 20,50,200] [--seeds 3] [--threads 2] [--validate] [--write]
// FOLDER: CIFAR-10 as train/CLASS/x.jpg and test/CLASS/x.jpg. Every part (the source net, one training) is a process of the built command with
// default options, and a file in OUT/parts: a run that was stopped goes on where it stood.
// --validate: the settings that the defaults were chosen among, measured on held-out training pictures; never on test pictures.
// --write: bench/results/transfer.json (transfer-validation.json) and docs/images/transfer.svg.
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { rngFor } from "#repvgg/core/rng.js";
import { machine, writeResults } from "./lib.mjs";
import { drawTransfer } from "./transfer-chart.mjs";

const { values } = parseArgs({
  options: {
    cifar10: { type: "string" },
    out: { type: "string" },
    counts: { type: "string", default: "20,50,200" },
    seeds: { type: "string", default: "3" },
    threads: { type: "string" },
    source: { type: "string" },
    methods: { type: "string" },
    validate: { type: "boolean", default: false },
    write: { type: "boolean", default: false },
  },
});
if (!values.cifar10 || !values.out) throw new Error("expected --cifar10 FOLDER and --out FOLDER");
const cifar = resolve(values.cifar10);
const out = resolve(values.out);
const main = fileURLToPath(new URL("../dist/cli/main.js", import.meta.url));
const threads = values.threads ? ["--threads", values.threads] : [];

// Every second class by the alphabet, so that nobody chose which.
const classes = readdirSync(join(cifar, "train")).sort();
const sourceClasses = classes.filter((_, i) => i % 2 === 0);
const targetClasses = classes.filter((_, i) => i % 2 === 1);

/** Test pictures that the training itself looks at, once: few, because the whole test part is measured afterwards. */
const watched = 20;
/** Held-out training pictures of each class that settings are chosen by. */
const validated = 200;

const methods = values.validate
  ? Object.fromEntries(validation())
  : {
      scratch: [],
      "scratch, same net": ["--model", "tiny"],
      "fine-tuned": ["--from", "SOURCE"],
      "head only": ["--from", "SOURCE", "--freeze", "all-but-head"],
    };
const chosen = values.methods ? values.methods.split(";") : Object.keys(methods);

const source = values.source ? resolve(values.source) : await sourceNet();
const rows = [];
for (let seed = 0; seed < Number(values.seeds); seed++) {
  for (const count of values.counts.split(",").map(Number)) {
    for (const method of chosen) rows.push(part(count, seed, method));
  }
}
const summary = summarize(rows);
console.table(summary);
if (values.write) {
  const { counts, seeds, validate } = values;
  const command = `node bench/transfer.mjs --cifar10 FOLDER --out FOLDER --counts ${counts} --seeds ${seeds}${validate ? " --validate" : ""} --write`;
  const results = { machine: machine(), command, sourceClasses, targetClasses, summary, rows };
  writeResults(values.validate ? "transfer-validation" : "transfer", results);
  if (!values.validate)
    await drawTransfer(results, fileURLToPath(new URL("../docs/images/transfer.svg", import.meta.url)));
}

/** The settings that were looked at: each alone, and what they are beside. */
function* validation() {
  const from = ["--from", "SOURCE"];
  yield ["scratch", []];
  yield ["default", from];
  for (const rate of [0.01, 0.03, 0.1, 0.3])
    yield [`learning rate ${rate}`, [...from, "--learning-rate", String(rate)]];
  for (const rate of [0.01, 0.03, 0.1, 0.3, 1])
    yield [`backbone rate ${rate}`, [...from, "--backbone-rate", String(rate)]];
  for (const decay of [0.6, 0.8, 1]) yield [`layer decay ${decay}`, [...from, "--layer-decay", String(decay)]];
  for (const mode of ["live", "frozen"]) yield [`BatchNorm ${mode}`, [...from, "--batch-norm", mode]];
  for (const epochs of [10, 20, 40, 80]) yield [`${epochs} epochs`, [...from, "--epochs", String(epochs)]];
  for (const batch of [8, 16, 32, 64]) yield [`batches of ${batch}`, [...from, "--batch-size", String(batch)]];
  for (const preset of ["none", "flip", "small-images", "small-photographs"])
    yield [`augmentation ${preset}`, [...from, "--augmentation", preset]];
  for (const stages of [1, 2, 3, "all-but-head"]) yield [`freeze ${stages}`, [...from, "--freeze", String(stages)]];
  for (const rate of [0.03, 0.1, 0.3, 1])
    yield [`head only, learning rate ${rate}`, [...from, "--freeze", "all-but-head", "--learning-rate", String(rate)]];
  for (const decay of [1e-4, 1e-3, 1e-2]) yield [`weight decay ${decay}`, [...from, "--weight-decay", String(decay)]];
}

async function sourceNet() {
  const folder = join(out, "source");
  for (const split of ["train", "test"]) {
    for (const name of sourceClasses) link(join(cifar, split, name), join(folder, "data", split, name));
  }
  const run = join(folder, "run");
  const model = join(run, "model.safetensors");
  if (existsSync(model)) return model;
  const args = existsSync(join(run, "config.json"))
    ? ["--resume", run]
    : [join(folder, "data"), "--model", "tiny", "--epochs", "12", "--out", run];
  repvgg(["train", ...args, "--no-report", ...threads]);
  return model;
}

/** One training: from OUT/parts where it was done before. */
function part(count, seed, method) {
  const name = `${values.validate ? "validation-" : ""}${count}-${seed}-${method.replaceAll(/[^\w.]+/g, "-")}`;
  const file = join(out, "parts", `${name}.json`);
  if (existsSync(file)) return JSON.parse(readFileSync(file, "utf8"));
  const { data, test } = pictures(count, seed);
  const run = join(out, "runs", name);
  rmSync(run, { recursive: true, force: true });
  const options = methods[method].map((argument) => (argument === "SOURCE" ? source : argument));
  const started = performance.now();
  repvgg(["train", data, ...options, "--seed", String(seed), "--no-report", "--out", run, ...threads]);
  const seconds = Number(((performance.now() - started) / 1000).toFixed(1));
  const { top1 } = repvgg(["eval", join(run, "model.safetensors"), test, ...threads]);
  const row = { count, seed, method, top1, seconds };
  mkdirSync(join(out, "parts"), { recursive: true });
  writeFileSync(file, `${JSON.stringify(row)}\n`);
  rmSync(run, { recursive: true });
  console.log(`${count} pictures a class, seed ${seed}, ${method}: ${(100 * top1).toFixed(2)} % (${seconds} s)`);
  return row;
}

/** `count` training pictures of each target class by a seed, and what is measured at the end, as folders of links. */
function pictures(count, seed) {
  const folder = join(out, "data", `${values.validate ? "validation-" : ""}${count}-${seed}`);
  for (const name of targetClasses) {
    const all = readdirSync(join(cifar, "train", name)).sort();
    rngFor(seed, "transfer", name).shuffle(all);
    const [own, heldOut] = [all.slice(0, count), all.slice(count, count + validated)];
    const measured = values.validate
      ? heldOut.map((file) => ["train", file])
      : readdirSync(join(cifar, "test", name)).map((file) => ["test", file]);
    const files = (part, list) => {
      for (const [split, file] of list) link(join(cifar, split, name, file), join(folder, part, name, file));
    };
    files(
      "data/train",
      own.map((file) => ["train", file]),
    );
    files("data/test", measured.slice(0, watched));
    files("measured", measured);
  }
  return { data: join(folder, "data"), test: join(folder, "measured") };
}

function link(target, path) {
  if (existsSync(path)) return;
  mkdirSync(join(path, ".."), { recursive: true });
  symlinkSync(target, path);
}

/** The built command; its one JSON object. */
function repvgg(args) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [main, ...args, "--json"], { encoding: "utf8" });
  if (status !== 0) throw new Error(`repvgg ${args.join(" ")}: ${stderr}`);
  return JSON.parse(stdout);
}

/** Mean and standard deviation over the seeds. */
function summarize(list) {
  const groups = new Map();
  for (const row of list) {
    const key = `${row.count} ${row.method}`;
    groups.set(key, [...(groups.get(key) ?? []), row]);
  }
  return [...groups.values()].map((group) => {
    const mean = group.reduce((sum, { top1 }) => sum + top1, 0) / group.length;
    const variance = group.reduce((sum, { top1 }) => sum + (top1 - mean) ** 2, 0) / Math.max(1, group.length - 1);
    const { count, method } = group[0];
    const seconds = group.map((row) => row.seconds).sort((a, b) => a - b)[Math.floor(group.length / 2)];
    return { count, method, seeds: group.length, mean, deviation: Math.sqrt(variance), seconds };
  });
}
