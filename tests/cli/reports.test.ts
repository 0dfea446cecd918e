import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { htmlErrors } from "../report/html.js";
import { freshModelFile, oneLine, repvgg, repvggJson, testFolder } from "./support.js";

function expectPage(file: string, ...words: string[]): void {
  const page = readFileSync(file, "utf8");
  expect(htmlErrors(page)).toEqual([]);
  for (const word of words) expect(page).toContain(word);
}

describe("commands that write reports", () => {
  it("profile: of a file, as text and as a page", async () => {
    const folder = testFolder();
    const file = await freshModelFile(folder);
    const html = join(folder, "profile.html");
    const options = ["--threads", "1", "--repeats", "1", "--kernels", "wasm", "--html", html];
    const { code, stdout } = await repvgg(["profile", file, ...options]);
    expect(code).toBe(0);
    expect(stdout).toContain("stage1.1");
    expect(stdout).toContain("training form → plain form");
    expect(stdout).toMatch(/plain form: peak .*KiB at/);
    expectPage(html, "Profile of", "Live activations", "Roofline");
  });

  it("profile --zoo: all nets, and the paper's figures", async () => {
    const html = join(testFolder(), "zoo.html");
    const { models } = await repvggJson<{ models: { name: string; agrees: boolean | null }[] }>([
      "profile",
      "--zoo",
      "--html",
      html,
    ]);
    expect(models.filter(({ agrees }) => agrees)).toHaveLength(11);
    expect(models.some(({ agrees }) => agrees === false)).toBe(false);
    expectPage(html, "B1g4", "36.12");
  });

  it("verify: also where the nets differ", async () => {
    const folder = testFolder();
    const [a, html] = [await freshModelFile(folder), join(folder, "verify.html")];
    const same = await repvggJson(["verify", a, "--images", "2", "--html", html]);
    expect(same).toMatchObject({ agree: true, html });
    expectPage(html, "Both nets give the same outputs", "Kernels before and after folding");
    const different = await repvgg(["verify", a, "--images", "2", "--threshold", "0", "--html", html]);
    expect(different.code).toBe(2);
    expectPage(html, "The nets give different outputs");
  });

  it("bench: bars of every engine", async () => {
    const html = join(testFolder(), "bench.html");
    await repvggJson([
      "bench",
      "nano",
      "--no-peers",
      "--threads",
      "1",
      "--rounds",
      "1",
      "--seconds",
      "0",
      "--html",
      html,
    ]);
    expectPage(html, "Inference of nano", "repvgg:wasm");
  });

  it("refuse what they cannot do, before they work", async () => {
    expect(await repvgg(["profile", "A0", "--html", "a.txt"])).toEqual(
      oneLine('expected --html to be a file name that ends in .html, received "a.txt": see repvgg profile --help'),
    );
    expect(await repvgg(["profile"])).toEqual(
      oneLine("expected a net to profile, received none: name a file or a net, or give --zoo"),
    );
    expect(await repvgg(["profile", "A0", "--zoo"])).toEqual(
      oneLine("expected either a net or --zoo, received A0 and --zoo: leave one of them out"),
    );
    expect(await repvgg(["profile", "A0", "--kernels", "gpu"])).toEqual(
      oneLine('expected kernels of native, wasm, received "gpu": name some of these, with commas between'),
    );
    expect(existsSync("a.txt")).toBe(false);
  });
});
