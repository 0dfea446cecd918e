// dist/browser.js and its workers → dist/bundle/, minified, for pages without a bundler: the kernels lie beside it in dist/kernels/.
// `engine.js` has createEngine alone, so that a page loads only what talks to the worker. Each is one file: what bundlers split off for later
// would come in dozens here.
import { rmSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const dist = join(fileURLToPath(import.meta.url), "..", "..", "dist");
const folder = join(dist, "bundle");

rmSync(folder, { recursive: true, force: true });
const { metafile } = await build({
  // Flat, as the modules name their workers by addresses relative to themselves.
  entryPoints: Object.entries({
    browser: "browser.js",
    engine: "browser/engine/create-engine.js",
    "worker-main": "browser/engine/worker-main.js",
    "worker-main.browser": "backend/wasm/worker-main.browser.js",
  }).map(([out, file]) => ({ in: join(dist, file), out })),
  outdir: folder,
  bundle: true,
  format: "esm",
  platform: "browser",
  target: "es2022",
  minify: true,
  sourcemap: false,
  metafile: true,
  logLevel: "warning",
});
const bytes = Object.values(metafile.outputs).reduce((sum, output) => sum + output.bytes, 0);
console.log(`browser bundle: ${Object.keys(metafile.outputs).length} files, ${(bytes / 1024).toFixed(0)} KiB`);
