import type { Page } from "playwright-core";
import { type RunningSite, serveFiles } from "#repvgg/serve/static-files.node.js";
import { contentSecurityPolicy, type OpenedPage, openPage, type PageOptions, root } from "./support.js";

/** The built page below a path of a site, as any host would serve it. */
export function startPlayground(isolated = true): Promise<RunningSite> {
  return serveFiles({
    folders: { "/some/where/": `${root}playground/dist` },
    isolated,
    headers: { "Content-Security-Policy": contentSecurityPolicy },
  });
}

/** @param address of a panel, as `fold?step=2` */
export async function openPanel(site: RunningSite, address: string, options?: PageOptions): Promise<OpenedPage> {
  const url = new URL(`some/where/#/${address}`, site.url).href;
  const opened = await openPage(url, { reducedMotion: "reduce", ...options });
  opened.page.setDefaultTimeout(60_000);
  return opened;
}

/** Text of a visible element, its white space made one. */
export async function textOf(page: Page, selector: string): Promise<string> {
  return (await page.locator(selector).first().innerText()).replace(/\s+/g, " ");
}
