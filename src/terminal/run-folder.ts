import { existsSync, readdirSync } from "node:fs";

/** The first of `base`, `base-2`, `base-3`, … in which nothing is: the same command may be given again. */
export function freeFolder(base: string): string {
  for (let count = 1; ; count++) {
    const path = count === 1 ? base : `${base}-${count}`;
    if (!existsSync(path) || readdirSync(path).length === 0) return path;
  }
}
