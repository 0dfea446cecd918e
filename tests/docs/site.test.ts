import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, relative, sep } from "node:path";
import { inflateSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import * as browser from "#repvgg/browser.js";
import * as node from "#repvgg/index.js";
import { buildSite } from "../../scripts/docs/site.mjs";
import { root } from "../pack.js";

const folder = mkdtempSync(join(tmpdir(), "repvgg-site-"));
let wrong: string[];
let files: string[];

beforeAll(async () => {
  wrong = await buildSite(folder);
  files = readdirSync(folder, { recursive: true, encoding: "utf8" }).map((name) => name.split(sep).join("/"));
}, 300_000);
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const read = (name: string): string => readFileSync(join(folder, name), "utf8");

/** Without markup. */
function shownText(html: string): string {
  const entities: Record<string, string> = { amp: "&", lt: "<", gt: ">", quot: '"', "#39": "'" };
  return html.replaceAll(/<[^>]+>/g, "").replaceAll(/&(\w+|#39);/g, (_, name: string) => entities[name] ?? " ");
}

it("is built without a complaint: every export documented, every link resolved", () => {
  expect(wrong).toEqual([]);
});

it("has every page of the repository, each with its own heading", () => {
  const pages = readdirSync(join(root, "docs"), { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".md"))
    .map((name) => `docs/${name.split(sep).join("/")}`);
  for (const page of [...pages, "CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md"]) {
    const heading = /^# (.*)$/m.exec(readFileSync(join(root, page), "utf8"))![1]!.replaceAll("`", "");
    expect(shownText(read(`pages/${page.replace(/\.md$/, ".html")}`)), page).toContain(heading);
  }
  expect(shownText(read("index.html"))).toContain("npm install repvgg");
});

describe.each([
  ["repvgg", node],
  ["repvgg_browser", browser],
])("%s", (module, library) => {
  it("names every value that can be imported, with a page for each", () => {
    const links = new Map(
      [
        ...read(`modules/${module}.html`).matchAll(
          /<a href="\.\.\/((?:classes|functions|variables)\/[\w.]+\.(\w+)\.html)"/g,
        ),
      ].map(([, page, name]) => [name!, page!]),
    );
    expect(Object.keys(library).filter((name) => !files.includes(links.get(name) ?? ""))).toEqual([]);
  });
});

it("has no link that leads nowhere, not to a place in a page either", () => {
  const places = new Map<string, Set<string>>();
  const idsOf = (name: string): Set<string> => {
    if (!places.has(name)) places.set(name, new Set([...read(name).matchAll(/\sid="([^"]+)"/g)].map(([, id]) => id!)));
    return places.get(name)!;
  };
  const broken = new Set<string>();
  let followed = 0;
  for (const name of files.filter((file) => file.endsWith(".html") && !file.startsWith("media/"))) {
    for (const [, target] of read(name).matchAll(/<(?:a|img|link|script)\b[^>]*?\s(?:href|src)="([^"]+)"/g)) {
      if (/^(https?:|mailto:|data:|javascript:)/.test(target!)) continue;
      const [path, place] = target!.replaceAll("&amp;", "&").split("#") as [string, string?];
      const given = path === "" ? name : relative(folder, join(folder, dirname(name), decodeURIComponent(path)));
      const file = existsSync(join(folder, given, "index.html")) ? join(given, "index.html") : given;
      followed++;
      if (!existsSync(join(folder, file)) || statSync(join(folder, file)).isDirectory())
        broken.add(`${name}: ${target}`);
      else if (place && file.endsWith(".html") && !idsOf(file.split(sep).join("/")).has(decodeURIComponent(place)))
        broken.add(`${name}: ${target}`);
    }
  }
  expect([...broken]).toEqual([]);
  expect(followed).toBeGreaterThan(1000);
});

it("is searched by names and by words of the pages", () => {
  const [, data] = /window\.searchData = "([^"]+)"/.exec(read("assets/search.js"))!;
  const { rows } = JSON.parse(inflateSync(Buffer.from(data!, "base64")).toString()) as { rows: { name: string }[] };
  const names = rows.map(({ name }) => name);
  for (const name of ["createClassifier", "createEngine", "Train your own photographs", "The command line"])
    expect(names).toContain(name);
});
