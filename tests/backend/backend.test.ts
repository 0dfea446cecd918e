import { execFileSync } from "node:child_process";
import { afterEach, describe, expect, it } from "vitest";
import type { Backend, KernelCall } from "#repvgg/backend/backend.js";
import { createBackend } from "#repvgg/backend/select.node.js";
import { UserError } from "#repvgg/core/errors.js";
import { Rng } from "#repvgg/core/rng.js";
import { backends } from "./backends.js";

describe.each(backends)("$name", ({ kind, create }) => {
  let backend: Backend;
  afterEach(() => backend.dispose());

  it("runs calls in order, encoded once or each time", async () => {
    backend = await create();
    const n = 50_000;
    const x = backend.allocate(n);
    const calls: KernelCall[] = [
      { kernel: "fill", args: { y: x, n, value: 1 } },
      { kernel: "scale", args: { x, y: x, n, alpha: 3 } },
      { kernel: "axpy", args: { x, y: x, n, alpha: 0.5 } },
    ];
    backend.run(calls);
    expect(backend.f32(x, n).every((v) => v === 4.5)).toBe(true);
    const program = backend.compile([calls[1]!]);
    program.run();
    program.run();
    expect(backend.f32(x, n).every((v) => v === 40.5)).toBe(true);
    program.dispose();
    program.dispose();
    expect(() => program.run()).toThrow(/disposed/);
    backend.run([]);
    backend.run([{ kernel: "fill", args: { y: x, n: 0, value: 9 } }]);
    expect(backend.f32(x, 1)[0]).toBe(40.5);
    backend.free(x);
    expect(backend.memory.usedWords).toBe(0);
  });

  it("runs thousands of calls of changing sizes, and every task exactly once", async () => {
    backend = await create();
    const rng = new Rng(1);
    const most = 200_000;
    const x = backend.allocate(most);
    const one = backend.allocate(most);
    backend.f32(x, most).fill(0);
    backend.f32(one, most).fill(1);
    const counts = new Float64Array(most);
    for (let round = 0; round < 60; round++) {
      const calls: KernelCall[] = Array.from({ length: 50 }, () => {
        const n = 1 + rng.int(rng.int(4) === 0 ? most : 20_000);
        for (let i = 0; i < n; i++) counts[i]!++;
        return { kernel: "axpy", args: { x: one, y: x, n, alpha: 1 } };
      });
      backend.run(calls);
      // Long enough, now and then, for the workers to fall asleep.
      if (round % 20 === 0) await new Promise((resolve) => setTimeout(resolve, 5));
    }
    expect(backend.f32(x, most).every((value, i) => value === counts[i])).toBe(true);
  });

  it("keeps contents when memory grows", async () => {
    backend = await create();
    const first = backend.allocate(1000);
    backend.f32(first, 1000).fill(7);
    const second = backend.allocate(64 * 2 ** 20);
    backend.run([{ kernel: "copy", args: { x: first, y: second + 63 * 2 ** 20, n: 1000 } }]);
    expect(backend.f32(second + 63 * 2 ** 20, 1000).every((v) => v === 7)).toBe(true);
    expect(backend.memory.peakWords).toBeGreaterThanOrEqual(64 * 2 ** 20 + 1000);
  });

  it("says that memory is exhausted and goes on", async () => {
    backend = await create();
    expect(() => backend.allocate(2 ** 32)).toThrow(UserError);
    const x = backend.allocate(8);
    backend.run([{ kernel: "fill", args: { y: x, n: 8, value: 2 } }]);
    expect([...backend.f32(x, 8)]).toEqual([2, 2, 2, 2, 2, 2, 2, 2]);
  });

  it("refuses arguments that are no numbers of their type", async () => {
    backend = await create();
    const call = (args: object): KernelCall => ({ kernel: "fill", args }) as unknown as KernelCall;
    expect(() => backend.run([call({ y: 64, n: 8 })])).toThrow(/fill: argument value must be f32, not undefined/);
    expect(() => backend.run([call({ y: 64, n: 2 ** 31, value: 1 })])).toThrow(/argument n must be i32/);
    expect(() => backend.run([call({ y: -1, n: 1, value: 1 })])).toThrow(/argument y must be ptr/);
    expect(() => backend.run([call({ y: 64.5, n: 1, value: 1 })])).toThrow(/argument y must be ptr/);
  });

  // Machine code has no bounds: there a kernel that leaves memory ends the process, as in any native library.
  it.skipIf(kind.name !== "wasm")("reports a kernel that leaves memory, and is of no use afterwards", async () => {
    backend = await create();
    const wild: KernelCall[] = [{ kernel: "fill", args: { y: 2 ** 30 - 2 ** 18, n: 10 * 16384, value: 1 } }];
    expect(() => backend.run(wild)).toThrow();
    expect(() => backend.run([])).toThrow(/kernel failed|worker died/);
    backend.dispose();
    expect(() => backend.allocate(1)).toThrow(/disposed/);
  });

  it("disposes once and for all", async () => {
    backend = await create();
    const program = backend.compile([{ kernel: "fill", args: { y: backend.allocate(16), n: 16, value: 0 } }]);
    backend.dispose();
    backend.dispose();
    program.dispose();
    expect(() => program.run()).toThrow(/disposed/);
    expect(() => backend.run([])).toThrow(/disposed/);
    expect(() => backend.f32(16, 1)).toThrow(/disposed/);
  });
});

describe("createBackend", () => {
  it("refuses numbers of threads that make no sense", async () => {
    for (const threads of [0, -1, 1.5, 65, Number.NaN])
      await expect(createBackend({ threads })).rejects.toThrow(UserError);
  });

  it("does not keep the process alive", () => {
    const script = `
      import { createBackend } from ${JSON.stringify(import.meta.resolve("#repvgg/backend/select.node.js"))};
      const backend = await createBackend({ threads: 3 });
      backend.run([{ kernel: "fill", args: { y: backend.allocate(100000), n: 100000, value: 1 } }]);
      console.log("done");
    `;
    const out = execFileSync(process.execPath, ["--input-type=module", "-e", script], {
      encoding: "utf8",
      timeout: 30_000,
    });
    expect(out).toBe("done\n");
  });
});
