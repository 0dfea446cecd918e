import { execFileSync } from "node:child_process";
import { copyFileSync, cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { kernelsFingerprint } from "#repvgg/backend/native/fingerprint.generated.js";
import { nativePackage, thisPlatform } from "#repvgg/backend/native/platform.js";
import { root } from "../../scripts/kernel-sources.mjs";

const own = join("prebuilds", `${process.platform}-${process.arch}`, "repvgg.node");
const name = nativePackage(thisPlatform())!;
const folder = mkdtempSync(join(tmpdir(), "repvgg-addon-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

let checkouts = 0;

/** What kernels() says where the package lies as `place` has laid it, without its dependencies. */
function kernelsIn(place: (checkout: string) => void): { kind: string; notes: string[] } {
  const checkout = join(folder, String(checkouts++), "node_modules", "repvgg");
  mkdirSync(checkout, { recursive: true });
  for (const part of ["package.json", "dist/backend", "dist/core"])
    cpSync(join(root, part), join(checkout, part), { recursive: true });
  place(checkout);
  const script = `
    const { kernels } = await import(${JSON.stringify(new URL(`file://${checkout}/dist/backend/select.node.js`).href)});
    console.log(JSON.stringify(kernels({ threads: 1 })));`;
  const { REPVGG_BACKEND: _, REPVGG_ADDON: __, ...env } = process.env;
  return JSON.parse(execFileSync(process.execPath, ["--input-type=module", "-e", script], { env, encoding: "utf8" }));
}

function put(path: string, bytes: Uint8Array): void {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, bytes);
}

function putPackage(checkout: string, bytes: Uint8Array): void {
  const place = join(checkout, "..", name);
  put(join(place, "repvgg.node"), bytes);
  writeFileSync(join(place, "package.json"), JSON.stringify({ name, main: "repvgg.node" }));
}

/** An addon of other kernels than these. */
function ofOthers(bytes: Buffer): Buffer {
  const changed = Buffer.from(bytes);
  const at = changed.indexOf(kernelsFingerprint);
  changed.write("0".repeat(kernelsFingerprint.length), at, "latin1");
  return changed;
}

describe.runIf(existsSync(join(root, own)))("the addon that runs", () => {
  const good = readFileSync(join(root, own));
  const other = ofOthers(good);
  const broken = Buffer.from("no addon at all");
  const slower = "WebAssembly kernels run, slower than native ones:";

  it("is the checkout's own", () => {
    expect(kernelsIn((checkout) => put(join(checkout, own), good))).toMatchObject({ kind: "native", notes: [] });
  });

  it("is the platform package's where the checkout has none, or one of other kernels", () => {
    expect(kernelsIn((checkout) => putPackage(checkout, good))).toMatchObject({ kind: "native", notes: [] });
    const both = kernelsIn((checkout) => {
      put(join(checkout, own), other);
      putPackage(checkout, good);
    });
    expect(both).toMatchObject({ kind: "native", notes: [] });
  });

  it("is the checkout's own even where the package is of other kernels", () => {
    const both = kernelsIn((checkout) => {
      put(join(checkout, own), good);
      putPackage(checkout, other);
    });
    expect(both).toMatchObject({ kind: "native", notes: [] });
  });

  it("is none where neither is there: WebAssembly, with the package's name", () => {
    expect(kernelsIn(() => {})).toMatchObject({
      kind: "wasm",
      notes: [`${slower} ${name} is not installed (npm install --include=optional)`],
    });
  });

  it("is none of other kernels, whose calls would mean something else", () => {
    expect(kernelsIn((checkout) => putPackage(checkout, other))).toMatchObject({
      kind: "wasm",
      notes: [`${slower} ${name} was made of other kernels than these: both have to be of the same version`],
    });
    expect(kernelsIn((checkout) => put(join(checkout, own), other)).notes).toEqual([
      `${slower} the addon of this checkout was made of other kernels than these: npm run build`,
    ]);
  });

  it("is none that cannot be loaded: the system says why, in one line", () => {
    const { kind, notes } = kernelsIn((checkout) => putPackage(checkout, broken));
    expect(kind).toBe("wasm");
    expect(notes).toHaveLength(1);
    expect(notes[0]).toMatch(new RegExp(`^${slower} .*repvgg\\.node`));
    expect(notes[0]).not.toContain("\n");
  });

  it("may be named by REPVGG_ADDON, and is then that or none", () => {
    const copy = join(folder, "named.node");
    copyFileSync(join(root, own), copy);
    const script = `
      const { loadAddon } = await import(${JSON.stringify(import.meta.resolve("#repvgg/backend/native/addon.js"))});
      const loaded = loadAddon();
      console.log(loaded.absent ?? loaded.addon.fingerprint);`;
    const said = (file: string) =>
      execFileSync(process.execPath, ["--input-type=module", "-e", script], {
        env: { ...process.env, REPVGG_ADDON: file },
        encoding: "utf8",
      }).trim();
    expect(said(copy)).toBe(kernelsFingerprint);
    writeFileSync(copy, other);
    expect(said(copy)).toBe(`${copy} was made of other kernels than these: both have to be of the same version`);
    expect(said(join(folder, "missing.node"))).toBe(`REPVGG_ADDON names no file: ${join(folder, "missing.node")}`);
  });
});
