// The house as its imports show it: which room reads which. The rules stand in tests/architecture.test.ts.
import { readdirSync, readFileSync } from "node:fs";
import { join, posix, sep } from "node:path";
import { fileURLToPath } from "node:url";

const source = fileURLToPath(new URL("../src", import.meta.url));
const importStatement = /^(?:import|export)\s+(?:type\s+)?(?:[\w*${}\s,]+?\s+from\s+)?["']([^"']+)["']/gm;
const dynamicImport = /\bimport\(\s*["']([^"']+)["']\s*\)/g;

/** Source files by their path under src/, with their text. What the build writes is none. */
export function sourceFiles() {
  const names = readdirSync(source, { recursive: true, encoding: "utf8" }).filter((name) => /\.ts$/.test(name));
  return new Map(
    names
      .map((name) => name.split(sep).join("/"))
      .filter((name) => !name.includes(".generated."))
      .sort()
      .map((name) => [name, readFileSync(join(source, name), "utf8")]),
  );
}

/** Everything that files import: a file under src/ (`to`), or what is not ours. */
export function importsOf(files) {
  return [...files].flatMap(([from, text]) =>
    [...text.matchAll(importStatement), ...text.matchAll(dynamicImport)].map(([, specifier]) => ({
      from,
      specifier,
      to: specifier.startsWith(".") ? posix.join(posix.dirname(from), specifier).replace(/\.js$/, ".ts") : undefined,
    })),
  );
}

/** The folder of src/ in which a file lies; files of src/ itself are the entries. */
export const roomOf = (file) => (file.includes("/") ? file.slice(0, file.indexOf("/")) : "index");

/** Room → rooms that it reads, but for core, which everybody reads. */
export function arrowsOf(imports) {
  const arrows = new Map();
  for (const { from, to } of imports) {
    const [a, b] = [roomOf(from), to && roomOf(to)];
    if (!b || a === b || b === "core" || b === "index") continue;
    if (!arrows.has(a)) arrows.set(a, new Set());
    arrows.get(a).add(b);
  }
  return arrows;
}

/** The arrows without those that a longer way shows too; two rooms that read each other stay so. */
function withoutShortcuts(arrows) {
  const reaches = (from, to, without, seen = new Set([from])) =>
    [...(arrows.get(from) ?? [])].some((next) => {
      if ((from === without[0] && next === without[1]) || seen.has(next)) return false;
      if (next === to) return true;
      seen.add(next);
      return reaches(next, to, without, seen);
    });
  return [...arrows].flatMap(([a, targets]) => [...targets].filter((b) => !reaches(a, b, [a, b])).map((b) => [a, b]));
}

/** The rooms as a picture (Mermaid): an arrow for each room that reads another, shortcuts left out. */
export function picture() {
  const arrows = withoutShortcuts(arrowsOf(importsOf(sourceFiles()))).filter(([room]) => room !== "index");
  return ["```mermaid", "flowchart TD", ...arrows.map(([a, b]) => `  ${a} --> ${b}`).sort(), "```"].join("\n");
}

/** Lines of code of each room. */
export function linesOf(files) {
  const lines = new Map();
  for (const [file, text] of files) {
    lines.set(roomOf(file), (lines.get(roomOf(file)) ?? 0) + text.split("\n").length - 1);
  }
  return lines;
}
