import { execFileSync } from "node:child_process";
import { once } from "node:events";
import { Worker } from "node:worker_threads";
import { afterEach, describe, expect, it, vi } from "vitest";
import type { KernelCall } from "#repvgg/backend/backend.js";
import { createNativeBackend, nativeAbsence, nativeVariants } from "#repvgg/backend/native/native-backend.js";
import { createBackend } from "#repvgg/backend/select.node.js";
import { UserError } from "#repvgg/core/errors.js";

const module = JSON.stringify(import.meta.resolve("#repvgg/backend/native/native-backend.js"));
const fill = (y: number, n: number, value: number): KernelCall => ({ kernel: "fill", args: { y, n, value } });

describe.skipIf(nativeAbsence() !== undefined)("native backends", () => {
  it("have memory of their own, however many there are", () => {
    const backends = Array.from({ length: 8 }, (_, i) => createNativeBackend(1 + (i % 3)));
    const n = 100_000;
    const pointers = backends.map((backend) => backend.allocate(n));
    for (const [i, backend] of backends.entries()) backend.run([fill(pointers[i]!, n, i)]);
    for (const [i, backend] of backends.entries())
      expect(backend.f32(pointers[i]!, n).every((value) => value === i)).toBe(true);
    for (const backend of backends) backend.dispose();
  });

  it("reach beyond 4 GiB, with views across every border", () => {
    const backend = createNativeBackend(2);
    const words = 3 * 2 ** 30;
    const block = backend.allocate(words);
    for (const byte of [2 ** 31, 2 ** 32, 3 * 2 ** 31, 2 ** 33, 11 * 2 ** 30]) {
      const at = block + byte / 4 - 50_000 - block;
      const view = backend.f32(at, 100_000);
      backend.run([fill(at, 100_000, byte)]);
      expect(view[0]).toBe(byte);
      expect(view[99_999]).toBe(byte);
    }
    expect(() => backend.f32(block, words)).toThrow(RangeError);
    backend.free(block);
    backend.dispose();
  });

  it("take views away when they are disposed", () => {
    const backend = createNativeBackend(1);
    const view = backend.f32(backend.allocate(16), 16);
    backend.dispose();
    expect(view.length).toBe(0);
  });

  it("end with the worker, or the process, that forgets them", async () => {
    const script = `
      const { createNativeBackend } = await import(${module});
      globalThis.kept = createNativeBackend(3);
      const pointer = kept.allocate(100000);
      kept.run([{ kernel: "fill", args: { y: pointer, n: 100000, value: 2 } }]);
      for (let i = 0; i < 100; i++) createNativeBackend(2).allocate(16);
    `;
    const tasks = async (): Promise<number> => (await import("node:fs")).readdirSync("/proc/self/task").length;
    const before = process.platform === "linux" ? await tasks() : 0;
    for (let i = 0; i < 3; i++) {
      const worker = new Worker(new URL(`data:text/javascript,${encodeURIComponent(script)}`));
      expect(await once(worker, "exit")).toEqual([0]);
    }
    if (process.platform === "linux") expect(await tasks()).toBeLessThanOrEqual(before + 2);
    execFileSync(process.execPath, ["--input-type=module", "-e", script], { timeout: 30_000 });
    execFileSync(process.execPath, ["--input-type=module", "-e", `${script}; process.exit(0)`], { timeout: 30_000 });
  });

  it("are chosen by instruction set", () => {
    for (const variant of nativeVariants()) {
      const backend = createNativeBackend(1, variant);
      expect(backend.name).toBe(`native ${variant}`);
      backend.dispose();
    }
    expect(() => createNativeBackend(1, "pdp-11")).toThrow(UserError);
  });
});

describe("the kind of backend", () => {
  afterEach(() => vi.unstubAllEnvs());

  it("is the option's, else the environment's, else native where there is one", async () => {
    const nameOf = async (options: Parameters<typeof createBackend>[0]): Promise<string> => {
      const backend = await createBackend({ threads: 1, ...options });
      backend.dispose();
      return backend.name;
    };
    vi.stubEnv("REPVGG_BACKEND", "");
    const usual = await nameOf({});
    expect(usual).toMatch(nativeAbsence() === undefined ? /^native / : /^wasm /);
    vi.stubEnv("REPVGG_BACKEND", "wasm");
    expect(await nameOf({})).toBe("wasm simd");
    if (nativeAbsence() === undefined) expect(await nameOf({ kernels: "native" })).toBe(usual);
    vi.stubEnv("REPVGG_BACKEND", "gpu");
    await expect(nameOf({})).rejects.toThrow(/expected the backend native or wasm, received gpu/);
  });
});
