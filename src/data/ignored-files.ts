import type { IgnoredFiles } from "./dataset.js";

/** Counts what is left aside, by kind. */
export class IgnoredTally {
  readonly #root: string | undefined;
  readonly #kinds = new Map<string, { count: number; example: string; convertible: boolean }>();

  /** @param root the folder below which examples are named; left out: they keep their whole path */
  constructor(root?: string) {
    this.#root = root;
  }

  add(kind: string, path: string, convertible = false, count = 1): void {
    const known = this.#kinds.get(kind);
    if (known) known.count += count;
    else this.#kinds.set(kind, { count, example: this.#below(path), convertible });
  }

  addAll(other: IgnoredTally): void {
    for (const [kind, { count, example, convertible }] of other.#kinds) this.add(kind, example, convertible, count);
  }

  /** The commonest first. */
  list(): IgnoredFiles[] {
    return [...this.#kinds]
      .map(([kind, counted]) => ({ kind, ...counted }))
      .sort((a, b) => b.count - a.count || (a.kind < b.kind ? -1 : 1));
  }

  #below(path: string): string {
    if (this.#root === undefined) return path;
    const inside = path.startsWith(this.#root) && /[\\/]/.test(path[this.#root.length] ?? "");
    return inside ? path.slice(this.#root.length + 1) : path;
  }
}

/** Kinds and counts in a line: "12 × HEIC (a/IMG_1.heic), 3 × text (a/notes.txt)". */
export function describeIgnored(ignored: readonly IgnoredFiles[]): string {
  return ignored.map(({ kind, count, example }) => `${count.toLocaleString("en")} × ${kind} (${example})`).join(", ");
}
