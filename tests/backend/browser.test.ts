import { readFileSync } from "node:fs";
import { Worker as NodeWorker } from "node:worker_threads";
import { afterEach, expect, it, vi } from "vitest";
import { createBackend } from "#repvgg/backend/select.browser.js";

/** The part of a browser's Worker that the backend uses, on a thread of Node. */
class BrowserWorker {
  readonly #worker: NodeWorker;

  constructor(url: URL) {
    const script = `
      const { parentPort } = require("node:worker_threads");
      globalThis.addEventListener = (type, listener) => parentPort.on(type, (data) => listener({ data }));
      globalThis.postMessage = (message) => parentPort.postMessage(message);
      import(${JSON.stringify(url.href)});
    `;
    this.#worker = new NodeWorker(script, { eval: true, execArgv: [] });
  }

  addEventListener(type: string, listener: (event: unknown) => void): void {
    this.#worker.on(type, (data) => listener({ data, message: String(data) }));
  }

  postMessage(message: unknown): void {
    this.#worker.postMessage(message);
  }

  terminate(): void {
    void this.#worker.terminate();
  }
}

function browser(globals: { crossOriginIsolated: boolean; document?: object }): void {
  vi.stubGlobal("navigator", { hardwareConcurrency: 3 });
  vi.stubGlobal("fetch", async (url: URL) => new Response(readFileSync(url)));
  vi.stubGlobal("Worker", BrowserWorker);
  for (const [name, value] of Object.entries(globals)) vi.stubGlobal(name, value);
}

afterEach(() => vi.unstubAllGlobals());

it.each([
  { page: "an isolated page", globals: { crossOriginIsolated: true, document: {} }, threads: 3 },
  { page: "an isolated worker", globals: { crossOriginIsolated: true }, threads: 3 },
  { page: "any other page", globals: { crossOriginIsolated: false, document: {} }, threads: 1 },
])("runs kernels in $page on $threads threads", async ({ globals, threads }) => {
  browser(globals);
  const backend = await createBackend();
  expect(backend.threads).toBe(threads);
  const n = 100_000;
  const x = backend.allocate(n);
  for (let i = 0; i < 20; i++) backend.run([{ kernel: "fill", args: { y: x, n, value: i } }]);
  backend.run([{ kernel: "axpy", args: { x, y: x, n, alpha: 1 } }]);
  expect(backend.f32(x, n).every((value) => value === 38)).toBe(true);
  backend.dispose();
});

it("says which file is missing", async () => {
  browser({ crossOriginIsolated: false });
  vi.stubGlobal("fetch", async () => new Response("", { status: 404 }));
  await expect(createBackend()).rejects.toThrow(/expected the kernels at .*simd\.wasm, received HTTP status 404/);
});
