// Mutation test: puts small faults into a room's code, one at a time, and counts those that the room's tests notice.
//   node scripts/mutate.mjs --room train              50 faults, drawn by seed 1 (after npm run build)
//   node scripts/mutate.mjs --room train --count 200 --seed 2 --files loop --since main~5
//   node scripts/mutate.mjs --room engine/plan --quick    only the tests that are nearest to each fault, for who writes tests
// Everything happens in copies of the tree under the system's temporary folder; the checkout is only read. What a run has found
// stands in runs/mutants/ROOM.json, and is not tried again while code and tests stay the same. Survivors that are accepted, each
// with its reason, stand in scripts/mutants-accepted.json. Exit code 1: there are others.
import { execFileSync, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import ts from "typescript";
import { cMutants, typescriptMutants } from "./mutants.mjs";
import { rooms } from "./mutation-rooms.mjs";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");
const { values: options } = parseArgs({
  options: {
    room: { type: "string" },
    count: { type: "string", default: "50" },
    seed: { type: "string", default: "1" },
    files: { type: "string" },
    since: { type: "string" },
    workers: { type: "string", default: "2" },
    quick: { type: "boolean", default: false },
    out: { type: "string", default: join(root, "runs", "mutants") },
  },
});
const room = rooms[options.room];
if (!room) {
  console.error(`expected --room with one of: ${Object.keys(rooms).join(", ")}`);
  process.exit(2);
}
const hash = (...parts) => createHash("sha256").update(parts.join("\0")).digest("hex");
const { options: compilerOptions } = ts.parseJsonConfigFileContent(
  ts.readConfigFile(join(root, "tsconfig.json"), ts.sys.readFile).config,
  ts.sys,
  root,
);

const accepted = JSON.parse(readFileSync(join(root, "scripts", "mutants-accepted.json"), "utf8"));

/** What stands while the run does: taken down with it. */
const scratches = new Set();
const running = new Set();
process.on("exit", () => {
  for (const child of running) stop(child);
  for (const scratch of scratches) rmSync(scratch, { recursive: true, force: true });
});
for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, () => process.exit(130));

await main();

async function main() {
  const files = sourceFiles();
  const sources = Object.fromEntries(files.map((file) => [file, readFileSync(join(root, file), "utf8")]));
  const compiles = typeChecker(sources);
  const resultFile = join(options.out, `${options.room.replaceAll("/", "-")}.json`);
  const known = existsSync(resultFile) ? JSON.parse(readFileSync(resultFile, "utf8")).mutants : [];
  const tests = testFingerprint();
  const remembered = new Map(known.map((mutant) => [mutant.id, mutant]));

  const drawn = draw(candidates(sources), Number(options.count), compiles);
  const results = [];
  const save = () => {
    mkdirSync(options.out, { recursive: true });
    // What the nearest tests alone let through, the others may notice.
    for (const result of results)
      if (!options.quick || result.outcome !== "survived") remembered.set(result.id, result);
    const record = { room: options.room, seed: options.seed, mutants: [...remembered.values()] };
    writeFileSync(resultFile, `${JSON.stringify(record, null, 1)}\n`);
  };
  const open = drawn.filter((mutant) => {
    const before = remembered.get(mutant.id);
    // A test that noticed a fault still does, where tests are only added; one that nobody noticed is tried again with other tests,
    // but where it is accepted.
    const holds = before && (before.outcome !== "survived" || before.tests === tests || reasonOf(mutant) !== undefined);
    if (holds) results.push({ ...mutant, outcome: before.outcome, tests: before.tests });
    return !holds;
  });
  console.log(`${options.room}: ${drawn.length} faults in ${files.length} files, ${open.length} to try`);

  const workers = open.length === 0 ? [] : Array.from({ length: Math.min(2, Number(options.workers)) }, makeScratch);
  await Promise.all(
    workers.map(async (scratch) => {
      compileAll(scratch, sources);
      const limits = options.quick ? [] : [await timeLimit(scratch, 0)];
      for (let mutant = open.shift(); mutant; mutant = open.shift()) {
        const outcome = await tryOut(scratch, mutant, sources[mutant.file], limits);
        results.push({ ...mutant, outcome, tests });
        save();
        if (outcome === "survived") console.log(`  survived  ${describe(mutant)}`);
        if (results.length % 20 === 0) console.log(`  ${results.length} of ${drawn.length}`);
      }
    }),
  );
  if (results.length > 0) save();
  report(results);
}

