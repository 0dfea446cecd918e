import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { openPage } from "../browser/support.js";
import { containerAnswers, functionAnswers, pageAnswers, sample, serverAnswers } from "../examples/checks.js";
import { copyExample, dependOnTarball, exampleReadme, runLine, shellLines, startServer } from "../examples/support.js";
import { npmPack } from "../pack.js";
import { runtimePackages } from "./runtimes.js";

// Every example followed by its README: installed from a package registry (this package from its tarball), built and used.
const folder = mkdtempSync(join(tmpdir(), "repvgg-examples-"));
const tarball = join(folder, npmPack(folder).filename);
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const { bun, deno } = runtimePackages();
const programs = [bun, deno].map(({ name, program }) => dirname(join(folder, "node_modules", name, program)));
beforeAll(() => {
  const specifiers = [bun, deno].map(({ specifier }) => specifier);
  execFileSync("npm", ["install", "--no-audit", "--no-fund", ...specifiers], { cwd: folder, stdio: "ignore" });
});

const install = async (example: string, line: string): Promise<void> => {
  dependOnTarball(example, tarball);
  await runLine(line, example, { programs });
};

it("express", () => serverAnswers("express", install));
it("fastify", () => serverAnswers("fastify", install));
it("docker", () => containerAnswers(install));
it("lambda", () => functionAnswers(install));
it("bun", () => serverAnswers("bun", install, { programs }));
// Deno installs packages from a registry only, and a tarball not at all.
it("deno", () => serverAnswers("deno", (example) => install(example, "npm install"), { programs }));
it("page", () => pageAnswers("page", install, /^horse \d+ %, /));
it("vite", () => pageAnswers("vite", install, /^horse \d+ %, /));
it("react", () => pageAnswers("react", install, /^horse \d+ %$/));

it("next: the route handler and the page give the same class", async () => {
  const example = copyExample("next");
  const lines = shellLines(exampleReadme("next"));
  const starting = lines.pop()!;
  await install(example, lines.shift()!);
  for (const line of lines) await runLine(line, example);
  for (const serving of [starting, "npm run dev"]) {
    const { url } = await startServer(serving, example);
    const { page, errors, close } = await openPage(url.replace("127.0.0.1", "localhost"));
    const problems = () => errors.filter((error) => !error.includes("favicon.ico"));
    const shown = async () =>
      [await page.locator("#page").textContent(), await page.locator("#server").textContent(), ...problems()].join(" ");
    await page.waitForLoadState("networkidle"); // the page listens only when its scripts have come
    await page.setInputFiles("#picture", sample);
    await expect.poll(shown, { timeout: 120_000 }).toBe("horse horse");
    const refused = await fetch(new URL("/classify", url), { method: "POST", body: "no picture" });
    expect(refused.status).toBe(400);
    expect((await refused.json()).error).toMatch(/^expected a JPEG, /);
    await close();
  }
});
