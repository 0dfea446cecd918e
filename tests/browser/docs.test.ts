import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import ts from "typescript";
import { afterAll, beforeAll, expect, it } from "vitest";
import { netOf } from "#repvgg/exchange/net.js";
import { saveNet } from "#repvgg/exchange/save-net.node.js";
import { repvgg } from "#repvgg/nn/repvgg.js";
import type { RunningSite } from "#repvgg/serve/static-files.node.js";
import { codeBlocks } from "../docs/markdown.js";
import { accessibilityViolations, openPage, root, startSite } from "./support.js";

const folder = mkdtempSync(join(tmpdir(), "repvgg-docs-"));
const blocks = ["README.md", "docs/browser.md"].flatMap((name) =>
  codeBlocks(readFileSync(join(root, name), "utf8"))
    .filter(({ attributes }) => attributes.includes("browser"))
    .map(({ text, line }) => ({ text, place: `${name}:${line}`, file: `${name.replace(/\W/g, "-")}-${line}` })),
);
let site: RunningSite;

const page = (script: string): string => `<!doctype html>
<html lang="en"><title>Example</title><link rel="icon" href="data:,">
<img src="/assets/fashion-mnist/ankle-boot.png" alt="a boot"><script type="module" src="${script}"></script></html>`;

beforeAll(async () => {
  const net = repvgg("nano", { statistics: "seeded" });
  await saveNet(netOf(net), join(folder, "net.safetensors"));
  for (const { text, file } of blocks) {
    const compilerOptions = { module: ts.ModuleKind.ESNext, target: ts.ScriptTarget.ES2023 };
    const { outputText } = ts.transpileModule(text, { compilerOptions });
    const script = outputText.replaceAll('"repvgg/browser"', '"/dist/bundle/browser.js"');
    writeFileSync(join(folder, `${file}.js`), `${script}\ndocument.title = "done";\n`);
    writeFileSync(join(folder, `${file}.html`), page(`${file}.js`));
  }
  site = await startSite({ folders: { "/models/": folder, "/node_modules/repvgg/": root } });
});
afterAll(async () => {
  await site.close();
  rmSync(folder, { recursive: true });
});

it("there are examples", () => expect(blocks.length).toBeGreaterThanOrEqual(6));

it.each(blocks)("$place runs", async ({ file }) => {
  const { page, errors, close } = await openPage(new URL(`models/${file}.html`, site.url).href);
  await expect.poll(async () => [await page.title(), ...errors], { timeout: 50_000 }).toEqual(["done"]);
  await close();
});

it("the example's page says what a picture shows", async () => {
  const { page, errors, close } = await openPage(new URL("examples/page/index.html", site.url).href);
  const answer = page.locator("#answer");
  await expect.poll(() => answer.textContent(), { timeout: 50_000 }).toBe("Choose a picture.");
  await page.setInputFiles("#picture", join(root, "assets/fashion-mnist/ankle-boot.png"));
  await expect.poll(() => answer.textContent()).toMatch(/^\w+ \d+ %, \w+ \d+ %, \w+ \d+ %$/);
  expect(await accessibilityViolations(page)).toEqual([]);
  expect(errors.filter((error) => !error.includes("favicon"))).toEqual([]);
  await close();
});
