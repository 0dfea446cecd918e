import { describe, expect, it } from "vitest";
import { type Import, importsOf, linesOf, roomOf, sourceFiles } from "../scripts/rooms.mjs";

type Permission = string | { room: string; files: RegExp };

/** Who may import whom, besides `core` and itself. `files` narrows a permission to some files of the importing room. */
const mayImport: Record<string, Permission[]> = {
  core: [],
  "conv-algebra": [],
  formats: [],
  labels: [],
  data: ["labels"],
  configuration: ["labels", "data", "nn", "train", "formats"],
  splitting: ["survey", "labels", "data", "formats"],
  backend: [],
  operators: ["graph", { room: "formats", files: /\/(cast|quantize)\.ts$/ }],
  graph: [
    "formats",
    // Where a graph is taken for what its operators say; the IR itself knows none.
    { room: "operators", files: /^graph\/(analyze\/|operator\/|check-file|eliminate)/ },
    { room: "fold", files: /^graph\/fold\.ts$/ },
  ],
  fold: ["conv-algebra", "graph", "operators"],
  lowering: ["backend", "graph", "operators"],
  integer: ["backend", "graph", "operators", "lowering"],
  engine: ["backend", "graph", "operators", "lowering", "integer"],
  tensor: ["backend"],
  nn: ["tensor", "backend", { room: "graph", files: /^nn\/(to|from)-graph/ }],
  train: ["tensor", "backend", "nn", "data", "formats"],
  analysis: ["conv-algebra", "graph", "operators", "fold", "backend", "engine", "nn"],
  exchange: ["formats", "graph", "fold", "nn"],
  verify: ["graph", "fold", "backend", "engine", "nn", "analysis", "exchange"],
  cards: ["nn"],
  hub: ["formats", "data", "nn", "exchange", "cards"],
  report: ["analysis", "verify"],
  classifier: ["backend", "engine", "nn", "data", "exchange", "hub"],
  recipe: ["nn", "train", "data", "survey", "analysis"],
  terminal: [],
  survey: ["data"],
  flags: ["backend", "nn", "data", "formats", "exchange", "recipe", "api", "runs", "configuration", "terminal"],
  quantize: ["graph", "report"],
  api: [
    "quantize",
    "survey",
    "labels",
    "recipe",
    "classifier",
    "hub",
    "graph",
    "backend",
    "engine",
    "tensor",
    "nn",
    "train",
    "data",
    "formats",
    "analysis",
    "exchange",
    "verify",
    "report",
  ],
  studies: ["graph", "backend", "engine", "nn", "analysis", "exchange", "verify", "report", "api"],
  runs: [
    "survey",
    "backend",
    "nn",
    "train",
    "data",
    "formats",
    "analysis",
    "exchange",
    "verify",
    "report",
    "cards",
    "recipe",
    "api",
    "studies",
  ],
  ablation: ["backend", "nn", "train", "data", "formats", "analysis", "report", "recipe", "api", "studies", "runs"],
  browser: [
    "fold",
    "backend",
    "engine",
    "nn",
    "train",
    "data",
    "formats",
    "analysis",
    "exchange",
    { room: "hub", files: /^browser\/(load|published|hub-listing|content-check|engine\/remote-engine)\.ts$/ },
    "verify",
    "classifier",
    "recipe",
    "api",
  ],
  serve: [],
  cli: [
    ...["graph", "fold", "backend", "engine", "nn", "data", "formats", "analysis", "exchange", "verify"],
    ...[
      "classifier",
      "hub",
      "report",
      "recipe",
      "quantize",
      "api",
      "studies",
      "runs",
      "ablation",
      "serve",
      "terminal",
      "flags",
      "survey",
      "splitting",
    ],
  ],
};

/** What `import … from "repvgg"` may come from. */
const entry = [
  "configuration",
  "splitting",
  "quantize",
  "backend",
  "classifier",
  "recipe",
  "api",
  "studies",
  "runs",
  "ablation",
  "hub",
  "exchange",
  "verify",
  "report",
  "nn",
  "core",
];

/** A room of more lines wants to be two. */
const mostLines = 4_500;

/** Files of more than 350 lines, each with its reason. */
const longFiles: Record<string, string> = {
  "formats/torch/pickle.ts": "one machine: a case for each opcode of the pickle format",
  "backend/kernel-extents.ts": "a table: what each kernel reads and writes",
};

/** Where Node's own modules (and sharp) may be imported. */
const nodeAllowed = /^(cli\/|terminal\/|flags\/|backend\/native\/)|\.node\.ts$/;

const files = sourceFiles();
const bySpecifier = importsOf(files);
const imports = bySpecifier.filter((found): found is Import & { to: string } => found.to !== undefined);

describe("the house", () => {
  it("has a rule for every room", () => {
    expect(
      [...new Set([...files.keys()].map(roomOf))].filter((name) => name !== "index" && !(name in mayImport)),
    ).toEqual([]);
    expect(imports.length).toBeGreaterThan(50);
  });

  it("imports only what each room may import", () => {
    const broken = imports.filter(({ from, to }) => {
      const [a, b] = [roomOf(from), roomOf(to)];
      if (from === "index.ts") return !entry.includes(b);
      if (from === "browser.ts") return b === "cli" || b === "serve";
      if (a === b || b === "core") return false;
      return !mayImport[a]?.some((rule) =>
        typeof rule === "string" ? rule === b : rule.room === b && rule.files.test(from),
      );
    });
    expect(broken.map(({ from, to }) => `${from} → ${to}`)).toEqual([]);
  });

  it("has no permission that nobody uses", () => {
    const unused = Object.entries(mayImport).flatMap(([a, permissions]) =>
      permissions
        .map((rule) => (typeof rule === "string" ? { room: rule, files: /./ } : rule))
        .filter(
          (rule) =>
            !imports.some(({ from, to }) => roomOf(from) === a && roomOf(to) === rule.room && rule.files.test(from)),
        )
        .map(({ room }) => `${a} → ${room}`),
    );
    expect(unused).toEqual([]);
  });

  it("has rooms and files of a size that one can know", () => {
    const lines = linesOf(files);
    expect([...lines].filter(([, count]) => count > mostLines)).toEqual([]);
    expect(lines.get("api")).toBeLessThanOrEqual(1_800);
    const long = [...files].filter(([, text]) => text.split("\n").length > 351).map(([file]) => file);
    expect(long.sort()).toEqual(Object.keys(longFiles).sort());
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
    for (const file of files.keys()) visit(file, []);
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
    const ofBrowsers = /\.browser\.ts$|^(browser\.ts$|browser\/)/;
    const reached = imports.filter(({ from, to }) => ofBrowsers.test(to) && !ofBrowsers.test(from));
    expect(reached.map(({ from, to }) => `${from} → ${to}`)).toEqual([]);
  });
});
