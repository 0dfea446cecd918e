import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";

/** Kernels of one instruction set; see `variants` in scripts/build-native.mjs. */
export interface NativeVariant {
  /** "x86-64-v4", … */
  readonly name: string;
  readonly lanes: number;
  readonly panelColumns: number;
  readonly microRows: number;
  readonly readsHalves: boolean;
  /** This processor can run it. */
  readonly supported: boolean;
}

/** Memory, pool and threads of one backend; gone with its last reference, whether or not it was stopped. */
export type NativeHandle = { readonly __native: "engine" };

/** What kernels/native/addon.c exports. */
export interface NativeAddon {
  /** Best first. */
  variants(): readonly NativeVariant[];
  /** @param variant index in {@link variants} */
  create(
    variant: number,
    threads: number,
  ): { readonly handle: NativeHandle; readonly firstWord: number; readonly limitWord: number };
  /** A part of kernel memory, shorter than 4 GiB. */
  window(handle: NativeHandle, byteOffset: number, byteLength: number): ArrayBuffer;
  detach(window: ArrayBuffer): void;
  /** Runs calls that are encoded at a word. Never after {@link stop}. */
  run(handle: NativeHandle, program: number, calls: number): void;
  /** Ends the threads. */
  stop(handle: NativeHandle): void;
}

/** The addon, or why there is none. */
export type LoadedAddon = { readonly addon: NativeAddon } | { readonly absent: string };

let loaded: LoadedAddon | undefined;

/** Loads the addon that was built for this platform; REPVGG_ADDON names another file. */
export function loadAddon(): LoadedAddon {
  loaded ??= load();
  return loaded;
}

function load(): LoadedAddon {
  const built = new URL(`../../../prebuilds/${process.platform}-${process.arch}/repvgg.node`, import.meta.url);
  const path = process.env["REPVGG_ADDON"] ?? fileURLToPath(built);
  if (!existsSync(path)) return { absent: `not built for ${process.platform} ${process.arch}` };
  try {
    // Not by `require`: bundlers put one of their own in its place, which finds only what they have bundled.
    const module = { exports: {} };
    process.dlopen(module, path);
    return { addon: module.exports as NativeAddon };
  } catch (error) {
    return { absent: error instanceof Error ? error.message.split("\n", 1)[0]! : String(error) };
  }
}
