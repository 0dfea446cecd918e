import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Installed, installTarball, manifest, root } from "../pack.js";
import { containerAnswers, functionAnswers, pageAnswers, trackingAnswers } from "./checks.js";
import { exampleReadme, linkDependencies, readManifest } from "./support.js";

const names = readdirSync(join(root, "examples")).sort();

function filesOf(folder: string): string[] {
  return readdirSync(folder)
    .filter((name) => !["node_modules", "public", ".next", "dist", "package-lock.json"].includes(name))
    .flatMap((name) =>
      statSync(join(folder, name)).isDirectory() ? filesOf(join(folder, name)) : [join(folder, name)],
    );
}

describe("the examples", () => {
  it("are these", () =>
    expect(names).toEqual([
      "bun",
      "deno",
      "docker",
      "express",
      "fastify",
      "lambda",
      "mlflow",
      "next",
      "page",
      "react",
      "vite",
    ]));

  it.each(names)("%s is short, and says in a few lines how it is run", (name) => {
    const folder = join(root, "examples", name);
    const code = filesOf(folder).filter((file) => /\.([jt]sx?|mjs)$/.test(file));
    const lines = code.flatMap((file) => readFileSync(file, "utf8").trimEnd().split("\n"));
    expect(lines.length).toBeLessThanOrEqual(60);
    expect(exampleReadme(name)).toMatch(/^# .*\n\n.*\n\n```sh\n(.+\n){2,4}```\n$/);
    expect(readManifest(folder).dependencies["repvgg"]).toBe(`^${manifest.version}`);
  });
});

// Those that need nothing but this checkout. All are run, with what a registry has of the others, by `npm run test:examples`.
describe("followed by their README, without a registry", () => {
  let installed: Installed;
  beforeAll(() => {
    installed = installTarball();
  }, 60_000);
  afterAll(() => installed.remove());
  const link = (folder: string) => linkDependencies(folder, installed);

  it("docker", () => containerAnswers(link));
  it("lambda", () => functionAnswers(link));
  it("mlflow", () => trackingAnswers(link));
  it("page", () => pageAnswers("page", link, /^horse \d+ %, \w+ \d+ %, \w+ \d+ %$/));
  it("vite", () => pageAnswers("vite", link, /^horse \d+ %, \w+ \d+ %, \w+ \d+ %$/));
});
