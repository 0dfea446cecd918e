#!/usr/bin/env node
/**
 * Takes out of tests/graph/third-party-gaps.ts what its test says is closed, and groups what is left anew. After a merge of two such tables, keep
 * the lines of both and run this. It never adds a gap: what newly fails is for a person to mend, or to explain there.
 */
import { spawnSync } from "node:child_process";
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../..", import.meta.url));
const path = join(root, "tests/graph/third-party-gaps.ts");
const index = JSON.parse(readFileSync(join(root, "tests/fixtures/third-party/index.json"), "utf8"));
const exportsOf = (name) => index[name]?.files.map((file) => file.replace(".onnx", "")) ?? [name];
const checks = ["fold", "count", "evaluator", "proof", "native", "wasm"];

/** Messages of the tests that fail. */
function failures() {
  const report = join(tmpdir(), `third-party-${process.pid}.json`);
  const vitest = ["vitest", "run", "tests/graph/third-party.test.ts", "--reporter=json", `--outputFile=${report}`];
  spawnSync("npx", vitest, { cwd: root, stdio: "ignore" });
  const { testResults } = JSON.parse(readFileSync(report, "utf8"));
  rmSync(report);
  return testResults.flatMap(({ assertionResults }) =>
    assertionResults.flatMap(({ failureMessages }) => failureMessages),
  );
}

/** The table as one line for each check of each export, with the last reason that it gives. */
function expanded(table) {
  const lines = table.flatMap(({ check, reason, of }) =>
    of.flatMap(exportsOf).flatMap((name) => [check].flat().map((kind) => ({ kind, name, reason }))),
  );
  return [...new Map(lines.map((line) => [`${line.kind} ${line.name}`, line])).values()];
}

/** Items by what `key` gives of them, in order. */
function groupedBy(items, key) {
  const groups = new Map();
  for (const item of items) groups.set(key(item), [...(groups.get(key(item)) ?? []), item]);
  return groups;
}

/** Lines in a table: checks that fail together for one reason, exports by fixture where all of it fails. */
function grouped(lines) {
  const kinds = groupedBy(lines, ({ name, reason }) => JSON.stringify([reason, name]));
  const entries = [...kinds].map(([key, all]) => {
    const [reason, name] = JSON.parse(key);
    return { reason, name, check: checks.filter((kind) => all.some((line) => line.kind === kind)) };
  });
  const groups = groupedBy(entries, ({ reason, check }) => JSON.stringify([check, reason]));
  return [...groups]
    .map(([key, all]) => {
      const [check, reason] = JSON.parse(key);
      return { check: check.length === 1 ? check[0] : check, reason, of: fixtures(all.map(({ name }) => name)) };
    })
    .sort((a, b) => rank(a).localeCompare(rank(b)));
}

const rank = ({ check, reason }) => `${[check].flat().map((kind) => checks.indexOf(kind))} ${reason}`;

function fixtures(names) {
  return Object.keys(index).flatMap((name) => {
    const files = exportsOf(name).filter((file) => names.includes(file));
    return files.length === index[name].files.length ? [name] : files;
  });
}

const text = readFileSync(path, "utf8");
const start = text.indexOf("= [", text.indexOf("knownGaps")) + 2;
const table = new Function(`return ${text.slice(start).replace(/;\s*$/, "")}`)();
const messages = failures();
const closed = new Set(
  messages.flatMap((message) => {
    const [, name, kind] = /closed: take "(\S+)" out of knownGaps, (\w+)/.exec(message) ?? [];
    return name ? [`${kind} ${name}`] : [];
  }),
);
const left = expanded(table).filter(({ kind, name }) => !closed.has(`${kind} ${name}`));
writeFileSync(path, `${text.slice(0, start)}${JSON.stringify(grouped(left))};\n`);
spawnSync("npx", ["biome", "check", "--write", path], { cwd: root, stdio: "ignore" });
console.log(`${closed.size} closed, ${messages.length - closed.size} other failures, ${left.length} gaps left`);
