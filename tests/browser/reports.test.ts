import { afterAll, describe, expect, it } from "vitest";
import { reportPage } from "#repvgg/report/page/page.js";
import { reports } from "../report/pages.js";
import { accessibilityViolations, sharedBrowser } from "./support.js";

const made = new Map(Object.entries(reports).map(([name, make]) => [name, make().then(reportPage)]));
const contexts: { close(): Promise<void> }[] = [];
afterAll(() => Promise.all(contexts.map((context) => context.close())));

const settings = [
  { colorScheme: "light", width: 1280 },
  { colorScheme: "dark", width: 400 },
] as const;
const cases = [...made.keys()].flatMap((name) => settings.map((setting) => ({ name, ...setting })));

describe("a report in a browser", () => {
  it.each(cases)(
    "$name, $colorScheme, $width pixels: nothing wrong for axe-core, nothing wider than the screen, no request",
    async (one) => {
      const { colorScheme, width } = one;
      const context = await (await sharedBrowser()).newContext({ colorScheme, viewport: { width, height: 900 } });
      contexts.push(context);
      const page = await context.newPage();
      const complaints: string[] = [];
      page.on("console", (message) => complaints.push(message.text()));
      page.on("request", (request) => request.url().startsWith("data:") || complaints.push(request.url()));
      await page.setContent((await made.get(one.name))!);
      expect(complaints).toEqual([]);
      expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBe(width);
      const drawn = width > 760 ? ".wide svg" : ".narrow svg";
      expect(await page.locator(drawn).count()).toBe(await page.locator(`${drawn}:visible`).count());
      expect(await accessibilityViolations(page)).toEqual([]);
      await page.close();
    },
  );

  it("can be read by keyboard: the first stop leads to the content", async () => {
    const context = await (await sharedBrowser()).newContext();
    contexts.push(context);
    const page = await context.newPage();
    await page.setContent((await made.get("sample"))!);
    await page.keyboard.press("Tab");
    expect(await page.evaluate(() => document.activeElement?.textContent)).toBe("Skip to the content");
    await page.keyboard.press("Enter");
    expect(await page.evaluate(() => document.activeElement?.id)).toBe("main");
  });

  it("is printed with every folded table shown", async () => {
    const context = await (await sharedBrowser()).newContext();
    contexts.push(context);
    const page = await context.newPage();
    await page.setContent((await made.get("sample"))!);
    const folded = page.locator("main > section > details table");
    expect(await folded.first().isVisible()).toBe(false);
    await page.emulateMedia({ media: "print" });
    expect(await folded.first().isVisible()).toBe(true);
  });
});
