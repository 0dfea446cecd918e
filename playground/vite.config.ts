import { createReadStream, existsSync, readFileSync } from "node:fs";
import { cp, mkdir, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { svelte } from "@sveltejs/vite-plugin-svelte";
import { defineConfig, type Plugin } from "vite";
import { withoutInPages } from "../scripts/without-in-pages.mjs";

const here = dirname(fileURLToPath(import.meta.url));
const root = join(here, "..");

/** More than one thread needs a page that is isolated by these headers. */
const isolation = {
  "Cross-Origin-Opener-Policy": "same-origin",
  "Cross-Origin-Embedder-Policy": "require-corp",
};

export default defineConfig({
  root: here,
  base: "./",
  plugins: [svelte(), onnxruntime()],
  resolve: { alias: { "repvgg/browser": browserEntry() } },
  worker: {
    format: "es",
    plugins: () => [withoutInPages()],
    rolldownOptions: {
      checks: { pluginTimings: false },
      // What the engine needs at once is one file, what it may need later are others.
      output: { codeSplitting: { groups: [{ name: "engine", test: /engine\/worker-main\.js$/ }] } },
    },
  },
  build: {
    target: "es2023",
    assetsInlineLimit: 0,
    chunkSizeWarningLimit: 400,
    rolldownOptions: { checks: { pluginTimings: false }, output: { assetFileNames } },
  },
  server: { headers: isolation, fs: { allow: [root] } },
  preview: { headers: isolation },
});

/** Files of the package's assets keep their paths, below `shared/`: `repvgg playground` serves them from there, so that the package has them once. */
function assetFileNames({ originalFileNames: [file = ""] }: { readonly originalFileNames: readonly string[] }): string {
  const [, inAssets] = /^\.\.\/assets\/(.+)$/.exec(file) ?? [];
  return inAssets === undefined ? "assets/[name]-[hash][extname]" : `shared/${inAssets}`;
}

/** What the package gives to browsers: the page uses that and nothing else of it. */
function browserEntry(): string {
  const { exports } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
  return join(root, exports["./browser"].default);
}

/**
 * onnxruntime-web, as it is, below `onnxruntime/`: the page loads it only when somebody races against it. It is not
 * bundled, because it finds its own files (up to 27 MB) beside itself; where it is not installed the page does without.
 */
function onnxruntime(): Plugin {
  const files = [
    "ort.wasm.min.mjs",
    "ort-wasm-simd-threaded.mjs",
    "ort-wasm-simd-threaded.wasm",
    "ort.webgpu.min.mjs",
    "ort-wasm-simd-threaded.asyncify.mjs",
    "ort-wasm-simd-threaded.asyncify.wasm",
  ];
  const folder = installed("onnxruntime-web");
  return {
    name: "onnxruntime-files",
    configureServer(server) {
      server.middlewares.use("/shared/engines.json", (_, response) => {
        response.setHeader("Content-Type", "application/json");
        response.end(engines(folder !== undefined));
      });
      server.middlewares.use("/onnxruntime", (request, response, next) => {
        const name = files.find((file) => request.url?.split("?")[0] === `/${file}`);
        if (!folder || !name) return next();
        response.setHeader("Content-Type", name.endsWith(".wasm") ? "application/wasm" : "text/javascript");
        for (const [header, value] of Object.entries(isolation)) response.setHeader(header, value);
        createReadStream(join(folder, name)).pipe(response);
      });
    },
    async writeBundle({ dir }) {
      if (!dir) return;
      await mkdir(join(dir, "shared"), { recursive: true });
      await writeFile(join(dir, "shared", "engines.json"), engines(folder !== undefined));
      if (!folder) return;
      const target = join(dir, "onnxruntime");
      await mkdir(target, { recursive: true });
      await Promise.all(files.map((file) => cp(join(folder, file), join(target, file))));
    },
  };
}

/** What a site says of itself; the npm package, which leaves onnxruntime-web out, says it by assets/engines.json. */
function engines(onnxruntime: boolean): string {
  return `${JSON.stringify({ onnxruntime })}\n`;
}

function installed(name: string): string | undefined {
  try {
    const folder = dirname(createRequire(import.meta.url).resolve(name));
    return existsSync(join(folder, "ort.wasm.min.mjs")) ? folder : undefined;
  } catch {
    return undefined;
  }
}
