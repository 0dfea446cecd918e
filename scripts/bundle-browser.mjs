// dist/browser.js and its workers → dist/bundle/, minified, for pages without a bundler: the kernels lie beside it in dist/kernels/.
// `engine.js` has createEngine alone, so that a page loads only what talks to the worker. Each entry is one file but for
// the worker's, in three: what it needs at once, and what is loaded when it is first asked for (training, proofs, files of PyTorch).
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { rolldown } from "rolldown";
import { withoutInPages } from "./without-in-pages.mjs";

const dist = join(fileURLToPath(import.meta.url), "..", "..", "dist");
const folder = join(dist, "bundle");
// Flat, as the modules name their workers by addresses relative to themselves.
const entries = {
  browser: "browser.js",
  engine: "browser/engine/create-engine.js",
  "worker-main": "browser/engine/worker-main.js",
  "worker-main.browser": "backend/wasm/worker-main.browser.js",
};

rmSync(folder, { recursive: true, force: true });
mkdirSync(folder, { recursive: true });
let files = 0;
let bytes = 0;
for (const [name, file] of Object.entries(entries)) {
  for (const { fileName, code } of await bundled(name, join(dist, file))) {
    writeFileSync(join(folder, fileName), code);
    files++;
    bytes += Buffer.byteLength(code);
  }
}
console.log(`browser bundle: ${files} files, ${(bytes / 1024).toFixed(0)} KiB`);

async function bundled(name, entry) {
  const atOnce = new Set();
  const modules = {
    name: "modules",
    buildEnd() {
      const visit = (id) => {
        if (atOnce.has(id)) return;
        atOnce.add(id);
        this.getModuleInfo(id).importedIds.forEach(visit);
      };
      visit(entry);
    },
  };
  const bundle = await rolldown({
    input: { [name]: entry },
    platform: "browser",
    plugins: [withoutInPages(), modules],
  });
  const { output } = await bundle.generate({
    format: "es",
    minify: true,
    comments: false,
    entryFileNames: "[name].js",
    chunkFileNames: "[name].js",
    codeSplitting: name === "worker-main" && {
      groups: [
        { name: `${name}-core`, test: (id) => atOnce.has(id) && id !== entry, priority: 1 },
        { name: `${name}-later`, test: (id) => !atOnce.has(id) },
      ],
    },
  });
  return output;
}
