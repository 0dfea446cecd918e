// The site: TypeDoc over both entry points and all pages, as static files with a search of their own.
import { copyFileSync, mkdtempSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { stripVTControlCharacters } from "node:util";
import { Application, Converter, KindRouter, LogLevel, ReflectionKind } from "typedoc";
import { writePages } from "./pages.mjs";

const root = fileURLToPath(new URL("../../", import.meta.url));

/** What the public declarations name and nobody need name in turn: the engine's inside, ONNX's own records, parts of reports. */
const unnamed = [
  "AttributeValue",
  "BackendProfile",
  "BarChart",
  "ChartSection",
  "ConvTarget",
  "Description",
  "Dimension",
  "DotChart",
  "FoldPlan",
  "FormMemory",
  "GraphSource",
  "Group",
  "Heading",
  "HeatMap",
  "InputShapes",
  "KernelCall",
  "KeyFigures",
  "LineChart",
  "MemoryDataset",
  "MemoryUse",
  "Notes",
  "Obstacle",
  "OnnxEnvelope",
  "Pictures",
  "Program",
  "Rest",
  "SessionValue",
  "StatedFacts",
  "StorageOf",
  "StoredType",
  "Table",
  "Text",
  "Timeline",
  "TracedMap",
  "augmentationPresets",
  "variants",
];

/**
 * Builds the site into a folder, which is emptied before.
 * @returns lines of what is wrong with it: undocumented names, links that lead nowhere
 */
export async function buildSite(out) {
  const folder = mkdtempSync(join(tmpdir(), "repvgg-docs-"));
  try {
    return await build(out, writePages(root, folder));
  } finally {
    rmSync(folder, { recursive: true });
  }
}

async function build(out, { start, pages, groups }) {
  const app = await Application.bootstrap({
    name: "RepVGG for TypeScript",
    includeVersion: true,
    favicon: join(root, "playground/src/app/icon.svg"),
    entryPoints: ["src/index.ts", "src/browser.ts"].map((path) => join(root, path)),
    tsconfig: join(root, "tsconfig.json"),
    basePath: root,
    readme: start,
    projectDocuments: pages,
    searchInComments: true,
    searchInDocuments: true,
    excludeExternals: true,
    excludePrivate: true,
    disableGit: true,
    disableSources: true,
    githubPages: true,
    hideGenerator: true,
    customCss: join(root, "scripts/docs/site.css"),
    customJs: join(root, "scripts/docs/site.js"),
    groupOrder: [...groups.slice(0, 2), "Modules", ...groups.slice(2), "*"],
    navigation: { includeGroups: true, includeCategories: false, includeFolders: false },
    sort: ["kind", "alphabetical-ignoring-documents"],
    router: "paths",
    highlightLanguages: ["ts", "typescript", "js", "jsx", "json", "sh", "text", "html", "python", "docker", "mermaid"],
    validation: { notExported: true, invalidLink: true, invalidPath: true, notDocumented: true },
    intentionallyNotExported: unnamed,
    logLevel: LogLevel.Warn,
  });
  app.renderer.defineRouter("paths", PathRouter);
  const said = [];
  app.logger.log = (message, level) => {
    if (level >= LogLevel.Warn) said.push(stripVTControlCharacters(message));
  };
  app.converter.on(Converter.EVENT_RESOLVE_END, ({ project }) => documentPartsByTheirWhole(app, project));
  const project = await app.convert();
  if (!project) return said;
  app.validate(project);
  await app.generateDocs(project, out);
  const mermaid = createRequire(import.meta.url).resolve("@mermaid-js/tiny/dist/mermaid.tiny.js");
  copyFileSync(mermaid, join(out, "assets", "mermaid.js"));
  return said;
}

/** A property's words say also what the fields of an object type in its place are: `{ width, height }` needs no comment for each. */
function documentPartsByTheirWhole(app, project) {
  const parts = project
    .getReflectionsByKind(ReflectionKind.Property)
    .filter((part) => !part.hasComment() && part.getFullName().includes(".__type") && isSaidByItsWhole(part))
    .map((part) => part.getFriendlyFullName());
  app.options.setValue("intentionallyNotDocumented", [...new Set(parts)]);
}

/** Parts of parameters nobody asks about. */
function isSaidByItsWhole(part) {
  const owners = [];
  for (let owner = part.parent; owner; owner = owner.parent) owners.push(owner);
  return owners.some((owner) => owner.hasComment()) && !owners.some((owner) => owner.kindOf(ReflectionKind.Parameter));
}

/** Addresses by the pages' paths, which stay where titles change: `documents/docs/train.html`. */
class PathRouter extends KindRouter {
  getIdealBaseName(reflection) {
    const path = reflection.isDocument() ? reflection.frontmatter.path : undefined;
    return path === undefined ? super.getIdealBaseName(reflection) : `pages/${path}`;
  }
}
