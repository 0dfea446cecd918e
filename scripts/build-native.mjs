// kernels/*.c → prebuilds/<platform>-<architecture>/repvgg.node, by the system's C compiler: the same kernels once for each
// instruction set, in one addon that chooses as it runs. Where that cannot be built, the package does without, and one line says why.
//   REPVGG_NATIVE=off       does not try
//   REPVGG_NATIVE=required  fails where it cannot be built
//   CC, CFLAGS, LDFLAGS     as usual; --out FILE: another addon than the usual one
//   --arch arm64            for another architecture than this one, with a compiler for it: CC=aarch64-linux-gnu-gcc
import { execFile, execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { availableParallelism, homedir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs, promisify } from "node:util";
import {
  cachedObject,
  readSources,
  root,
  sha256,
  sourceFolder,
  withIncludes,
  writeIfChanged,
} from "./kernel-sources.mjs";

/**
 * Instruction sets by architecture, best first. `features` are both what the compiler may use and what the processor must
 * have; the tile (see kernels/conv_micro.h) is what fits the registers: 16, or 32 with AVX-512 and on ARM.
 */
const variants = {
  x64: [
    {
      name: "x86-64-v4",
      features: ["avx512f", "avx512vl", "avx512bw", "avx512dq", "avx2", "fma", "bmi", "bmi2"],
      tile: { LANES: 16, MICRO_ROWS: 8, MICRO_VECTORS: 2 },
    },
    {
      name: "x86-64-v3",
      features: ["avx2", "fma", "f16c", "bmi", "bmi2"],
      tile: { LANES: 8, MICRO_ROWS: 4, MICRO_VECTORS: 2 },
    },
    { name: "x86-64", features: [], tile: { LANES: 4, MICRO_ROWS: 4, MICRO_VECTORS: 2 } },
  ],
  arm64: [{ name: "aarch64", features: [], tile: { LANES: 4, MICRO_ROWS: 4, MICRO_VECTORS: 4 } }],
};

// Products and sums may be fused: twice the speed. The order of operations stays as written, so results are the same from
// run to run and on any number of threads, but not the same bits as those of WebAssembly.
const compileFlags = [
  ...["-std=gnu11", "-O3", "-fPIC", "-fvisibility=hidden", "-ffp-contract=fast", "-fno-math-errno"],
  ...["-fno-strict-aliasing", "-pthread", "-DPOOL_THREADS", "-Wall", "-Wextra", "-Wno-psabi", "-Wno-unknown-pragmas"],
];
const linkFlags = process.platform === "darwin" ? ["-bundle", "-undefined", "dynamic_lookup"] : ["-shared", "-pthread"];

const compiler = process.env.CC || "cc";
const words = (text) => text?.split(/\s+/).filter(Boolean) ?? [];
const { values: options } = parseArgs({ options: { out: { type: "string" }, arch: { type: "string" } } });
const architecture = options.arch ?? process.arch;
const target = options.out ?? join(root, "prebuilds", `${process.platform}-${architecture}`, "repvgg.node");

await main();

async function main() {
  if (process.env.REPVGG_NATIVE === "off") return;
  try {
    console.log(`native kernels: ${await build()}`);
  } catch (error) {
    const [why] = String(error.stderr || error.message).split("\n");
    console.log(`native kernels: not built, WebAssembly will do (${why})`);
    if (process.env.REPVGG_NATIVE === "required") process.exitCode = 1;
  }
}

async function build() {
  const sets = variants[architecture];
  if (!sets || process.platform === "win32") throw new Error(`none for ${process.platform} ${architecture}`);
  const version = compilerVersion();
  const headers = nodeHeaders();
  writeIfChanged(join(sourceFolder, "native", "variants.generated.h"), variantsHeader());
  const sources = { ...readSources(), ...readSources("native") };
  const flags = [...compileFlags, ...words(process.env.CFLAGS)];
  const link = [...linkFlags, ...words(process.env.LDFLAGS)];
  const script = readFileSync(fileURLToPath(import.meta.url));
  const fingerprint = sha256([version, JSON.stringify([sources, flags, link, headers]), script]);
  const stamp = `${target}.sha256`;
  if (existsSync(target) && existsSync(stamp) && readFileSync(stamp, "utf8") === fingerprint) return "unchanged";

  const started = performance.now();
  const object = (unit, more) => ({ unit, flags: [...flags, ...more] });
  const jobs = [
    object("pool.c", []),
    ...["native/addon.c", "native/engine.c", "native/sync.c"].map((unit) => object(unit, [`-I${headers}`])),
  ];
  const kernelUnits = Object.keys(sources).filter((name) => /^[^/]+\.c$/.test(name) && name !== "pool.c");
  for (const set of sets) {
    const own = setFlags(set);
    jobs.push(...[...kernelUnits, "native/variant.c"].map((unit) => object(unit, own)));
  }
  const objects = await inParallel(jobs, (job) => compile(job, version, sources));
  mkdirSync(dirname(target), { recursive: true });
  const temporary = `${target}.${process.pid}`;
  await promisify(execFile)(compiler, [...objects, ...link, "-o", temporary]);
  renameSync(temporary, target);
  writeFileSync(stamp, fingerprint);
  const seconds = ((performance.now() - started) / 1000).toFixed(1);
  return `${sets.map(({ name }) => name).join(", ")} compiled in ${seconds} s`;
}

function compilerVersion() {
  try {
    return execFileSync(compiler, ["--version"], { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] });
  } catch {
    throw new Error(`no C compiler: ${compiler} does not run`);
  }
}

