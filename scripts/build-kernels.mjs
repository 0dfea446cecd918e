// kernels/kernels.def → C header and TypeScript types; kernels/*.c → dist/kernels/*.wasm, compiled by clang as WebAssembly
// (no system compiler). Files that would not change are left alone, so that an unchanged tree costs nothing.
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { readKernels } from "./kernel-list.mjs";
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

const outFolder = join(root, "dist", "kernels");

const resizeTarget = join(root, "src", "data", "resize-wasm.generated.ts");

/** C stack of the thread that owns the backend; those of the others are laid out by pool.c. */
const stackBytes = 256 * 1024;
/** 4 GiB less one page: the end of memory must itself be a 32-bit address. */
const maxMemoryBytes = 65535 * 65536;

// Atomics are on in all builds, and those with and without threads therefore share all objects but the pool's: only the pool uses any.
const compileFlags = [
  ...["--target=wasm32", "-std=c11", "-O3", "-ffreestanding", "-nostdlib", "-msimd128", "-mbulk-memory", "-matomics"],
  ...[
    "-ffp-contract=off",
    "-fno-math-errno",
    "-Wall",
    "-Wextra",
    "-Werror",
    "-DLANES=4",
    "-DMICRO_ROWS=4",
    "-DMICRO_VECTORS=2",
  ],
  // Vectors are written by hand, and V8 spills registers where it meets several turns of a loop at once: only loops of a
  // few constant turns (the lanes, the branches, the columns of a tile) are unrolled, whole, and others only where they stay small.
  ...["-fno-vectorize", "-mllvm", "-unroll-runtime=false", "-mllvm", "-unroll-allow-partial=false"],
  ...["-mllvm", "-unroll-threshold=60"],
];
// Kernels of operators that take little of a net's time: small before fast, since every page loads them.
const smallUnits = new Set(["gather.c", "normalize.c", "reduce.c", "strided_copy.c", "unary.c"]);
const linkFlags = [
  ...["--no-entry", "--import-memory", "--gc-sections", "--strip-all", "-z", `stack-size=${stackBytes}`],
  ...["pool_setup", "pool_run", "__heap_base"].map((name) => `--export=${name}`),
];
const threads = {
  poolFlags: ["-DPOOL_THREADS"],
  link: [
    ...["--shared-memory", `--max-memory=${maxMemoryBytes}`],
    ...["pool_worker", "pool_stop", "pool_fail", "pool_stack_top", "__stack_pointer"].map((name) => `--export=${name}`),
  ],
};
// A multiplication and the addition of its product become one relaxed_madd wherever they stand in one expression.
const relaxed = { flags: ["-mrelaxed-simd", "-ffp-contract=fast"] };
const plain = { flags: [], poolFlags: [], link: [] };
const variants = [
  { name: "simd", ...plain },
  { name: "simd-threads", ...plain, ...threads },
  { name: "simd-threads-relaxed", ...plain, ...threads, ...relaxed },
];

await main();

async function main() {
  const kernels = readKernels();
  writeIfChanged(join(sourceFolder, "kernels.generated.h"), cHeader(kernels));
  writeIfChanged(join(root, "src", "backend", "kernels.generated.ts"), typescriptTable(kernels));

  const native = readSources();
  writeFingerprint({ ...native, ...readSources("native") });
  const sources = { ...native, ...readSources("pictures") };
  const fingerprint = fingerprintOf(sources);
  const stamp = join(outFolder, "build.sha256");
  const targets = [...variants.map(({ name }) => join(outFolder, `${name}.wasm`)), resizeTarget];
  if (targets.every(existsSync) && existsSync(stamp) && readFileSync(stamp, "utf8") === fingerprint) {
    console.log(`kernels: ${kernels.length} kernels, unchanged`);
    return;
  }

  const started = performance.now();
  mkdirSync(outFolder, { recursive: true });
  const { commands, Exit } = await import("@yowasp/clang");
  await commands.clang(null, {}, { fetchProgress: () => {} }); // loads the compiler, silently
  const run = (name, args, files) => runTool(commands[name], Exit, name, args, files);
  const sizes = [];
  for (const variant of variants) {
    const objects = {};
    for (const unit of Object.keys(sources).filter((name) => /^[^/]+\.c$/.test(name))) {
      const flags = [
        ...compileFlags,
        ...variant.flags,
        ...(unit === "pool.c" ? variant.poolFlags : []),
        ...(smallUnits.has(unit) ? ["-Os"] : []),
        ...(isIntegerUnit(unit) ? integerFlags : []),
      ];
      objects[unit.replace(/\.c$/, ".o")] = await compile(run, unit, flags, sources);
    }
    const args = [...linkFlags, ...variant.link, ...Object.keys(objects), "-o", "out.wasm"];
    const bytes = (await run("wasm-ld", args, objects))["out.wasm"];
    writeFileSync(join(outFolder, `${variant.name}.wasm`), bytes);
    sizes.push(`${variant.name} ${(bytes.length / 1024).toFixed(1)} KiB`);
  }
  writeIfChanged(resizeTarget, await resizeModule(run));
  writeFileSync(stamp, fingerprint);
  const seconds = ((performance.now() - started) / 1000).toFixed(1);
  console.log(`kernels: ${kernels.length} kernels compiled in ${seconds} s (${sizes.join(", ")})`);
}

