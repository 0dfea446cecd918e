// The recipes of docs/train.md, whole trainings with other seeds, each a process of the built command: accuracy on the test pictures, looked at once, and time.
//   node bench/recipes.mjs --out FOLDER [--cifar10 FOLDER] [--recipes fashion-mnist,cifar10] [--seeds 0,1,2] [--threads 2] [--untimed] [--write]
// FOLDER of CIFAR-10: train/CLASS/x.jpg and test/CLASS/x.jpg. A run that was stopped goes on where it stood; then it
// has no time, as with --untimed: for a machine that does other work besides. --write: bench/results/recipes.json.
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { machine, writeResults } from "./lib.mjs";
import { recipes } from "./recipe-commands.mjs";

const { values } = parseArgs({
  options: {
    out: { type: "string" },
    cifar10: { type: "string" },
    recipes: { type: "string" },
    seeds: { type: "string", default: "0,1,2" },
    threads: { type: "string", default: "2" },
    untimed: { type: "boolean", default: false },
    write: { type: "boolean", default: false },
  },
});
if (!values.out) throw new Error("expected --out FOLDER");
const out = resolve(values.out);
const main = fileURLToPath(new URL("../dist/cli/main.js", import.meta.url));
const known = { "fashion-mnist": "fashion-mnist", ...(values.cifar10 && { cifar10: resolve(values.cifar10) }) };
const asked = values.recipes?.split(",") ?? Object.keys(known);

const rows = [];
for (const name of asked) {
  if (known[name] === undefined) throw new Error(`${name}: no such recipe, or no --cifar10 FOLDER`);
  for (const seed of values.seeds.split(",").map(Number)) rows.push(training(name, known[name], seed));
}
const summary = asked.map((name) => summarize(name));
console.table(summary);
if (values.write) write();

/** What was measured of other recipes stays in the file. */
function write() {
  const file = fileURLToPath(new URL("results/recipes.json", import.meta.url));
  const before = existsSync(file) ? JSON.parse(readFileSync(file, "utf8")) : { commands: {}, summary: [], rows: [] };
  const others = ({ name }) => !asked.includes(name);
  const options = `--seeds ${values.seeds} --threads ${values.threads}${values.untimed ? " --untimed" : ""}`;
  const commandOf = (name) => {
    const data = name === "cifar10" ? " --cifar10 FOLDER" : "";
    return `node bench/recipes.mjs --out FOLDER${data} --recipes ${name} ${options} --write`;
  };
  writeResults("recipes", {
    machine: machine(),
    recipes,
    commands: { ...before.commands, ...Object.fromEntries(asked.map((name) => [name, commandOf(name)])) },
    summary: [...before.summary.filter(others), ...summary],
    rows: [...before.rows.filter(others), ...rows],
  });
}

/** One training: from OUT where it was done before. */
function training(name, place, seed) {
  const run = join(out, `${name}-${seed}`);
  const file = `${run}.json`;
  if (existsSync(file)) return JSON.parse(readFileSync(file, "utf8"));
  mkdirSync(out, { recursive: true });
  const resumed = existsSync(join(run, "config.json"));
  const begin = [place, ...recipes[name].options.split(" "), "--seed", String(seed), "--out", run];
  const args = ["train", ...(resumed ? ["--resume", run] : begin), "--threads", values.threads, "--json"];
  const started = performance.now();
  const { status, stdout } = spawnSync(process.execPath, [main, ...args], {
    encoding: "utf8",
    stdio: ["ignore", "pipe", "inherit"],
  });
  if (status !== 0) throw new Error(`repvgg ${args.join(" ")} ended with code ${status}`);
  const seconds = resumed || values.untimed ? null : Math.round((performance.now() - started) / 1000);
  const { chosen, test } = JSON.parse(stdout);
  const row = { name, seed, epoch: chosen.epoch, validation: chosen.validation, test, seconds };
  writeFileSync(file, `${JSON.stringify(row)}\n`);
  console.log(`${name}, seed ${seed}: ${(100 * test.top1).toFixed(2)} %${seconds === null ? "" : ` (${seconds} s)`}`);
  return row;
}

/** Mean and standard deviation over the seeds, and the longest time. */
function summarize(name) {
  const own = rows.filter((row) => row.name === name);
  const shares = own.map(({ test }) => test.top1);
  const mean = shares.reduce((sum, share) => sum + share, 0) / shares.length;
  const variance = shares.reduce((sum, share) => sum + (share - mean) ** 2, 0) / Math.max(1, shares.length - 1);
  const times = own.map(({ seconds }) => seconds).filter((seconds) => seconds !== null);
  const most = times.length > 0 ? Math.max(...times) : null;
  return { name, seeds: own.length, mean, deviation: Math.sqrt(variance), least: Math.min(...shares), seconds: most };
}
