import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { expect, it } from "vitest";
import { root } from "./support.js";

/** Bytes of files under gzip -9, together. */
function gzipped(folder: string, keep: (name: string) => boolean): number {
  const files = readdirSync(join(root, folder)).filter(keep);
  expect(files.length).toBeGreaterThan(0);
  return files.reduce((sum, name) => sum + gzipSync(readFileSync(join(root, folder, name)), { level: 9 }).length, 0);
}

/** Of a page with an engine: what it loads on its own thread, by static imports. */
function graphOf(entry: string, seen = new Set<string>()): Set<string> {
  if (seen.has(entry)) return seen;
  seen.add(entry);
  const text = readFileSync(join(root, "dist/bundle", entry), "utf8");
  for (const [, name] of text.matchAll(/(?:from|import)\s*"\.\/([^"]+)"/g)) graphOf(name!, seen);
  return seen;
}

it("is small: kernels of all builds, engine, and the page's side of it", () => {
  expect(gzipped("dist/kernels", (name) => name.endsWith(".wasm"))).toBeLessThan(190_000); // three builds, of which a page loads one
  const page = graphOf("engine.js");
  const engine = graphOf("worker-main.js");
  expect(gzipped("dist/bundle", (name) => page.has(name))).toBeLessThan(10_000);
  expect(gzipped("dist/bundle", (name) => engine.has(name))).toBeLessThan(170_000);
});
