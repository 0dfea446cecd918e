// kernels/*.c → prebuilds/<platform>-<architecture>/repvgg.node, by the system's C compiler, for this machine: the same kernels once
// for each instruction set, in one addon that chooses as it runs. Where that cannot be built, the package does without, and one line
// says why. For all platforms, as packages: scripts/build-native-packages.mjs.
//   REPVGG_NATIVE=off       does not try
//   REPVGG_NATIVE=required  fails where it cannot be built
//   CC, CFLAGS, LDFLAGS     as usual; --out FILE: another addon than the usual one
//   --arch arm64            for another architecture than this one, with a compiler for it: CC=aarch64-linux-gnu-gcc
import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { root } from "./kernel-sources.mjs";
import { buildAddon, knowsArchitecture, variantNames } from "./native-addon.mjs";

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
  if (!knowsArchitecture(architecture) || process.platform === "win32") {
    throw new Error(`none for ${process.platform} ${architecture} by the system's compiler`);
  }
  const version = compilerVersion();
  const seconds = await buildAddon({
    target,
    architecture,
    compiler: { command: [compiler], version, clang: /clang/i.test(version) },
    flags: ["-fPIC", "-pthread", ...words(process.env.CFLAGS)],
    link: [...linkFlags, ...words(process.env.LDFLAGS)],
  });
  if (seconds === undefined) return "unchanged";
  return `${variantNames(architecture).join(", ")} compiled in ${seconds.toFixed(1)} s`;
}

function compilerVersion() {
  try {
    return execFileSync(compiler, ["--version"], { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] });
  } catch {
    throw new Error(`no C compiler: ${compiler} does not run`);
  }
}
