import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, posix, relative, sep } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");
const source = join(root, "src");

/** Who may import whom, besides `core` and itself. `files` narrows a permission to some files of the importing room. */
const mayImport: Record<string, (string | { room: string; files: RegExp })[]> = {
  core: [],
  "conv-algebra": [],
  formats: [],
  data: [],
  backend: [],
  graph: ["conv-algebra", "formats"],
  engine: ["backend", "graph"],
  tensor: ["backend"],
  nn: ["tensor", "backend", { room: "graph", files: /^nn\/(to|from)-graph/ }, { room: "formats", files: /./ }],
  train: ["tensor", "backend", "nn", "data", "formats"],
  analysis: ["graph", "engine", "backend", "nn", "conv-algebra"],
  report: ["analysis"],
  api: ["backend", "graph", "engine", "tensor", "nn", "train", "data", "formats", "analysis", "report"],
  serve: [],
  cli: ["backend", "graph", "engine", "tensor", "nn", "train", "data", "formats", "analysis", "report", "serve", "api"],
};

/** Where Node's own modules (and sharp) may be imported. */
const nodeAllowed = /^(cli\/|backend\/native\/)|\.node\.ts$/;

interface Import {
  from: string;
  to: string;
}

function filesUnder(folder: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".ts"))
    .map((name) => name.split(sep).join("/"));
}

const importStatement = /^(?:import|export)\s+(?:type\s+)?(?:[\w*${}\s,]+?\s+from\s+)?["']([^"']+)["']/gm;
const dynamicImport = /\bimport\(\s*["']([^"']+)["']\s*\)/g;

function specifiers(text: string): string[] {
  return [...text.matchAll(importStatement), ...text.matchAll(dynamicImport)].map((match) => match[1]!);
}

const files = filesUnder(source);
const bySpecifier = files.flatMap((from) =>
  specifiers(readFileSync(join(source, from), "utf8")).map((specifier) => ({ from, specifier })),
);
const imports: Import[] = bySpecifier
  .filter(({ specifier }) => specifier.startsWith("."))
  .map(({ from, specifier }) => ({
    from,
    to: relative(source, join(source, posix.dirname(from), specifier))
      .split(sep)
      .join("/")
      .replace(/\.js$/, ".ts"),
  }));

const room = (file: string): string => (file.includes("/") ? file.slice(0, file.indexOf("/")) : "index");

describe("the house", () => {
  it("has a rule for every room", () => {
    expect([...new Set(files.map(room))].filter((name) => name !== "index" && !(name in mayImport))).toEqual([]);
    expect(imports.length).toBeGreaterThan(50);
  });

  it("imports only what each room may import", () => {
    const broken = imports.filter(({ from, to }) => {
      const [a, b] = [room(from), room(to)];
      if (from === "index.ts") return b !== "api" && b !== "core" && b !== "nn";
      if (from === "browser.ts") return b === "cli" || b === "serve";
      if (a === b || b === "core") return false;
      return !mayImport[a]?.some((rule) =>
        typeof rule === "string" ? rule === b : rule.room === b && rule.files.test(from),
      );
    });
    expect(broken.map(({ from, to }) => `${from} → ${to}`)).toEqual([]);
  });

  it("has no cycles", () => {
    const edges = new Map<string, string[]>();
    for (const { from, to } of imports) edges.set(from, [...(edges.get(from) ?? []), to]);
    const done = new Set<string>();
    const cycles: string[] = [];
    const visit = (file: string, path: string[]): void => {
      if (path.includes(file)) {
        cycles.push([...path.slice(path.indexOf(file)), file].join(" → "));
        return;
      }
      if (done.has(file)) return;
      for (const next of edges.get(file) ?? []) visit(next, [...path, file]);
      done.add(file);
    };
    for (const file of files) visit(file, []);
    expect(cycles).toEqual([]);
  });

  it("keeps Node's modules out of what runs in a browser", () => {
    const broken = bySpecifier.filter(
      ({ from, specifier }) => /^(node:|sharp$)/.test(specifier) && !nodeAllowed.test(from) && from !== "index.ts",
    );
    expect(broken.map(({ from, specifier }) => `${from} → ${specifier}`)).toEqual([]);
    const reached = imports.filter(
      ({ from, to }) => /\.node\.ts$/.test(to) && !nodeAllowed.test(from) && from !== "index.ts",
    );
    expect(reached.map(({ from, to }) => `${from} → ${to}`)).toEqual([]);
  });

  it("keeps what only a browser has out of Node", () => {
    const ofBrowsers = /\.browser\.ts$|^(browser\.ts$|api\/browser\/)/;
    const reached = imports.filter(({ from, to }) => ofBrowsers.test(to) && !ofBrowsers.test(from));
    expect(reached.map(({ from, to }) => `${from} → ${to}`)).toEqual([]);
  });
});
