import { execFileSync } from "node:child_process";
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { nativePackage, thisPlatform } from "#repvgg/backend/native/platform.js";
import { sha256File } from "../scripts/kernel-sources.mjs";
import { addonFile, nativeManifest, nativePackageName, nativePackages } from "../scripts/native-packages.mjs";

export const root = fileURLToPath(new URL("..", import.meta.url));

export interface PackageManifest {
  readonly name: string;
  readonly version: string;
  readonly engines: { readonly node: string };
  readonly dependencies: Readonly<Record<string, string>>;
  readonly peerDependencies: Readonly<Record<string, string>>;
  readonly peerDependenciesMeta: Readonly<Record<string, { readonly optional?: boolean }>>;
  readonly sideEffects: readonly string[];
}

export const manifest: PackageManifest = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));

export interface PackedFile {
  readonly path: string;
  readonly size: number;
}

export interface Packed {
  readonly size: number;
  readonly unpackedSize: number;
  readonly files: readonly PackedFile[];
}

/** What `npm pack` says that it would put into the tarball, or has put into one in `folder`. Nothing is built or fetched. */
export function npmPack(folder?: string): Packed & { readonly filename: string } {
  const target = folder === undefined ? ["--dry-run"] : ["--pack-destination", folder];
  const text = execFileSync("npm", ["pack", "--json", "--ignore-scripts", "--offline", ...target], {
    cwd: root,
    encoding: "utf8",
    maxBuffer: 64e6,
    stdio: ["ignore", "pipe", "ignore"],
    shell: process.platform === "win32",
  });
  const value: Record<string, Packed & { filename: string }> | (Packed & { filename: string })[] = JSON.parse(text);
  return Object.values(value)[0]!; // a list, or a record by name: by npm's version
}

export interface Installed {
  /** An empty project in which the package lies as npm puts it there. */
  readonly folder: string;
  remove(): void;
}

/**
 * The tarball unpacked into an empty project, beside what it declares as dependencies and nothing else: those are links to this repository's.
 * The resolver looks for them from the unpacked folder, so that what is not declared is not found.
 */
export function installTarball(): Installed {
  const folder = mkdtempSync(join(tmpdir(), "repvgg-install-"));
  const modules = join(folder, "node_modules");
  mkdirSync(modules);
  const { filename } = npmPack(folder);
  execFileSync("tar", ["-xzf", filename, "-C", "node_modules"], { cwd: folder });
  execFileSync("mv", ["node_modules/package", "node_modules/repvgg"], { cwd: folder });
  rmSync(join(folder, filename));
  for (const name of Object.keys(manifest.dependencies)) {
    mkdirSync(dirname(join(modules, name)), { recursive: true });
    symlinkSync(join(root, "node_modules", name), join(modules, name));
  }
  installAddon(modules);
  writeFileSync(join(folder, "package.json"), JSON.stringify({ private: true, type: "module" }));
  return { folder, remove: () => rmSync(folder, { recursive: true, force: true }) };
}

/** The package of this platform with the addon of this checkout, where there is one. @param modules a `node_modules` */
export function installAddon(modules: string): void {
  const addon = join(root, "prebuilds", `${process.platform}-${process.arch}`, addonFile);
  const platform = nativePackages.find((platform) => nativePackageName(platform) === nativePackage(thisPlatform()));
  if (!platform || !existsSync(addon)) return;
  const folder = join(modules, nativePackageName(platform));
  mkdirSync(folder, { recursive: true });
  copyFileSync(addon, join(folder, addonFile));
  writeFileSync(join(folder, "package.json"), JSON.stringify(nativeManifest(platform, manifest, sha256File(addon))));
}

/** Packages that npm installs with this one, this one among them: its dependencies and theirs, by package-lock.json. */
export function installedPackages(platform = { os: "linux", cpu: "x64", libc: "glibc" }): string[] {
  type Locked = {
    readonly dependencies?: Readonly<Record<string, string>>;
    readonly optionalDependencies?: Readonly<Record<string, string>>;
    readonly os?: readonly string[];
    readonly cpu?: readonly string[];
    readonly libc?: readonly string[];
  };
  const lock: { packages: Record<string, Locked> } = JSON.parse(readFileSync(join(root, "package-lock.json"), "utf8"));
  const fits = ({ os, cpu, libc }: Locked): boolean =>
    (os?.includes(platform.os) ?? true) &&
    (cpu?.includes(platform.cpu) ?? true) &&
    (libc?.includes(platform.libc) ?? true);
  const found = new Set<string>();
  const visit = (place: string): void => {
    const locked = lock.packages[place];
    if (!locked || found.has(place) || !fits(locked)) return;
    found.add(place);
    for (const name of Object.keys({ ...locked.dependencies, ...locked.optionalDependencies })) {
      const inner = `${place}/node_modules/${name}`;
      visit(inner in lock.packages ? inner : `node_modules/${name}`);
    }
  };
  for (const name of Object.keys(manifest.dependencies)) visit(`node_modules/${name}`);
  return ["repvgg", ...found];
}

/** The size of a package's folder in bytes. */
export function folderBytes(folder: string): number {
  if (!existsSync(folder)) return 0;
  return Number(execFileSync("du", ["-sk", folder], { encoding: "utf8" }).split("\t")[0]) * 1024;
}
