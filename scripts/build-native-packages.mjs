// Native addons of all platforms, cross-compiled on this machine, as packages in prebuilds/packages (scripts/native-packages.mjs).
//   npm run build:native-packages [-- --only linux-x64-gnu,win32-x64]
// The compiler is zig: clang, linkers and the C libraries of every platform in one folder. Not a dependency of everybody's, as it
// measures 350 MB: scripts/zig.mjs says where it is looked for.
import { execFileSync } from "node:child_process";
import { copyFileSync, mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { root, sha256File } from "./kernel-sources.mjs";
import { buildAddon } from "./native-addon.mjs";
import {
  addonFile,
  mainManifest,
  nativeManifest,
  nativePackages,
  nativeReadme,
  packagesFolder,
} from "./native-packages.mjs";
import { findZig, noZig } from "./zig.mjs";

const flags = {
  linux: ["-fPIC", "-pthread"],
  darwin: ["-fPIC", "-pthread"],
  win32: [],
};
const link = {
  // Node has the Node-API's functions, and the C library those of threads; -s: no names for debuggers.
  linux: ["-shared", "-pthread", "-s", "-Wl,--gc-sections"],
  darwin: ["-shared", "-Wl,-install_name,@rpath/repvgg.node", "-undefined", "dynamic_lookup", "-s"],
  win32: ["-shared", "-s"],
};

await main();

async function main() {
  const { values: options } = parseArgs({ options: { only: { type: "string" } } });
  const wanted = options.only?.split(",") ?? nativePackages.map(({ id }) => id);
  const unknown = wanted.filter((id) => !nativePackages.some((platform) => platform.id === id));
  if (unknown.length > 0) fail(`no platform ${unknown.join(", ")}: ${nativePackages.map(({ id }) => id).join(", ")}`);
  const zig = findZig();
  if (!zig) fail(noZig);
  execFileSync(process.execPath, [join(root, "scripts", "build-kernels.mjs")], { stdio: "inherit" });
  const main = mainManifest();
  for (const platform of nativePackages.filter(({ id }) => wanted.includes(id))) {
    const folder = join(packagesFolder, platform.id);
    const seconds = await buildPackage(platform, folder, zig, main).catch((error) =>
      fail(`${platform.id}: ${String(error.stderr || error.message).split("\n", 1)[0]}`),
    );
    const size = (statSync(join(folder, addonFile)).size / 1024).toFixed(0);
    console.log(`${platform.id}: ${size} KiB, ${seconds === undefined ? "unchanged" : `${seconds.toFixed(1)} s`}`);
  }
}

async function buildPackage(platform, folder, { program, version }, main) {
  const target = join(folder, addonFile);
  mkdirSync(folder, { recursive: true });
  const seconds = await buildAddon({
    target,
    architecture: platform.cpu,
    compiler: { command: [program, "cc", "-target", platform.target], version, clang: true },
    flags: flags[platform.os],
    link: link[platform.os],
  });
  if (platform.os === "win32" && seconds !== undefined) forgetTime(target);
  const manifest = nativeManifest(platform, main, sha256File(target));
  writeFileSync(join(folder, "package.json"), `${JSON.stringify(manifest, null, 2)}\n`);
  writeFileSync(join(folder, "README.md"), nativeReadme(platform));
  copyFileSync(join(root, "LICENSE"), join(folder, "LICENSE"));
  return seconds;
}

/** The linker writes the time into a Windows library: without it the same sources give the same bytes (PE format, "COFF file header"). */
function forgetTime(path) {
  const bytes = readFileSync(path);
  bytes.writeUInt32LE(0, bytes.readUInt32LE(0x3c) + 8);
  writeFileSync(path, bytes);
}

function fail(why) {
  console.error(`native packages: ${why}`);
  process.exit(1);
}
