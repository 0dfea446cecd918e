// Pictures of the built playground for README and docs: node scripts/playground-pictures.mjs [folder, by default docs/images]
// Needs Chromium (REPVGG_CHROMIUM names one).
import { join } from "node:path";
import { chromium } from "playwright-core";
import { serveFiles } from "../dist/serve/static-files.node.js";

const root = join(import.meta.dirname, "..");
const folder = process.argv[2] ?? join(root, "docs", "images");
const desktop = { width: 1280, height: 860 };
const answered = (page) => page.waitForSelector(".bars li");

const pictures = [
  {
    name: "fold",
    address: "fold?block=stage2.1&step=3",
    viewport: desktop,
    shown: (page) => page.waitForSelector(".scrubber input:enabled"),
  },
  { name: "classify", address: "classify", viewport: desktop, shown: answered },
  {
    name: "phone",
    address: "classify?picture=horses",
    viewport: { width: 400, height: 860 },
    dark: true,
    shown: answered,
  },
  { name: "why", address: "why", viewport: desktop, shown: (page) => page.waitForSelector(".charts") },
  {
    name: "train",
    address: "train",
    viewport: { width: 1280, height: 1120 },
    dark: true,
    async shown(page) {
      await page.getByRole("button", { name: "Train", exact: true }).click();
      await page.getByText("3 of 6").waitFor({ timeout: 120_000 });
      await page.getByRole("button", { name: "Pause" }).click();
    },
  },
];

const site = await serveFiles({ folders: { "/": join(root, "playground/dist") }, isolated: true });
const browser = await chromium.launch({
  executablePath: process.env.REPVGG_CHROMIUM ?? "/usr/bin/chromium",
  args: ["--no-sandbox"],
});
for (const { name, address, viewport, dark = false, shown } of pictures) {
  const context = await browser.newContext({ viewport, colorScheme: dark ? "dark" : "light", reducedMotion: "reduce" });
  const page = await context.newPage();
  await page.goto(new URL(`#/${address}`, site.url).href);
  await shown(page);
  await page.waitForTimeout(500); // fonts, and what follows the first answer
  const path = join(folder, `playground-${name}.png`);
  await page.screenshot({ path });
  console.log(path);
  await context.close();
}
await browser.close();
await site.close();
