import { existsSync } from "node:fs";
import { delimiter, join } from "node:path";
import { chromium } from "playwright-core";
import type { TestProject } from "vitest/node";

declare module "vitest" {
  interface ProvidedContext {
    /** Where the browser listens, or why there is none. */
    browser: { readonly endpoint: string } | { readonly missing: string };
  }
}

/** Starts the one browser that all files of the project connect to. Without one they fail, each with the reason. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const executablePath = findBrowser();
  if (!executablePath) {
    const missing =
      "expected Chromium for the browser tests, received none on the PATH: install it (Debian: apt-get install chromium) or set REPVGG_CHROMIUM";
    project.provide("browser", { missing });
    return async () => {};
  }
  // In containers tests run as root, where Chromium's sandbox does not start.
  const server = await chromium.launchServer({ executablePath, headless: true, args: ["--no-sandbox"] });
  project.provide("browser", { endpoint: server.wsEndpoint() });
  return () => server.close();
}

function findBrowser(): string | undefined {
  const named = process.env["REPVGG_CHROMIUM"];
  if (named) return named;
  const folders = (process.env["PATH"] ?? "").split(delimiter);
  const names = ["chromium", "chromium-browser", "google-chrome"];
  return names.flatMap((name) => folders.map((folder) => join(folder, name))).find(existsSync);
}