/** The files of the room's code that --files and --since leave. */
function sourceFiles() {
  const listed = execFileSync("git", ["ls-files", "src", "kernels"], { cwd: root, encoding: "utf8" }).split("\n");
  return listed.filter(
    (file) =>
      /\.(ts|c|h)$/.test(file) &&
      !file.includes(".generated.") &&
      room.source.some((prefix) => file.startsWith(prefix)) &&
      (!options.files || file.includes(options.files)) &&
      (!options.since || changedLines(file).size > 0),
  );
}

/** Numbers of the lines that have changed since the commit --since. */
function changedLines(file) {
  const diff = execFileSync("git", ["diff", "-U0", options.since, "--", file], { cwd: root, encoding: "utf8" });
  const lines = new Set();
  for (const [, from, count = "1"] of diff.matchAll(/^@@ -\S+ \+(\d+)(?:,(\d+))? @@/gm))
    for (let i = 0; i < Number(count); i++) lines.add(Number(from) + i);
  return lines;
}

/** Every fault of the files, named by what it changes and not by where that stands. */
function candidates(sources) {
  return Object.entries(sources).flatMap(([file, text]) => {
    const changed = options.since ? changedLines(file) : undefined;
    const seen = new Map();
    const made = file.endsWith(".ts") ? typescriptMutants(text, file) : cMutants(text);
    return made.flatMap((mutant) => {
      const line = text.slice(0, mutant.start).split("\n").length;
      if (changed && !changed.has(line)) return [];
      const source = text.split("\n")[line - 1].trim();
      const from = text.slice(mutant.start, mutant.end).replace(/\s+/g, " ");
      const change = `${from} → ${mutant.replacement.replace(/\s+/g, " ") || "(nothing)"}`;
      const name = hash(file, source, change);
      const nth = (seen.get(name) ?? 0) + 1;
      seen.set(name, nth);
      return [{ id: hash(name, nth).slice(0, 16), file, line, source, change, ...mutant }];
    });
  });
}

/** The first `count` in an order that the seed and the faults' own names give, of those that compile. */
function draw(all, count, compiles) {
  const order = all.map((mutant) => ({ mutant, key: hash(options.seed, mutant.id) }));
  order.sort((a, b) => (a.key < b.key ? -1 : 1));
  const drawn = [];
  for (const { mutant } of order) {
    if (drawn.length === count) break;
    if (compiles(mutant)) drawn.push(mutant);
  }
  return drawn;
}

function mutated(text, { start, end, replacement }) {
  return text.slice(0, start) + replacement + text.slice(end);
}

/** Whether a fault passes the compiler: what it refuses nobody can ship. C is compiled when it is tried. */
function typeChecker(sources) {
  const overlay = new Map();
  let version = 0;
  const names = Object.keys(sources).filter((file) => file.endsWith(".ts"));
  const service = ts.createLanguageService({
    getCompilationSettings: () => ({
      ...compilerOptions,
      noEmit: true,
      incremental: false,
      tsBuildInfoFile: undefined,
    }),
    getScriptFileNames: () => names.map((file) => join(root, file)),
    getScriptVersion: (file) => overlay.get(file)?.version ?? "0",
    getScriptSnapshot: (file) => {
      const text = overlay.get(file)?.text ?? ts.sys.readFile(file);
      return text === undefined ? undefined : ts.ScriptSnapshot.fromString(text);
    },
    getCurrentDirectory: () => root,
    getDefaultLibFileName: ts.getDefaultLibFilePath,
    fileExists: ts.sys.fileExists,
    readFile: ts.sys.readFile,
    readDirectory: ts.sys.readDirectory,
    directoryExists: ts.sys.directoryExists,
    getDirectories: ts.sys.getDirectories,
  });
  return (mutant) => {
    if (!mutant.file.endsWith(".ts")) return true;
    const file = join(root, mutant.file);
    overlay.set(file, { text: mutated(sources[mutant.file], mutant), version: String(++version) });
    const faults = [...service.getSyntacticDiagnostics(file), ...service.getSemanticDiagnostics(file)];
    overlay.set(file, { text: sources[mutant.file], version: String(++version) });
    return faults.length === 0;
  };
}

