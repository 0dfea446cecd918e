import { build } from "esbuild";
import { afterAll, beforeAll, expect, it } from "vitest";
import type { RunningSite } from "#repvgg/serve/static-files.node.js";
import { accessibilityViolations, openLibrary, openPage, root, startSite } from "./support.js";

let isolated: RunningSite;
let plain: RunningSite;
beforeAll(async () => {
  isolated = await startSite();
  plain = await startSite({ isolated: false });
});
afterAll(async () => {
  await isolated.close();
  await plain.close();
});

it.each([
  ["modules", "modules.html", "isolated", () => isolated, true],
  ["bundle", "blank.html", "isolated", () => isolated, true],
  ["bundle", "blank.html", "not isolated", () => plain, false],
] as const)("loads the library's %s (%s) in a page that is %s", async (_, file, __, site, expected) => {
  const { page, errors, close } = await openLibrary(site(), file);
  expect(await page.evaluate(() => crossOriginIsolated)).toBe(expected);
  const name = await page.evaluate(async () => {
    const engine = await window.repvgg.createEngine();
    const net = await engine.create("nano");
    await net.classify(new ImageData(28, 28));
    engine.dispose();
    return engine.kernels.name;
  });
  expect(name).toBe(expected ? "wasm simd+threads" : "wasm simd");
  expect(errors).toEqual([]);
  await close();
});

it("collects what a page complains of", async () => {
  const { page, errors, close } = await openPage(new URL("blank.html", isolated.url).href);
  await page.evaluate(() => {
    console.error("told");
    setTimeout(() => {
      throw new Error("thrown");
    });
  });
  await page.evaluate(() => fetch("/missing"));
  await page.waitForFunction(() => true);
  await expect.poll(() => errors.length).toBe(3);
  expect(errors.join("\n")).toMatch(/told.*\n.*(thrown|404)/);
  await close();
});

it("finds what keeps people out of a page", async () => {
  const { page, close } = await openPage(new URL("blank.html", isolated.url).href);
  expect(await accessibilityViolations(page)).toEqual([]);
  await page.evaluate(() => document.querySelector("main")!.insertAdjacentHTML("beforeend", "<button></button>"));
  expect(await accessibilityViolations(page)).toEqual([expect.stringContaining("button-name")]);
  await close();
});

it("is what bundlers take for the package's main entry, without anything of Node's", async () => {
  const { outputFiles } = await build({
    stdin: { contents: 'export { fold, loadModel, repvgg } from "repvgg";', resolveDir: root },
    bundle: true,
    format: "esm",
    platform: "browser",
    write: false,
    logLevel: "silent",
  });
  expect(outputFiles[0]!.text).not.toMatch(/from "node:|require\("/);
});

it("says that the engine's worker did not come", async () => {
  const { page, close } = await openLibrary(isolated);
  await page.route("**/worker-main.js", (route) => route.fulfill({ status: 404 }));
  const message = await page.evaluate(() => window.repvgg.createEngine().catch((error: Error) => error.message));
  expect(message).toMatch(
    /^expected the engine's worker, from the page's own site, received a script that cannot be loaded/,
  );
  await close();
});

it.each([
  [
    "default-src 'self'; script-src 'self'",
    /^expected a page that may compile WebAssembly, received a Content Security Policy that forbids it: add 'wasm-unsafe-eval' to its script-src$/,
  ],
  [
    "default-src 'self'; script-src 'self' 'wasm-unsafe-eval'; connect-src 'none'",
    /^expected the kernels at http.*\.wasm, received no answer: check the connection, and that the page's Content Security Policy allows it/,
  ],
  ["default-src 'self'; script-src 'self' 'wasm-unsafe-eval'; worker-src 'none'", /^expected the engine's worker/],
])("says what a page's policy lacks: %s", async (policy, message) => {
  const strict = await startSite({ policy });
  const { page, close } = await openLibrary(strict);
  const told = await page.evaluate(() =>
    window.repvgg.createEngine().then(
      () => ["no error", ""],
      (error: Error) => [error.message, error.name],
    ),
  );
  expect(told[0]).toMatch(message);
  expect(told[1]).toBe("UserError");
  const net = await page.evaluate(() =>
    window.repvgg.loadModel("/assets/models/cifar10/train.safetensors").then(
      () => "read",
      (error: Error) => error.message,
    ),
  );
  if (policy.includes("connect-src 'none'")) {
    expect(net).toMatch(/received no answer: check .*Content Security Policy must allow it \(connect-src\)/);
  } else expect(net).toBe("read");
  await close();
  await strict.close();
});
