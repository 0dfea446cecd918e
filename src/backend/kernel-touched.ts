import type { Backend } from "./backend.js";
import type { KernelArguments, KernelName } from "./kernels.generated.js";

/** Words that a kernel touches from an address on: `[0, n)` as n, or `[first, end)`. */
export type Words = number | readonly [first: number, end: number];

/** How a build lays out packed weights and products. */
export type Tile = Pick<Backend, "panelColumns" | "microRows">;

/** By argument; a `?` behind its name: the address may be 0, "none". */
type ByArgument<K extends KernelName> = Readonly<
  Partial<Record<(keyof KernelArguments[K] & string) | `${keyof KernelArguments[K] & string}?`, Words>>
>;

/** All words that a call reads, and all that it writes (and may read). */
export interface Touched<K extends KernelName = KernelName> {
  readonly reads?: ByArgument<K>;
  readonly writes: ByArgument<K>;
}