/** The files of a stage of tests. */
function testFiles(stage) {
  const all = readdirSync(join(root, "tests"), { recursive: true, encoding: "utf8" }).map((name) => `tests/${name}`);
  return all.filter((name) => stage.some((prefix) => name === prefix || name.startsWith(prefix))).sort();
}

/** Tests of the room that are about a file above all: they are asked first. */
function nearest(file) {
  const [, tests = []] = (room.near ?? []).find(([names]) => names.some((name) => file.endsWith(`/${name}.ts`))) ?? [];
  return tests;
}

function testFingerprint() {
  const files = room.tests.flatMap(testFiles).filter((name) => statSync(join(root, name)).isFile());
  return hash(...files.map((name) => readFileSync(join(root, name)))).slice(0, 16);
}

/** A copy of the tree to break; packages are linked, so that what is written beside them stays in the copy. */
function makeScratch() {
  const scratch = mkdtempSync(join(tmpdir(), "repvgg-mutants-"));
  scratches.add(scratch);
  for (const name of readdirSync(root)) {
    if (name === "node_modules" || name === ".git" || name === "runs") continue;
    cpSync(join(root, name), join(scratch, name), {
      recursive: true,
      filter: (path) => !path.includes("node_modules"),
    });
  }
  mkdirSync(join(scratch, "node_modules"));
  for (const name of readdirSync(join(root, "node_modules"))) {
    const [from, to] = [join(root, "node_modules", name), join(scratch, "node_modules", name)];
    if (name === ".cache") cpSync(from, to, { recursive: true });
    else if (!name.startsWith(".") || name === ".bin") symlinkSync(from, to);
  }
  return scratch;
}

/**
 * Compiles the files that faults will be put into as faulty ones are: that this fails nothing shows that it is faults that the tests
 * notice.
 */
function compileAll(scratch, sources) {
  for (const [file, text] of Object.entries(sources).filter(([name]) => name.endsWith(".ts")))
    writeFileSync(join(scratch, builtPath(file)), compiled(text));
}

/** Time limit for a stage of tests, in ms, from a run without a fault. @throws Error where that fails */
async function timeLimit(scratch, stage) {
  const started = performance.now();
  const { code, output } = await runTests(scratch, room.tests[stage], 600_000);
  if (code !== 0) throw new Error(`${room.tests[stage].join(" ")} fails without any fault:\n${output.slice(-4000)}`);
  return 15_000 + 4 * (performance.now() - started);
}

/** @returns "killed", "timeout" (killed too: a fault that hangs is noticed), "survived" or "invalid" */
async function tryOut(scratch, mutant, text, limits) {
  const isC = !mutant.file.endsWith(".ts");
  const code = mutated(text, mutant);
  const path = join(scratch, isC ? mutant.file : builtPath(mutant.file));
  const before = readFileSync(path);
  const put = (content) => {
    writeFileSync(path, content);
    return !isC || buildKernels(scratch);
  };
  try {
    const near = nearest(mutant.file);
    const stages = [...(near.length > 0 ? [near] : []), ...(options.quick ? [] : room.tests)];
    for (const tests of stages) {
      const stage = room.tests.indexOf(tests);
      if (stage >= 0 && limits[stage] === undefined) {
        put(before);
        limits[stage] = await timeLimit(scratch, stage);
      }
      if (!put(isC ? code : compiled(code))) return "invalid";
      const { code: exit, timedOut } = await runTests(scratch, tests, limits[stage] ?? 120_000);
      if (timedOut) return "timeout";
      if (exit !== 0) return "killed";
    }
    return "survived";
  } finally {
    writeFileSync(path, before);
  }
}

