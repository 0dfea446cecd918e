import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";
import { kernelsFingerprint } from "./fingerprint.generated.js";
import { nativePackage, thisPlatform } from "./platform.js";

/** Kernels of one instruction set; see `variants` in scripts/build-native.mjs. */
export interface NativeVariant {
  /** "x86-64-v4", … */
  readonly name: string;
  readonly lanes: number;
  readonly panelColumns: number;
  readonly microRows: number;
  readonly readsHalves: boolean;
  readonly multipliesBytes: boolean;
  /** This processor can run it. */
  readonly supported: boolean;
}

/** Memory, pool and threads of one backend; gone with its last reference, whether or not it was stopped. */
export type NativeHandle = { readonly __native: "engine" };

/** What kernels/native/addon.c exports. */
export interface NativeAddon {
  /** Of the sources that it was made from. */
  readonly fingerprint: string;
  /** Best first. */
  variants(): readonly NativeVariant[];
  /** @param variant index in {@link variants} */
  create(
    variant: number,
    threads: number,
  ): { readonly handle: NativeHandle; readonly firstWord: number; readonly limitWord: number };
  /** A part of kernel memory, shorter than 4 GiB. */
  window(handle: NativeHandle, byteOffset: number, byteLength: number): ArrayBuffer;
  /** Makes sure that all words before one exist; false where the system has no memory for them. */
  commit(handle: NativeHandle, endWord: number): boolean;
  detach(window: ArrayBuffer): void;
  /** Runs calls that are encoded at a word. Never after {@link stop}. */
  run(handle: NativeHandle, program: number, calls: number): void;
  /** Ends the threads. */
  stop(handle: NativeHandle): void;
}

/** The addon, or why there is none. */
export type LoadedAddon = { readonly addon: NativeAddon } | { readonly absent: string };

let loaded: LoadedAddon | undefined;

/**
 * Loads the addon for this process: the one that REPVGG_ADDON names, else the one that was built in this checkout, else that of the
 * package for this platform.
 */
export function loadAddon(): LoadedAddon {
  loaded ??= load();
  return loaded;
}

function load(): LoadedAddon {
  const named = process.env["REPVGG_ADDON"];
  if (named)
    return existsSync(named) ? opened(named, named, sameVersion) : { absent: `REPVGG_ADDON names no file: ${named}` };
  const built = new URL(`../../../prebuilds/${process.platform}-${process.arch}/repvgg.node`, import.meta.url);
  const own = fileURLToPath(built);
  const ownResult = existsSync(own) ? opened(own, "the addon of this checkout", "npm run build") : undefined;
  if (ownResult && "addon" in ownResult) return ownResult;
  const published = loadPublished();
  return "absent" in published ? (ownResult ?? published) : published;
}

function loadPublished(): LoadedAddon {
  const platform = thisPlatform();
  const name = nativePackage(platform);
  if (!name) return { absent: `none are made for ${platform.platform} ${platform.architecture}` };
  try {
    return opened(createRequire(import.meta.url).resolve(name), name, sameVersion);
  } catch {
    return { absent: `${name} is not installed (npm install --include=optional)` };
  }
}

const sameVersion = "both have to be of the same version";

/**
 * Opens an addon.
 * @param path a file that exists
 * @param name what to call it
 * @param remedy what to do where it was made of other kernels
 */
function opened(path: string, name: string, remedy: string): LoadedAddon {
  // Not by `require`: bundlers put one of their own in its place, which finds only what they have bundled.
  const module: { exports: Partial<NativeAddon> } = { exports: {} };
  try {
    process.dlopen(module, path);
  } catch (error) {
    const reason = error instanceof Error ? error.message.split("\n", 1)[0]! : String(error);
    return { absent: reason };
  }
  // Calls go by numbers of kernels and places of arguments: of other sources they would mean something else.
  if (module.exports.fingerprint !== kernelsFingerprint) {
    return { absent: `${name} was made of other kernels than these: ${remedy}` };
  }
  return { addon: module.exports as NativeAddon };
}
