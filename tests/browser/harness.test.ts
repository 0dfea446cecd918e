import { afterAll, beforeAll, expect, it } from "vitest";
import type { RunningSite } from "#repvgg/serve/static-files.node.js";
import { accessibilityViolations, openLibrary, openPage, startSite } from "./support.js";

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
  ["isolated", () => isolated, true],
  ["not isolated", () => plain, false],
])("loads the library's modules in a page that is %s", async (_, site, expected) => {
  const { page, errors, close } = await openLibrary(site());
  expect(await page.evaluate(() => crossOriginIsolated)).toBe(expected);
  expect(await page.evaluate(() => Object.keys(window.repvgg))).toContain("loadModel");
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
