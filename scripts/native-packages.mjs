// The packages with native addons, one for each platform: what is in them, and how the main package names them.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { root } from "./kernel-sources.mjs";

/**
 * Platforms with Node's names. `target`: what zig calls it, with the oldest system it shall run on: glibc 2.17 (2012; Node itself
 * needs 2.28) and macOS 11. `src/backend/native/platform.ts` chooses among them.
 */
export const nativePackages = [
  { id: "linux-x64-gnu", os: "linux", cpu: "x64", libc: "glibc", target: "x86_64-linux-gnu.2.17" },
  { id: "linux-arm64-gnu", os: "linux", cpu: "arm64", libc: "glibc", target: "aarch64-linux-gnu.2.17" },
  { id: "linux-x64-musl", os: "linux", cpu: "x64", libc: "musl", target: "x86_64-linux-musl" },
  { id: "linux-arm64-musl", os: "linux", cpu: "arm64", libc: "musl", target: "aarch64-linux-musl" },
  { id: "darwin-arm64", os: "darwin", cpu: "arm64", target: "aarch64-macos.11.0" },
  { id: "darwin-x64", os: "darwin", cpu: "x64", target: "x86_64-macos.11.0" },
  { id: "win32-x64", os: "win32", cpu: "x64", target: "x86_64-windows-gnu" },
  { id: "win32-arm64", os: "win32", cpu: "arm64", target: "aarch64-windows-gnu" },
];

export const addonFile = "repvgg.node";

/** Where built packages lie. */
export const packagesFolder = join(root, "prebuilds", "packages");

export function nativePackageName({ id }) {
  return `@repvgg/${id}`;
}

/** The `package.json` of a platform's package, from the main package's and the SHA-256 of its addon. */
export function nativeManifest(platform, main, sha256) {
  const { os, cpu, libc } = platform;
  const common = ["license", "author", "homepage", "repository", "bugs"].filter((key) => main[key] !== undefined);
  return {
    name: nativePackageName(platform),
    version: main.version,
    description: `Native kernels of repvgg for ${describe(platform)}.`,
    ...Object.fromEntries(common.map((key) => [key, main[key]])),
    os: [os],
    cpu: [cpu],
    ...(libc ? { libc: [libc] } : {}),
    main: addonFile,
    files: [addonFile],
    // For package managers that keep archives packed: an addon can be opened as a file only.
    preferUnplugged: true,
    engines: main.engines,
    addon: { sha256 },
    publishConfig: { access: "public" },
  };
}

export function nativeReadme(platform) {
  return (
    `# ${nativePackageName(platform)}\n\n` +
    `Native kernels of [repvgg](https://www.npmjs.com/package/repvgg) for ${describe(platform)}. It is installed with that package, in the\n` +
    "same version, where the platform is this one; nothing in it is to be called by anybody else. `addon.sha256` in `package.json` is the SHA-256\n" +
    `of \`${addonFile}\`.\n`
  );
}

/**
 * The main package's `package.json` as it is published: with every platform's package of the same version as an optional
 * dependency, and without the scripts, whose files it has not. In the repository it names none, so that `npm ci` asks for nothing
 * that is not published yet.
 */
export function releaseManifest({ scripts: _, ...main }) {
  const optional = nativePackages.map((platform) => [nativePackageName(platform), main.version]);
  return { ...main, optionalDependencies: { ...main.optionalDependencies, ...Object.fromEntries(optional) } };
}

/** The repository's own `package.json`. */
export function mainManifest() {
  return JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
}

function describe({ os, cpu, libc }) {
  const system = { linux: "Linux", darwin: "macOS", win32: "Windows" }[os];
  return `${system} on ${cpu}${libc ? ` with ${libc}` : ""}`;
}
