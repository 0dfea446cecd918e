// What the builds of the kernels share: where the sources are, and objects that are kept by the hash of all they are made from.
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { dirname, join, posix } from "node:path";
import { fileURLToPath } from "node:url";

export const root = join(dirname(fileURLToPath(import.meta.url)), "..");
export const sourceFolder = join(root, "kernels");
const objectCache = join(root, "node_modules", ".cache", "repvgg-kernels");

/** Texts of the C files and headers of a folder of `kernels`, by path from there. */
export function readSources(folder = ".") {
  const names = readdirSync(join(sourceFolder, folder)).filter((name) => /\.[ch]$/.test(name));
  const paths = names.sort().map((name) => posix.join(folder, name));
  return Object.fromEntries(paths.map((path) => [path, readFileSync(join(sourceFolder, path), "utf8")]));
}

export function sha256(parts) {
  const hash = createHash("sha256");
  for (const part of parts) hash.update(part).update("\0");
  return hash.digest("hex");
}

export function sha256File(path) {
  return createHash("sha256").update(readFileSync(path)).digest("hex");
}

/**
 * C files of integer nets. Their float32 operations are never fused, so that every build gives the same bits; instructions that
 * multiply bytes are for them alone.
 */
export function isIntegerUnit(name) {
  return /^(conv_)?u8_.*\.c$/.test(name);
}

/** What the compiler is told for these files, after all that it is told for others. */
export const integerFlags = ["-ffp-contract=off"];

/** A C file and the headers that it includes, directly or not. */
export function withIncludes(unit, sources) {
  const files = {};
  const include = (path) => {
    if (path in files || !(path in sources)) return;
    files[path] = sources[path];
    for (const [, header] of sources[path].matchAll(/^#include "(.+)"$/gm))
      include(posix.join(posix.dirname(path), header));
  };
  include(unit);
  return files;
}

/** The path of what `make` writes to the path it is given: made once for each `key`. */
export async function cachedObject(key, make) {
  mkdirSync(objectCache, { recursive: true });
  const cached = join(objectCache, `${sha256(key)}.o`);
  if (existsSync(cached)) return cached;
  const temporary = `${cached}.${process.pid}`;
  await make(temporary);
  renameSync(temporary, cached);
  return cached;
}

export function writeIfChanged(path, text) {
  if (!existsSync(path) || readFileSync(path, "utf8") !== text) writeFileSync(path, text);
}
