import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { compileKernels } from "#repvgg/backend/kernel-files.js";
import { nativeAbsence } from "#repvgg/backend/native/native-backend.js";
import { createBackend, kernels } from "#repvgg/backend/select.node.js";
import { UserError } from "#repvgg/core/errors.js";

describe("kernels()", () => {
  it.each([{}, { threads: 1 }, { threads: 3 }, { kernels: "wasm" }, { kernels: "wasm", threads: 1 }] as const)(
    "says of %j what createBackend takes",
    async (options) => {
      const backend = await createBackend(options);
      expect(kernels(options)).toMatchObject({ name: backend.name, threads: backend.threads });
      expect(backend.name.startsWith(kernels(options).kind)).toBe(true);
      backend.dispose();
    },
  );

  it("has a note only where there are no native ones", () => {
    expect(kernels({ kernels: "wasm" }).notes).toHaveLength(nativeAbsence() === undefined ? 0 : 1);
    const script = `
      const { kernels } = await import(${JSON.stringify(import.meta.resolve("#repvgg/index.js"))});
      console.log(JSON.stringify(kernels({ threads: 2 })));`;
    const { REPVGG_BACKEND: _, ...rest } = process.env;
    const env = { ...rest, REPVGG_ADDON: "no-such-addon.node" };
    const text = execFileSync(process.execPath, ["--input-type=module", "-e", script], { env, encoding: "utf8" });
    expect(JSON.parse(text)).toEqual({
      kind: "wasm",
      name: "wasm simd+threads",
      threads: 2,
      notes: ["WebAssembly kernels run, slower than native ones: REPVGG_ADDON names no file: no-such-addon.node"],
    });
  });

  it("refuses what createBackend refuses", () => {
    expect(() => kernels({ threads: 0 })).toThrow(UserError);
    expect(() => kernels({ kernels: "gpu" as "wasm" })).toThrow("expected the backend native or wasm, received gpu");
  });
});

describe("compileKernels", () => {
  const bytes = new Uint8Array(readFileSync(new URL(import.meta.resolve("#repvgg/kernels/simd.wasm"))));

  it("compiles kernels", async () => {
    expect(await compileKernels(bytes, "here", "")).toBeInstanceOf(WebAssembly.Module);
  });

  it("refuses in one line what is none, or has instructions that this runtime lacks", async () => {
    const html = new TextEncoder().encode("<!doctype html>");
    await expect(compileKernels(html, "here", "do that")).rejects.toThrow(
      "expected kernels that this runtime takes at here, received a file that is no WebAssembly: do that",
    );
    // The code section's first instruction becomes one that no runtime has.
    const unknown = Uint8Array.from([
      ...[0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00, 0x01, 0x04, 0x01, 0x60, 0x00, 0x00],
      ...[0x03, 0x02, 0x01, 0x00, 0x0a, 0x05, 0x01, 0x03, 0x00, 0xff, 0x0b],
    ]);
    const error = await compileKernels(unknown, "here", "do that").catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(UserError);
    expect((error as UserError).message).toContain("received WebAssembly with instructions that it lacks");
    for (const length of [0, 3, 8, bytes.length - 1]) {
      const cut = compileKernels(bytes.slice(0, length), "here", "do that");
      if (length === 8)
        expect(await cut).toBeInstanceOf(WebAssembly.Module); // an empty module
      else await expect(cut).rejects.toBeInstanceOf(UserError);
    }
  });
});
