import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { libcOf, nativePackage, thisPlatform } from "#repvgg/backend/native/platform.js";
import { nativePackageName, nativePackages } from "../../scripts/native-packages.mjs";

/** The beginning of a 64-bit ELF program with program headers of these types; the one of type 3 asks for `interpreter`. */
function elf(interpreter: string, types: readonly number[] = [6, 3, 1]): Uint8Array {
  const bytes = new Uint8Array(512);
  const view = new DataView(bytes.buffer);
  bytes.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]);
  view.setBigUint64(32, 64n, true);
  view.setUint16(54, 56, true);
  view.setUint16(56, types.length, true);
  const path = new TextEncoder().encode(`${interpreter}\0`);
  const offset = 300;
  types.forEach((type, i) => {
    const entry = 64 + i * 56;
    view.setUint32(entry, type, true);
    view.setBigUint64(entry + 8, BigInt(offset), true);
    view.setBigUint64(entry + 32, BigInt(path.length), true);
  });
  bytes.set(path, offset);
  return bytes;
}

describe("the C library of a program", () => {
  it.each([
    ["/lib64/ld-linux-x86-64.so.2", "gnu"],
    ["/lib/ld-linux-aarch64.so.1", "gnu"],
    ["/nix/store/abc-glibc-2.38/lib/ld-linux-x86-64.so.2", "gnu"],
    ["/lib/ld-musl-x86_64.so.1", "musl"],
    ["/lib/ld-musl-aarch64.so.1", "musl"],
    ["/system/bin/linker64", undefined],
  ])("is told by the dynamic linker %s", (interpreter, libc) => {
    expect(libcOf(elf(interpreter))).toBe(libc);
  });

  it("is unknown of a static program, a cut one, and what is no such program", () => {
    expect(libcOf(elf("/lib/ld-musl-x86_64.so.1", [1, 6]))).toBeUndefined();
    const whole = elf("/lib64/ld-linux-x86-64.so.2");
    for (let length = 0; length < 325; length++) expect(libcOf(whole.slice(0, length))).toBeUndefined();
    expect(libcOf(whole.slice(0, 330))).toBe("gnu");
    expect(libcOf(new TextEncoder().encode("#!/bin/sh\n".repeat(20)))).toBeUndefined();
    for (const [at, value] of [
      [4, 1],
      [5, 2],
    ] as const)
      expect(libcOf(whole.with(at, value))).toBeUndefined();
    const far = whole.slice();
    new DataView(far.buffer).setBigUint64(32, 2n ** 63n, true);
    expect(libcOf(far)).toBeUndefined();
  });

  it.runIf(process.platform === "linux")("is that of this Node", () => {
    const report = process.report.getReport() as { header: { glibcVersionRuntime?: string } };
    const libc = report.header.glibcVersionRuntime === undefined ? "musl" : "gnu";
    expect(libcOf(readFileSync(process.execPath))).toBe(libc);
    expect(thisPlatform()).toEqual({ platform: "linux", architecture: process.arch, libc });
  });
});

describe("the package of a platform", () => {
  it("is one of those that are made, and each of those is chosen by one platform", () => {
    const chosen = nativePackages.map(({ os, cpu, libc }) =>
      nativePackage({ platform: os, architecture: cpu, libc: libc === "glibc" ? "gnu" : (libc as "musl" | undefined) }),
    );
    expect(chosen).toEqual(nativePackages.map(nativePackageName));
    expect(new Set(chosen).size).toBe(8);
  });

  it("is glibc's where a Linux does not tell, and does not depend on it elsewhere", () => {
    expect(nativePackage({ platform: "linux", architecture: "x64", libc: undefined })).toBe("@repvgg/linux-x64-gnu");
    expect(nativePackage({ platform: "linux", architecture: "arm64", libc: "musl" })).toBe("@repvgg/linux-arm64-musl");
    expect(nativePackage({ platform: "win32", architecture: "x64", libc: undefined })).toBe("@repvgg/win32-x64");
  });

  it.each([
    ["freebsd", "x64"],
    ["linux", "riscv64"],
    ["win32", "ia32"],
    ["android", "arm64"],
  ])("is none for %s %s", (platform, architecture) => {
    expect(nativePackage({ platform, architecture, libc: undefined })).toBeUndefined();
  });
});
