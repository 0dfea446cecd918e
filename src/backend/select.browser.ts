import { UserError } from "../core/errors.js";
import type { Backend } from "./backend.js";
import { compileKernels, kernelUrl } from "./kernel-files.js";
import { type BackendOptions, wantedThreads, wantsRelaxed } from "./options.js";
import { relaxedObstacle } from "./wasm/relaxed.js";
import { startWorker } from "./wasm/start-worker.browser.js";
import { createWasmBackend } from "./wasm/wasm-backend.js";

export type { BackendOptions };

/**
 * The fastest backend of this browser. More than one thread needs a page that is cross-origin isolated (headers
 * `Cross-Origin-Opener-Policy: same-origin` and `Cross-Origin-Embedder-Policy: require-corp`); elsewhere it is one.
 * @throws UserError when `threads` is not a whole number from 1 to 64, native kernels are asked for, or memory is missing
 */
export async function createBackend(options: BackendOptions = {}): Promise<Backend> {
  if (options.kernels === "native")
    throw new UserError({ expected: "the backend wasm", received: "native, which a browser does not run" });
  const threads = wantedThreads(options, navigator.hardwareConcurrency);
  return createWasmBackend(
    {
      loadModule: (build) => compile(kernelUrl(build)),
      startWorker,
      callerMaySleep: typeof document === "undefined",
    },
    globalThis.crossOriginIsolated ? threads : 1,
    wantsRelaxed(options, relaxedObstacle()),
  );
}

async function compile(url: URL): Promise<WebAssembly.Module> {
  const response = await fetch(url);
  if (!response.ok) {
    throw new UserError({ expected: `the kernels at ${url.href}`, received: `HTTP status ${response.status}` });
  }
  const remedy = "serve the package's dist/kernels as it is";
  return compileKernels(new Uint8Array(await response.arrayBuffer()), url.href, remedy);
}
