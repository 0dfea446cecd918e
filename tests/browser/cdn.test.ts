import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { type RunningSite, serveFiles } from "#repvgg/serve/static-files.node.js";
import { openPage, root, startSite } from "./support.js";

// What docs/browser.md says of packages that come from another site, such as a CDN: a server of another origin that allows all to read.

const folder = mkdtempSync(join(tmpdir(), "repvgg-cdn-"));
let cdn: RunningSite;
let site: RunningSite;
let policy: string;

const page = (create: string): string => `<!doctype html>
<html lang="en"><title>CDN</title><link rel="icon" href="data:,"><script type="module">
import { ${create} } from "${new URL("dist/bundle/browser.js", cdn.url).href}";
try {
  const engine = await ${create}();
  const net = await engine.load("${new URL("assets/models/cifar10/plain.safetensors", cdn.url).href}");
  const picture = await fetch("${new URL("assets/samples/horses.jpg", cdn.url).href}");
  const { predictions } = await net.classify(await picture.blob());
  document.title = predictions[0].name;
} catch (error) {
  document.title = error.name + ": " + error.message;
}
</script></html>`;

beforeAll(async () => {
  const headers = { "Access-Control-Allow-Origin": "*", "Cross-Origin-Resource-Policy": "cross-origin" };
  cdn = await serveFiles({
    folders: { "/dist/": `${root}dist`, "/assets/": `${root}assets` },
    isolated: false,
    headers,
  });
  for (const name of ["createEngine", "createLocalEngine"]) writeFileSync(join(folder, `${name}.html`), page(name));
  policy = `default-src 'self' ${cdn.url}; script-src 'self' 'unsafe-inline' 'wasm-unsafe-eval' ${cdn.url}; img-src 'self' blob: data:`;
  site = await startSite({ isolated: false, folders: { "/cdn/": folder }, policy });
});
afterAll(async () => {
  await Promise.all([cdn.close(), site.close()]);
  rmSync(folder, { recursive: true });
});

it("an engine on the page's own thread runs from another site, kernels and model too", async () => {
  const { page: opened, close } = await openPage(new URL("cdn/createLocalEngine.html", site.url).href);
  await opened.waitForFunction(() => document.title !== "CDN");
  expect(await opened.title()).toBe("horse");
  await close();
});

it.each(["createEngine", "createLocalEngine"])("on an isolated page %s says what its workers lack", async (create) => {
  const isolated = await startSite({ folders: { "/cdn/": folder }, policy });
  const { page: opened, close } = await openPage(new URL(`cdn/${create}.html`, isolated.url).href);
  await opened.waitForFunction(() => document.title !== "CDN");
  expect(await opened.title()).toMatch(
    create === "createEngine"
      ? /^UserError: expected the engine's worker.*createLocalEngine runs without a worker/
      : /^UserError: expected the kernels' worker.*or ask for \{ threads: 1 \}/,
  );
  await close();
  await isolated.close();
});

it("a worker of another site is refused in one line that says what to do", async () => {
  const { page: opened, close } = await openPage(new URL("cdn/createEngine.html", site.url).href);
  await opened.waitForFunction(() => document.title !== "CDN");
  expect(await opened.title()).toMatch(/^UserError: expected .*serve the package's worker files beside its script/);
  await close();
});
