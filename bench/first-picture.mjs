// Seconds from navigation to the playground's first answer, each visit in a fresh browser context: node bench/first-picture.mjs [--visits 12] [FOLDER …]
// FOLDERs are built copies of this package that are compared, visited in turn; by default this one. The first visit of each does not
// count. Needs Chromium (REPVGG_CHROMIUM names one); nothing is kept.
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { parseArgs } from "node:util";
import { chromium } from "playwright-core";
import { summary } from "./lib.mjs";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { visits: { type: "string", default: "12" } },
});
const folders = positionals.length > 0 ? positionals : [join(import.meta.dirname, "..")];
const sites = await Promise.all(
  folders.map(async (folder) => {
    const { serveFiles } = await import(pathToFileURL(join(folder, "dist/serve/static-files.node.js")).href);
    return serveFiles({ folders: { "/": join(folder, "playground/dist") }, isolated: true });
  }),
);
const browser = await chromium.launch({
  executablePath: process.env.REPVGG_CHROMIUM ?? "/usr/bin/chromium",
  args: ["--no-sandbox"],
});
const times = folders.map(() => []);
for (let visit = 0; visit <= Number(values.visits); visit++) {
  for (const [i, { url }] of sites.entries()) {
    const context = await browser.newContext();
    const page = await context.newPage();
    const start = performance.now();
    await page.goto(new URL("#/classify", url).href, { waitUntil: "commit" });
    await page.waitForSelector(".bars");
    if (visit > 0) times[i].push((performance.now() - start) / 1000);
    await context.close();
  }
}
await browser.close();
await Promise.all(sites.map((site) => site.close()));
for (const [i, folder] of folders.entries()) {
  const { median, lowerQuartile, upperQuartile } = summary(times[i]);
  console.log(
    `${median.toFixed(2)} s (${lowerQuartile.toFixed(2)}–${upperQuartile.toFixed(2)})${folders.length > 1 ? `  ${folder}` : ""}`,
  );
}
