// The native addon of one platform: kernels/*.c once for each instruction set, and kernels/native, linked to one file.
import { execFile } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { basename, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import {
  cachedObject,
  integerFlags,
  isIntegerUnit,
  readSources,
  root,
  sha256,
  sourceFolder,
  withIncludes,
  writeIfChanged,
} from "./kernel-sources.mjs";

/**
 * Instruction sets by architecture, best first. `features` are both what the compiler may use and what the processor must
 * have (kernels/native/cpu.h); the tile (see kernels/conv_micro.h) is what fits the registers: 16, or 32 with AVX-512 and on ARM.
 */
const v4 = {
  name: "x86-64-v4",
  features: ["avx512f", "avx512vl", "avx512bw", "avx512dq", "avx2", "fma", "bmi", "bmi2"],
  tile: { LANES: 16, MICRO_ROWS: 8, MICRO_VECTORS: 2 },
};
const v3 = {
  name: "x86-64-v3",
  features: ["avx2", "fma", "f16c", "bmi", "bmi2"],
  tile: { LANES: 8, MICRO_ROWS: 4, MICRO_VECTORS: 2 },
};
const variants = {
  x64: [
    withByteProducts(v4, "avx512vnni"),
    v4,
    withByteProducts(v3, "avxvnni"),
    v3,
    { name: "x86-64", features: [], tile: { LANES: 4, MICRO_ROWS: 4, MICRO_VECTORS: 2 } },
  ],
  arm64: [{ name: "aarch64", features: [], tile: { LANES: 4, MICRO_ROWS: 4, MICRO_VECTORS: 4 } }],
};

// Products and sums may be fused: twice the speed. The order of operations stays as written, so results are the same from
// run to run and on any number of threads, but not the same bits as those of WebAssembly.
const compileFlags = [
  ...["-std=gnu11", "-O3", "-fvisibility=hidden", "-fno-math-errno"],
  ...["-fno-strict-aliasing", "-DPOOL_THREADS", "-Wall", "-Wextra", "-Wno-psabi", "-Wno-unknown-pragmas"],
];

/** A set with instructions that multiply bytes: kernels of integer nets (isIntegerUnit) are its own, all others those of `base`. */
function withByteProducts(base, feature) {
  return { ...base, name: `${base.name}-vnni`, features: [...base.features, feature], base };
}

/** The Node-API's C declarations, the same for every platform: a package of npm, as Node does not come with them everywhere. */
export const nodeApiHeaders = fileURLToPath(new URL("include", import.meta.resolve("node-api-headers/package.json")));

/** Whether there are kernels for an architecture, as Node names it. */
export function knowsArchitecture(architecture) {
  return architecture in variants;
}

/** Names of an architecture's instruction sets, best first. */
export function variantNames(architecture) {
  return variants[architecture].map(({ name }) => name);
}

/**
 * Compiles and links an addon, or leaves alone what is already made of the same things.
 * @param target the file
 * @param architecture as Node names it
 * @param compiler { command: [program, …arguments], version: what its objects depend on, clang: whether it is one }
 * @param flags, link of this platform: for the compiler, and for linking
 * @param featureFlag how the compiler is told of one processor feature
 * @returns seconds, or undefined where nothing changed
 */
export async function buildAddon({ target, architecture, compiler, flags, link, featureFlag = (name) => `-m${name}` }) {
  writeIfChanged(join(sourceFolder, "native", "variants.generated.h"), variantsHeader());
  const sources = { ...readSources(), ...readSources("native") };
  const script = readFileSync(fileURLToPath(import.meta.url));
  const parts = JSON.stringify([sources, compiler, flags, link, readHeaders()]);
  const fingerprint = sha256([parts, script]);
  const stamp = `${target}.sha256`;
  if (existsSync(target) && existsSync(stamp) && readFileSync(stamp, "utf8") === fingerprint) return undefined;

  const started = performance.now();
  // clang decides at "on" by the source alone, at "fast" by each instruction set anew, with other bits (kernels.def: "fused"). GCC fuses
  // nothing at "on", and the same everywhere at "fast".
  const contract = `-ffp-contract=${compiler.clang ? "on" : "fast"}`;
  const object = (unit, more) => ({ unit, flags: [...compileFlags, contract, ...flags, ...more] });
  const kernelUnits = Object.keys(sources).filter((name) => /^[^/]+\.c$/.test(name) && name !== "pool.c");
  const nativeUnits = Object.keys(sources).filter(
    (name) => /^native\/.+\.c$/.test(name) && name !== "native/variant.c",
  );
  const jobs = [object("pool.c", []), ...nativeUnits.map((unit) => object(unit, [`-I${nodeApiHeaders}`]))];
  for (const set of variants[architecture]) {
    const own = setFlags(set, featureFlag);
    for (const unit of [...kernelUnits, "native/variant.c"]) {
      if (isIntegerUnit(unit)) jobs.push(object(unit, [...own, ...integerFlags]));
      else if (!set.base || unit === "native/variant.c") jobs.push(object(unit, own));
    }
  }
  const objects = await inParallel(jobs, (job) => compile(job, compiler, sources));
  mkdirSync(dirname(target), { recursive: true });
  // Under its own name, which linkers for Windows write into it, in a folder of its own: they leave other files beside it.
  const folder = mkdtempSync(join(dirname(target), ".link-"));
  try {
    await runCompiler(compiler, [...objects, ...link, "-o", join(folder, basename(target))]);
    renameSync(join(folder, basename(target)), target);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  writeFileSync(stamp, fingerprint);
  return (performance.now() - started) / 1000;
}

function readHeaders() {
  return ["node_api.h", "js_native_api.h"].map((name) => readFileSync(join(nodeApiHeaders, name), "utf8"));
}

/** In the repository, by paths from it: nothing of this machine gets into the objects. */
function runCompiler({ command: [program, ...first] }, args) {
  return promisify(execFile)(program, [...first, ...args], { cwd: root });
}

function symbolOf({ name }) {
  return name.replace(/\W/g, "_");
}

function setFlags(set, featureFlag) {
  const suffix = symbolOf(set);
  return [
    ...set.features.map(featureFlag),
    ...Object.entries(set.tile).map(([name, value]) => `-D${name}=${value}`),
    ...[`-DKERNEL_NAME(name)=name##_${symbolOf(set.base ?? set)}`, `-DINTEGER_KERNEL_NAME(name)=name##_${suffix}`],
    `-DVARIANT_NAME="${set.name}"`,
  ];
}

/** The same for every architecture, so that building for another one changes no source. */
function variantsHeader() {
  const macros = { x64: "__x86_64__", arm64: "__aarch64__" };
  const parts = Object.entries(variants).map(([name, sets]) => {
    const rows = sets.map((set) => {
      const needs = set.features.map((feature) => `CPU_${feature.toUpperCase()}`).join(" | ") || "0";
      return `  X(variant_${symbolOf(set)}, ${needs})`;
    });
    return `#ifdef ${macros[name]}\n#define VARIANT_COUNT ${sets.length}\n#define VARIANTS(X) \\\n${rows.join(" \\\n")}\n#endif\n`;
  });
  return `// Made by scripts/native-addon.mjs: X(symbol, what a processor needs for it), best first.\n#pragma once\n\n${parts.join("\n")}`;
}

function compile({ unit, flags }, compiler, sources) {
  const key = [JSON.stringify([compiler, flags, withIncludes(unit, sources)])];
  return cachedObject(key, (out) => runCompiler(compiler, [...flags, "-c", join("kernels", unit), "-o", out]));
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
