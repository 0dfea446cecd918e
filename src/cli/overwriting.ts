import { realpath, stat } from "node:fs/promises";
import { Option } from "commander";
import { asFloat32 } from "../core/deferred-array.js";
import { UserError } from "../core/errors.js";
import type { NamedArray, NamedArrays } from "../core/named-arrays.js";
import { openNet } from "../exchange/load-net.node.js";

import type { Net } from "../exchange/net.js";
import { roundTo } from "../graph/precision.js";

export interface OverwritingOptions {
  readonly force?: boolean;
}

/** The option of commands that write nets. */
export function forceOption(): Option {
  return new Option("--force", "also write over the net that is read, or over branches that cannot be made again");
}

/**
 * Refuses to write over a file that is read: folding cannot be undone, and a net in another format or precision may not be got back.
 * Checked before long work.
 * @param sources files and other names of nets
 * @throws UserError without `force`
 */
export async function checkNotSource(
  output: string,
  sources: readonly string[],
  { force }: OverwritingOptions,
): Promise<void> {
  if (force) return;
  for (const source of sources) {
    if (!(await isSameFile(output, source))) continue;
    throw new UserError({
      expected: "an output beside the net that is read",
      received: `${output}, ${output === source ? "the net itself" : `the same file as ${source}`}`,
      remedy: "what is written over it cannot be undone: name another file, or give --force",
    });
  }
}

/**
 * Refuses to write over a net in training form, unless what is written is that net again: no fold gives its branches back.
 * @throws UserError without `force`
 */
export async function checkReplaceable(output: string, net: Net, { force }: OverwritingOptions): Promise<void> {
  if (force || (await stat(output).catch(() => undefined))?.isFile() !== true) return;
  const there = await openNet(output).catch((error: unknown) => {
    if (error instanceof UserError) return undefined; // no net, or a damaged one
    throw error;
  });
  if (!there) return;
  try {
    if (!hasBranches(there.net) || isSameNet(there.net, net)) return;
  } finally {
    there.close();
  }
  throw new UserError({
    expected: "an output that can be made again",
    received: `${output}, another net in training form`,
    remedy: "its branches would be lost: name another file, or give --force",
  });
}

/** By what they are, not what they are called: links lead to one file. */
async function isSameFile(a: string, b: string): Promise<boolean> {
  const [one, other] = await Promise.all([a, b].map((path) => stat(path, { bigint: true }).catch(() => undefined)));
  if (!one || !other) return false;
  // Some file systems number no files.
  if (one.ino !== 0n || other.ino !== 0n) return one.dev === other.dev && one.ino === other.ino;
  const [first, second] = await Promise.all([realpath(a), realpath(b)]);
  return first === second;
}

/** In training form, or a graph with BatchNorms, which a fold takes into its convolutions. */
function hasBranches({ source, graph }: Net): boolean {
  return source.form === "train" || graph.nodes.some(({ op }) => op === "BatchNormalization");
}

function isSameNet(a: Net, b: Net): boolean {
  const [one, other] = [weightsOf(a), weightsOf(b)];
  return one.size === other.size && [...one].every(([name, array]) => isSameArray(array, other.get(name)));
}

function weightsOf({ model, graph }: Net): NamedArrays {
  return model?.state ?? graph.initializers;
}

/** The same numbers, or what float16 made of them. @param there the array in the file */
function isSameArray(there: NamedArray, written: NamedArray | undefined): boolean {
  if (!written || there.shape.join() !== written.shape.join()) return false;
  if (there.dtype === written.dtype && Buffer.compare(bytesOf(there), bytesOf(written)) === 0) return true;
  if (!/^f(16|32)$/.test(there.dtype) || written.dtype !== "f32") return false;
  const halves = asHalves(written);
  return halves !== undefined && Buffer.compare(bytesOf(asFloat32(there)), halves) === 0;
}

/** What float16 makes of an array, as float32; undefined where it cannot hold it. */
function asHalves(array: NamedArray): Uint8Array | undefined {
  try {
    return bytesOf(asFloat32(roundTo(array, "f16", "a weight")));
  } catch (error) {
    if (error instanceof UserError) return undefined;
    throw error;
  }
}

function bytesOf({ data }: NamedArray): Uint8Array {
  return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
}
