import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { kernelsFingerprint } from "#repvgg/backend/native/fingerprint.generated.js";
import { binaryFacts, compareVersions, newestGlibc } from "../../scripts/binary-facts.mjs";
import { root } from "../../scripts/kernel-sources.mjs";
import {
  addonFile,
  mainManifest,
  nativeManifest,
  nativePackageName,
  nativePackages,
  nativeReadme,
  releaseManifest,
} from "../../scripts/native-packages.mjs";

describe("the packages with addons", () => {
  it("say for whom they are, in the main package's version", () => {
    const platform = nativePackages.find(({ id }) => id === "linux-arm64-musl")!;
    const main = {
      ...mainManifest(),
      version: "7.8.9",
      repository: { type: "git", url: "git+https://example.org/r.git" },
    };
    expect(nativeManifest(platform, main, "ab".repeat(32))).toMatchObject({
      ...{ name: "@repvgg/linux-arm64-musl", version: "7.8.9", license: "MIT", repository: main.repository },
      ...{ os: ["linux"], cpu: ["arm64"], libc: ["musl"], main: "repvgg.node", files: ["repvgg.node"] },
      ...{ addon: { sha256: "ab".repeat(32) }, publishConfig: { access: "public" } },
    });
    for (const other of nativePackages.filter(({ os }) => os !== "linux"))
      expect(nativeManifest(other, main, "")).not.toHaveProperty("libc");
    for (const any of nativePackages) {
      expect(nativeManifest(any, main, "")).not.toHaveProperty("dependencies");
      expect(nativeManifest(any, main, "")).not.toHaveProperty("scripts");
      expect(nativeReadme(any)).toContain(`# ${nativePackageName(any)}\n`);
    }
  });

  it("are named by the published package, in its very version, and not by the repository's", () => {
    const main = mainManifest();
    expect(main).not.toHaveProperty("optionalDependencies");
    const { optionalDependencies, ...rest } = releaseManifest({ ...main, version: "7.8.9" });
    const { scripts: _, ...unscripted } = main;
    expect(rest).toEqual({ ...unscripted, version: "7.8.9" });
    expect(optionalDependencies).toEqual(
      Object.fromEntries(nativePackages.map((p) => [nativePackageName(p), "7.8.9"])),
    );
    const kept = releaseManifest({ ...main, optionalDependencies: { other: "^1.0.0" } }).optionalDependencies;
    expect(kept).toMatchObject({ other: "^1.0.0" });
  });
});

describe("facts of a binary", () => {
  const addon = join(root, "prebuilds", `${process.platform}-${process.arch}`, addonFile);

  it.runIf(existsSync(addon))("are those of the addon of this checkout", () => {
    const bytes = readFileSync(addon);
    const facts = binaryFacts(bytes);
    expect(facts).toMatchObject({ os: process.platform, cpu: process.arch });
    expect(facts.exports).toContain("napi_register_module_v1");
    expect(facts.exports.filter((name) => !/^(napi|node_api)_/.test(name))).toEqual([]);
    if (process.platform !== "win32") expect(facts.imports).toContain("napi_create_function");
    expect(bytes.includes(kernelsFingerprint)).toBe(true);
  });

  it("refuse what is none", () => {
    expect(() => binaryFacts(Buffer.from("#!/bin/sh\necho"))).toThrow(RangeError);
  });

  it("compare versions by their numbers", () => {
    expect(newestGlibc(["GLIBC_2.2.5", "GLIBC_2.17", "GLIBC_2.9", "GLIBC_PRIVATE", "GCC_3.0"])).toBe("2.17");
    expect(newestGlibc([])).toBeUndefined();
    expect(Math.sign(compareVersions("2.28", "2.3.4"))).toBe(1);
    expect(Math.sign(compareVersions("2.17", "2.28"))).toBe(-1);
    expect(compareVersions("2.2", "2.2.0")).toBe(0);
  });
});