/** kernels/pictures/resize.c as a module of its own, small enough to be part of the script that needs it. */
async function resizeModule(run) {
  const unit = "resize.c";
  const sources = { [unit]: readSources("pictures")[`pictures/${unit}`] };
  const object = await compile(run, unit, compileFlags, sources);
  const link = ["--no-entry", "--gc-sections", "--strip-all", "--export=__heap_base", "-z", "stack-size=1024"];
  const bytes = (await run("wasm-ld", [...link, "resize.o", "-o", "out.wasm"], { "resize.o": object }))["out.wasm"];
  return (
    "// Made from kernels/pictures/resize.c by scripts/build-kernels.mjs.\n\n" +
    `/** The module in base64. */\nexport const resizeModule =\n  "${Buffer.from(bytes).toString("base64")}";\n`
  );
}

function cHeader(kernels) {
  const cType = { ptr: "uint32_t", i32: "int32_t", f32: "float" };
  const blocks = kernels.map(({ name, args }) => {
    const fields = args.map((a) => `  ${cType[a.type]} ${a.name};\n`).join("");
    return (
      `typedef struct {\n${fields}} ${name}_args;\n` +
      `int ${name}_tasks(const ${name}_args *args);\n` +
      `void ${name}_task(const ${name}_args *args, int task, int thread);\n`
    );
  });
  const rows = kernels.map(
    ({ name, args }) => `  { (kernel_tasks *)${name}_tasks, (kernel_task *)${name}_task, ${args.length} }, \\\n`,
  );
  const functions = kernels.flatMap(({ name }) => [`${name}_tasks`, `${name}_task`]);
  const macro = (name) => (isIntegerUnit(`${name}.c`) ? "INTEGER_KERNEL_NAME" : "KERNEL_NAME");
  const names = functions.map((name) => `#define ${name} ${macro(name)}(${name})\n`).join("");
  return (
    "// Made from kernels.def by scripts/build-kernels.mjs.\n#pragma once\n#include <stdint.h>\n\n" +
    `// Builds for several instruction sets live in one addon, each with names of its own: of integer nets\n// there may be more.\n#ifdef KERNEL_NAME\n${names}#endif\n\n` +
    `${blocks.join("\n")}\n// Rows of a kernel table, by kernel id.\n#define KERNEL_TABLE { \\\n${rows.join("")}}\n`
  );
}

function typescriptTable(kernels) {
  const fields = kernels.map(({ name, args, comment }) => {
    const doc = comment === "" ? "" : `  /**\n${comment.replace(/^/gm, "   * ").replaceAll("*/", "* /")}\n   */\n`;
    return `${doc}  ${name}: { ${args.map((a) => `readonly ${a.name}: number`).join("; ")} };\n`;
  });
  const rows = kernels.map(
    ({ name, args }, id) =>
      `  ${name}: { id: ${id}, args: [${args.map((a) => `["${a.name}", "${a.type}"]`).join(", ")}] },\n`,
  );
  return (
    "// Made from kernels/kernels.def by scripts/build-kernels.mjs.\n\n" +
    "/** The arguments of each kernel; what a kernel computes is written above its line in kernels/kernels.def. */\n" +
    `export interface KernelArguments {\n${fields.join("")}}\n\n` +
    "export type KernelName = keyof KernelArguments;\n\n" +
    '/** `ptr`: index of a 4-byte word in kernel memory, 0 is "none". */\n' +
    'export type KernelArgumentType = "ptr" | "i32" | "f32";\n\n' +
    "/** How a call is encoded: its id, then its arguments in this order, a word each. */\n" +
    "export interface KernelEncoding {\n  readonly id: number;\n  readonly args: readonly (readonly [name: string, type: KernelArgumentType])[];\n}\n\n" +
    `export const kernelEncodings: Readonly<Record<KernelName, KernelEncoding>> = {\n${rows.join("")}};\n`
  );
}

/** For the addon and for who loads it: an addon of other sources would run other kernels under the same numbers. */
function writeFingerprint(sources) {
  const written = Object.entries(sources).filter(([name]) => !name.endsWith(".generated.h"));
  const value = sha256([JSON.stringify(written), readFileSync(join(sourceFolder, "kernels.def"))]).slice(0, 16);
  const head = "Made by scripts/build-kernels.mjs of all that is in kernels/.";
  writeIfChanged(
    join(sourceFolder, "native", "fingerprint.generated.h"),
    `// ${head}\n#pragma once\n#define KERNELS_FINGERPRINT "${value}"\n`,
  );
  writeIfChanged(
    join(root, "src", "backend", "native", "fingerprint.generated.ts"),
    `// ${head}\n\n/** Of the sources of the kernels that these modules call; an addon has that of its own. */\nexport const kernelsFingerprint = "${value}";\n`,
  );
}

function fingerprintOf(sources) {
  return sha256([JSON.stringify(sources), compilerVersion(), readFileSync(fileURLToPath(import.meta.url))]);
}

function compilerVersion() {
  return readFileSync(new URL("../package.json", import.meta.resolve("@yowasp/clang")));
}

/** The object of one C file: from the cache where nothing that it includes has changed. */
async function compile(run, unit, flags, sources) {
  const files = withIncludes(unit, sources);
  const key = [compilerVersion(), JSON.stringify([flags, files])];
  const path = await cachedObject(key, async (out) => {
    writeFileSync(out, (await run("clang", [...flags, "-c", unit, "-o", "out.o"], files))["out.o"]);
  });
  return readFileSync(path);
}

async function runTool(command, Exit, name, args, files) {
  let diagnostics = "";
  const output = (bytes) => {
    if (bytes) diagnostics += Buffer.from(bytes).toString();
  };
  try {
    return await command(args, files, { stdout: output, stderr: output });
  } catch (error) {
    if (!(error instanceof Exit)) throw error;
    throw new Error(`kernels: ${name} ${args.filter((arg) => arg.endsWith(".c")).join(" ")} failed\n${diagnostics}`);
  }
}
