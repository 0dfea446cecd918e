// dist/browser.js and its workers → dist/bundle/, minified, for pages without a bundler: the kernels lie beside it in dist/kernels/.
// `engine.js` has createEngine alone, so that a page loads only what talks to the worker. Each is one file: what bundlers split off for later
// would come in dozens here.
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { build, transform } from "esbuild";

/**
 * Modules that pages do without, and what stands in their place: operators that are never run there (bodies of control flow among them), and the check
 * of kernel calls, which only an environment variable of Node's asks for.
 */
const withoutInPages = {
  "operators/further.js": "export const furtherOperators = [];",
  "graph/check-subgraphs.js": "export const checkSubgraphs = () => {};",
  "lowering/einsum-product.js": "export const einsumProduct = () => false;",
  "backend/check-calls.js": "export const checksKernels = false; export const checkCalls = () => {};",
};

const dist = join(fileURLToPath(import.meta.url), "..", "..", "dist");
const folder = join(dist, "bundle");

rmSync(folder, { recursive: true, force: true });
const { outputFiles } = await build({
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
  write: false,
  logLevel: "warning",
  plugins: Object.entries(withoutInPages).map(([file, contents]) => ({
    name: file,
    setup: ({ onLoad }) => onLoad({ filter: new RegExp(`dist/${file.replaceAll(".", "\\.")}$`) }, () => ({ contents })),
  })),
});
mkdirSync(folder, { recursive: true });
let bytes = 0;
for (const { path, text } of outputFiles) {
  // Once more: names are given by how often they are read, which the first pass tells before it has dropped what nothing needs.
  const { code } = await transform(text, { format: "esm", target: "es2022", minify: true, legalComments: "none" });
  writeFileSync(path, code);
  bytes += Buffer.byteLength(code);
}
console.log(`browser bundle: ${outputFiles.length} files, ${(bytes / 1024).toFixed(0)} KiB`);