function builtPath(file) {
  return file.replace(/^src/, "dist").replace(/\.ts$/, ".js");
}

function compiled(code) {
  const module = ts.ModuleKind.ESNext; // the compiler would look for the package's own type, and there is none here
  return ts.transpileModule(code, { compilerOptions: { ...compilerOptions, module } }).outputText;
}

/** The native build alone: of the same sources as WebAssembly, for each instruction set, and in a fraction of the time. */
function buildKernels(scratch) {
  try {
    const env = { ...process.env, REPVGG_NATIVE: "required" };
    execFileSync(process.execPath, [join("scripts", "build-native.mjs")], { cwd: scratch, stdio: "ignore", env });
    return true;
  } catch {
    return false;
  }
}

function runTests(scratch, tests, limit) {
  const vitest = join("node_modules", "vitest", "vitest.mjs");
  const flags = ["run", "--project", "node", "--bail", "1", "--maxWorkers", "1", "--reporter", "dot"];
  if (room.shared) flags.push("--no-isolate");
  const child = spawn(process.execPath, [vitest, ...flags, ...tests], {
    cwd: scratch,
    detached: true, // a process group of its own, so that a hanging test goes with it
    stdio: ["ignore", "pipe", "pipe"],
  });
  running.add(child);
  let output = "";
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (bytes) => (output += bytes));
  let timedOut = false;
  const timer = setTimeout(() => {
    timedOut = true;
    stop(child);
  }, limit);
  return new Promise((resolve) => {
    child.on("exit", (code) => {
      clearTimeout(timer);
      running.delete(child);
      resolve({ code, output, timedOut });
    });
  });
}

/** Ends a run of tests with all processes that it has started. */
function stop(child) {
  try {
    process.kill(-child.pid, "SIGKILL");
  } catch {
    // it has ended by itself
  }
}

function describe({ file, line, source, change }) {
  return `${file}:${line}  ${change.length > 100 ? `${change.slice(0, 100)}…` : change}    in: ${source.slice(0, 120)}`;
}

/** Why a survivor is accepted; undefined where it is not. */
function reasonOf({ file, source, change }) {
  return accepted.find((one) => one.file === file && one.source === source && one.change === change)?.reason;
}

function report(results) {
  const valid = results.filter(({ outcome }) => outcome !== "invalid");
  const survivors = valid.filter(({ outcome }) => outcome === "survived");
  const noticed = valid.length - survivors.length;
  const timeouts = valid.filter(({ outcome }) => outcome === "timeout").length;
  const open = survivors.filter((mutant) => reasonOf(mutant) === undefined);
  const byFile = new Map();
  for (const { file, outcome } of valid) {
    const [all, gone] = byFile.get(file) ?? [0, 0];
    byFile.set(file, [all + 1, gone + (outcome === "survived" ? 0 : 1)]);
  }
  const lines = [
    `${options.room}, seed ${options.seed}: ${noticed} of ${valid.length} faults noticed (${((100 * noticed) / valid.length).toFixed(1)} %` +
      `, ${timeouts} of them as hanging), ${survivors.length - open.length} survivors accepted, ${open.length} open`,
    ...[...byFile].sort().map(([file, [all, gone]]) => `  ${String(gone).padStart(4)} of ${all}  ${file}`),
    ...(open.length > 0 ? ["open survivors:", ...open.sort(byPlace).map((mutant) => `  ${describe(mutant)}`)] : []),
    ...(survivors.length > open.length ? ["accepted survivors:"] : []),
    ...survivors
      .filter(reasonOf)
      .sort(byPlace)
      .map((mutant) => `  ${describe(mutant)}\n    ${reasonOf(mutant)}`),
  ];
  mkdirSync(options.out, { recursive: true });
  writeFileSync(join(options.out, `${options.room.replaceAll("/", "-")}.txt`), `${lines.join("\n")}\n`);
  console.log(lines.join("\n"));
  if (open.length > 0) process.exitCode = 1;
}

function byPlace(a, b) {
  return a.file === b.file ? a.line - b.line : a.file < b.file ? -1 : 1;
}