/** Node's own headers: with Node itself, as most ways to install it do, or where npm or node-gyp keep them. */
function nodeHeaders() {
  const version = process.versions.node;
  const places = [
    process.env.npm_config_nodedir && join(process.env.npm_config_nodedir, "include", "node"),
    join(dirname(process.execPath), "..", "include", "node"),
    join(homedir(), ".cache", "node-gyp", version, "include", "node"),
    join(homedir(), "Library", "Caches", "node-gyp", version, "include", "node"),
  ].filter(Boolean);
  const found = places.find((place) => existsSync(join(place, "node_api.h")));
  if (!found) throw new Error(`no node_api.h in ${places.join(", ")}`);
  return found;
}

function symbolOf({ name }) {
  return name.replace(/\W/g, "_");
}

function setFlags(set) {
  const suffix = symbolOf(set);
  return [
    ...set.features.map((feature) => `-m${feature}`),
    ...Object.entries(set.tile).map(([name, value]) => `-D${name}=${value}`),
    ...[`-DKERNEL_NAME(name)=name##_${suffix}`, `-DVARIANT_NAME="${set.name}"`],
  ];
}

/** The same for every architecture, so that building for another one changes no source. */
function variantsHeader() {
  const macros = { x64: "__x86_64__", arm64: "__aarch64__" };
  const parts = Object.entries(variants).map(([name, sets]) => {
    const rows = sets.map((set) => {
      const needs = set.features.map((feature) => `__builtin_cpu_supports("${feature}")`).join(" && ") || "1";
      return `  X(variant_${symbolOf(set)}, ${needs})`;
    });
    return `#ifdef ${macros[name]}\n#define VARIANT_COUNT ${sets.length}\n#define VARIANTS(X) \\\n${rows.join(" \\\n")}\n#endif\n`;
  });
  return `// Made by scripts/build-native.mjs: X(symbol, whether this processor can run it), best first.\n#pragma once\n\n${parts.join("\n")}`;
}

function compile({ unit, flags }, version, sources) {
  const key = [version, JSON.stringify([flags, withIncludes(unit, sources)])];
  return cachedObject(key, (out) =>
    promisify(execFile)(compiler, [...flags, "-c", join(sourceFolder, unit), "-o", out]),
  );
}

/** Results in the order of the jobs, as many at once as there are processors. */
async function inParallel(jobs, run) {
  const results = [];
  let next = 0;
  const lane = async () => {
    while (next < jobs.length) {
      const index = next++;
      results[index] = await run(jobs[index]);
    }
  };
  await Promise.all(Array.from({ length: availableParallelism() }, lane));
  return results;
}
