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
  const bytes = new Uint8Array(await kernelBytes(url));
  try {
    return await compileKernels(bytes, url.href, "serve the package's dist/kernels as it is");
  } catch (error) {
    throw error instanceof UserError ? error : notCompiled(url, error);
  }
}

function notCompiled(url: URL, cause: unknown): UserError {
  const { message } = cause as Error;
  const forbidden = /Content[- ]Security[- ]Policy|unsafe-eval|\bCSP\b/i.test(message);
  const parts = {
    expected: "a page that may compile WebAssembly",
    received: forbidden ? "a Content Security Policy that forbids it" : `${url.href}: ${message}`,
    remedy: forbidden
      ? "add 'wasm-unsafe-eval' to its script-src"
      : "serve the package's kernels as they are, to a browser with WebAssembly SIMD",
  };
  return new UserError(parts, { cause });
}

/** @throws UserError where the page may not have them, or the server does not. */
async function kernelBytes(url: URL): Promise<ArrayBuffer> {
  const expected = `the kernels at ${url.href}`;
  try {
    const response = await fetch(url);
    if (response.ok) return await response.arrayBuffer();
    throw new UserError({
      expected,
      received: `HTTP status ${response.status}`,
      remedy: "serve the package's kernels beside its script",
    });
  } catch (error) {
    if (error instanceof UserError) throw error;
    throw new UserError(
      {
        expected,
        received: "no answer",
        remedy: "check the connection, and that the page's Content Security Policy allows it (connect-src 'self')",
      },
      { cause: error },
    );
  }
}
