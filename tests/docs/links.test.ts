import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { dirname, join, relative, resolve, sep } from "node:path";
import { describe, expect, it } from "vitest";
import { root } from "../pack.js";
import { anchors, links } from "./markdown.js";

/** Folders that others fill. */
const foreign = new Set(["node_modules", ".git", "dist", "dist-docs", "runs", "prebuilds"]);

/** Every Markdown file of the repository, by its path there. */
function markdownFiles(folder = root): string[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) return foreign.has(entry.name) ? [] : markdownFiles(path);
    return entry.name.endsWith(".md") ? [relative(root, path).split(sep).join("/")] : [];
  });
}

/** What is wrong with the links of a document at `name` (a path in the repository): each with its line. */
function brokenLinks(name: string, text: string): string[] {
  return links(text).flatMap(({ target, line }) => {
    const reason = wrongWith(target, name, text);
    return reason ? [`${name}:${line} ${target}: ${reason}`] : [];
  });
}

function wrongWith(target: string, name: string, text: string): string | undefined {
  if (/^[a-z][a-z+.-]*:/i.test(target)) {
    return URL.canParse(target) && /^(https?|mailto):/.test(target) ? undefined : "no address";
  }
  const [path, anchor] = target.split("#") as [string, string?];
  if (path === "") return anchors(text).has(decodeURIComponent(anchor ?? "")) ? undefined : "no such heading";
  const file = resolve(root, dirname(name), decodeURIComponent(path));
  if (!`${file}${sep}`.startsWith(root)) return "outside of the repository";
  if (!existsSync(file)) return "no such file or folder";
  if (anchor === undefined) return undefined;
  if (statSync(file).isDirectory() || !file.endsWith(".md")) return "a place in what is no Markdown";
  return anchors(readFileSync(file, "utf8")).has(decodeURIComponent(anchor)) ? undefined : "no such heading";
}

describe("the links of every Markdown file", () => {
  const files = markdownFiles();

  it("are many", () => {
    expect(files).toEqual(expect.arrayContaining(["README.md", "docs/README.md", "docs/fold/sum.md", "CHANGELOG.md"]));
    expect(files.flatMap((name) => links(readFileSync(join(root, name), "utf8"))).length).toBeGreaterThan(200);
  });

  it.each(files)("%s", (name) => {
    expect(brokenLinks(name, readFileSync(join(root, name), "utf8"))).toEqual([]);
  });
});

it("every page of docs is in the index of docs, but the parts of others", () => {
  const listed = new Set(
    links(readFileSync(join(root, "docs/README.md"), "utf8")).map(({ target }) => target.split("#")[0]),
  );
  const pages = readdirSync(join(root, "docs")).filter((name) => name.endsWith(".md") && name !== "README.md");
  expect(pages.filter((name) => !listed.has(name))).toEqual([]);
});

describe("what is no link", () => {
  const cases: [string, string[]][] = [
    ["[a](no-such.md)", ["no such file or folder"]],
    ["![a](docs/images/no-such.png)", ["no such file or folder"]],
    ['<img src="no-such.svg" alt="">', ["no such file or folder"]],
    ["[a]\n\n[a]: docs/no-such.md", ["no such file or folder"]],
    ["[a](docs/fold.md#no-such-heading)", ["no such heading"]],
    ["# A heading\n\n[a](#a-heading) [b](#another)", ["no such heading"]],
    ["[a](LICENSE#no-markdown)", ["a place in what is no Markdown"]],
    ["[a](../outside.md)", ["outside of the repository"]],
    ["[a](file:///etc/hosts)", ["no address"]],
    ["`[a](code.md)` and\n\n```md\n[a](code.md)\n```\n\n[a](README.md) [b](https://example.org/x#y) [c](docs)", []],
  ];
  it.each(cases)("%s", (text, reasons) => {
    expect(brokenLinks("page.md", text).map((line) => line.split(": ").at(-1))).toEqual(reasons);
  });
});
