import type { KernelCall, Pointer } from "./backend.js";
import { kernelExtents, type Tile, type Touched, type Words } from "./kernel-extents.js";
import { kernelEncodings } from "./kernels.generated.js";

/** Memory that a call may touch. */
export interface Region {
  /** Of a value or a purpose, for messages. */
  readonly name: string;
  readonly from: Pointer;
  readonly words: number;
  readonly writable: boolean;
}

/**
 * Whether every kernel call is held against its memory before it runs: REPVGG_CHECK_KERNELS=1 in the environment, as the tests have it.
 * It costs time and finds what no sanitizer sees, since all buffers of a net are parts of one allocation.
 */
export const checksKernels: boolean =
  (globalThis as { process?: { env?: Readonly<Record<string, string | undefined>> } }).process?.env?.[
    "REPVGG_CHECK_KERNELS"
  ] === "1";

/**
 * @param where of the calls, for the message ("step "conv1"")
 * @throws Error where a call touches words that no one region has, writes what is only to be read, or has no description: a bug
 */
export function checkCalls(calls: readonly KernelCall[], regions: readonly Region[], tile: Tile, where: string): void {
  for (const { kernel, args } of calls) {
    const describe = kernelExtents[kernel] as ((args: object, tile: Tile) => Touched) | undefined;
    if (!describe) throw new Error(`${kernel} in ${where}: nothing in kernel-extents.ts says what it touches`);
    const { reads = {}, writes } = describe(args, tile);
    const described = new Map<string, { readonly words: Words; readonly write: boolean }>();
    for (const [name, words] of Object.entries(reads)) described.set(name, { words: words as Words, write: false });
    for (const [name, words] of Object.entries(writes)) described.set(name, { words: words as Words, write: true });
    for (const [name, type] of kernelEncodings[kernel].args) {
      if (type !== "ptr") continue;
      const fail = (what: string): never => {
        throw new Error(`${kernel} in ${where}: ${name} ${what}`);
      };
      const [needed, optional] = [described.get(name), described.get(`${name}?`)];
      const { words, write } = needed ?? optional ?? fail("is not described in kernel-extents.ts");
      const pointer = (args as unknown as Readonly<Record<string, number>>)[name]!;
      if (pointer === 0 && optional) continue;
      const [first, end] = typeof words === "number" ? [0, words] : words;
      if (!Number.isInteger(first) || !Number.isInteger(end) || end < first) fail(`would touch ${end - first} words`);
      if (end === first) continue;
      const inside = regions.some(
        (r) => pointer + first >= r.from && pointer + end <= r.from + r.words && (r.writable || !write),
      );
      if (inside) continue;
      const verb = write ? "writes" : "reads";
      const near = regions.filter((r) => pointer >= r.from && pointer < r.from + r.words);
      const parts = near.map((r) => {
        const own = `"${r.name}" of ${r.words} words${r.writable ? "" : ", which is only to be read"}`;
        return `words ${pointer + first - r.from} to ${pointer + end - 1 - r.from} of ${own}`;
      });
      fail(`${verb} ${parts.join(" or ") || `${end - first} words at ${pointer}, which is no memory of it`}`);
    }
  }
}
