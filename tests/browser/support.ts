import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";
import { type Browser, chromium, type Page } from "playwright-core";
import type * as Library from "repvgg/browser";
import { inject } from "vitest";
import { type RunningSite, serveFiles } from "#repvgg/serve/static-files.node.js";

declare global {
  interface Window {
    /** The library, in pages that {@link openPage} opens at `blank.html`. */
    repvgg: typeof Library;
  }
}

export const root = fileURLToPath(new URL("../../", import.meta.url));

/**
 * What the library's documentation asks pages to allow at most: scripts and workers of their own, WebAssembly, no eval.
 * Pictures and downloads come as blobs.
 */
export const contentSecurityPolicy =
  "default-src 'self'; script-src 'self' 'wasm-unsafe-eval'; img-src 'self' blob: data:; media-src 'self' blob:";

let browser: Promise<Browser> | undefined;

/** The browser that all test files share; each file connects to it once. @throws Error where there is none. */
export function sharedBrowser(): Promise<Browser> {
  const provided = inject("browser");
  if ("missing" in provided) throw new Error(provided.missing);
  browser ??= chromium.connect(provided.endpoint);
  return browser;
}

export interface SiteOptions {
  /** Default true. */
  readonly isolated?: boolean;
  /** Folders besides the library (`/dist/`), the test pages (`/`), `/assets/` and `/examples/`. */
  readonly folders?: Readonly<Record<string, string>>;
  /** Default: {@link contentSecurityPolicy}. */
  readonly policy?: string;
}

/** The library and the test pages on a server of this machine. */
export function startSite({
  isolated = true,
  folders,
  policy = contentSecurityPolicy,
}: SiteOptions = {}): Promise<RunningSite> {
  return serveFiles({
    folders: {
      "/": `${root}tests/browser/site`,
      "/dist/": `${root}dist`,
      "/assets/": `${root}assets`,
      "/examples/": `${root}examples`,
      ...folders,
    },
    isolated,
    headers: { "Content-Security-Policy": policy },
  });
}

export interface OpenedPage {
  readonly page: Page;
  /** What the page and its workers complained of so far: exceptions, console errors, requests that failed. */
  readonly errors: readonly string[];
  close(): Promise<void>;
}

export interface PageOptions {
  /** Default 1280 × 800. */
  readonly viewport?: { readonly width: number; readonly height: number };
  readonly colorScheme?: "light" | "dark";
  readonly reducedMotion?: "reduce" | "no-preference";
}

/** A page in a profile of its own: nothing is stored from test to test. */
export async function openPage(url: string, options: PageOptions = {}): Promise<OpenedPage> {
  const context = await (await sharedBrowser()).newContext({ viewport: { width: 1280, height: 800 }, ...options });
  const page = await context.newPage();
  const errors: string[] = [];
  page.on("pageerror", (error) => errors.push(String(error)));
  page.on("console", (message) => {
    if (message.type() === "error") errors.push(`${message.text()} (${message.location().url})`);
  });
  page.on("requestfailed", (request) =>
    errors.push(`${request.method()} ${request.url()}: ${request.failure()?.errorText}`),
  );
  await page.goto(url);
  return { page, errors, close: () => context.close() };
}

/** A page with the library as `window.repvgg`. @param file `modules.html`: as single modules instead of bundled */
export async function openLibrary(site: RunningSite, file = "blank.html"): Promise<OpenedPage> {
  const opened = await openPage(new URL(file, site.url).href);
  await opened.page.waitForFunction(() => window.repvgg !== undefined);
  return opened;
}

const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

/** What axe-core finds wrong with a page as it stands: one line a violation, with the first element that has it. */
export async function accessibilityViolations(page: Page): Promise<string[]> {
  await page.evaluate(axe); // not as a script element: the page's policy need not allow it
  return page.evaluate(async () => {
    const { violations } = await (window as unknown as { axe: typeof import("axe-core") }).axe.run();
    return violations.map(({ id, help, nodes }) => `${id}: ${help} (${nodes[0]?.target.join(" ")})`);
  });
}
