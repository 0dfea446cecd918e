// The Markdown of this repository as pages of one site: copied into a folder, each with a title and a place in the contents, and
// without links to what is no page (sources), which a site does not have.
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { dirname, extname, join, posix, relative, sep } from "node:path";

/** Its sections are the groups of the contents, in their order, and the pages that they name. */
const index = "docs/README.md";

/** Pages that stand beneath another. */
const beneath = {
  "docs/fold/": "docs/fold/README.md",
  "docs/decisions/": "docs/architecture.md",
  "examples/": "docs/serve.md",
};

/** Files that the site has beside its pages. */
const shown = new Set([".png", ".svg", ".html", ".json", ".jpg"]);

/** Of an example's folder, what is shown behind its words. */
const sources = /\.(mjs|js|jsx|ts|tsx|json|html|svelte)$|^Dockerfile$/;

/**
 * @param root the repository
 * @param folder where the pages go
 * @returns the start page and the pages at the top of the contents, as paths in `folder`, with the groups in their order
 */
export function writePages(root, folder) {
  const paths = pagePaths(root);
  const groups = contents(readFileSync(join(root, index), "utf8"), paths);
  const parents = new Map(paths.map((path) => [path, parentOf(path, groups)]));
  const tops = [...groups.keys()].filter((path) => !parents.get(path));
  for (const path of paths) {
    const children = paths.filter((other) => parents.get(other) === path);
    const page = pageOf(root, path, new Set(paths), { group: groups.get(path), children });
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), page);
  }
  for (const name of ["docs/images", "docs/results"]) {
    const filter = (from) => !from.endsWith(".md"); // pages are there already
    cpSync(join(root, name), join(folder, name), { recursive: true, filter });
  }
  const missing = paths.filter((path) => path !== "README.md" && !tops.includes(path) && !parents.get(path));
  if (missing.length > 0)
    throw new Error(`expected ${index} to name every page, received nothing of ${missing.join(", ")}`);
  return {
    start: join(folder, "README.md"),
    pages: tops.map((path) => join(folder, path)),
    groups: [...new Set(groups.values())],
  };
}

/** Every page's path in the repository. */
function pagePaths(root) {
  const files = (folder) => {
    const entries = existsSync(join(root, folder))
      ? readdirSync(join(root, folder), { recursive: true, withFileTypes: true })
      : [];
    return entries
      .filter((entry) => entry.isFile() && entry.name.endsWith(".md") && !entry.parentPath.includes("node_modules"))
      .map((entry) => relative(root, join(entry.parentPath, entry.name)).split(sep).join("/"))
      .sort();
  };
  return ["README.md", "CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md", ...files("docs"), ...files("examples")];
}

/** Page → the section of the index that names it as a whole (and not a place in it) first, in the index's order. */
function contents(markdown, paths) {
  const groups = new Map();
  let group;
  for (const line of markdown.split("\n")) {
    group = /^## (.*)$/.exec(line)?.[1] ?? group;
    for (const [, target] of line.matchAll(/\]\(([^)#\s]+)\)/g)) {
      const path = posix.normalize(posix.join(posix.dirname(index), target));
      if (group && paths.includes(path) && !groups.has(path)) groups.set(path, group);
    }
  }
  return new Map([[index, [...groups.values()][0]], ...groups]);
}

function parentOf(path, groups) {
  if (groups.has(path)) return undefined;
  const [, parent] = Object.entries(beneath).find(([folder]) => path.startsWith(folder)) ?? [];
  return parent === path ? undefined : parent;
}

function pageOf(root, path, paths, { group, children }) {
  const text = readFileSync(join(root, path), "utf8");
  const [heading, title] = /^# (.*)\n/.exec(text) ?? [];
  if (!heading) throw new Error(`expected ${path} to begin with a heading of level 1`);
  const linked = outsideOfCode(text, (part) => withoutSources(part, root, path, paths));
  if (path === "README.md") return linked.slice(heading.length); // the site has its name there
  const body = path.startsWith("examples/") ? `${linked}\n${sourceBlocks(root, dirname(path))}` : linked;
  const matter = [
    `path: ${JSON.stringify(path.replace(/\.md$/, ""))}`,
    `title: ${JSON.stringify(plain(title))}`,
    ...(group ? [`group: ${JSON.stringify(group)}`] : []),
    ...(children.length > 0 ? ["children:", ...children.map((child) => `  - ${relativePath(path, child)}`)] : []),
  ];
  return `---\n${matter.join("\n")}\n---\n${body}`;
}

/** Links to folders with a page lead to that page; links to other files that are no pages become their own text. */
function withoutSources(text, root, path, paths) {
  return text.replaceAll(/(?<!!)\[((?:[^[\]]|\[[^\]]*\])+)\]\((?!https?:|#)([^)\s]+)\)/g, (link, label, target) => {
    const [file, anchor] = target.split("#");
    const place = posix.normalize(posix.join(posix.dirname(path), file)).replace(/\/$/, "");
    if (paths.has(place)) return link;
    const readme = `${place}/README.md`;
    if (paths.has(readme)) return `[${label}](${relativePath(path, readme)}${anchor ? `#${anchor}` : ""})`;
    const isShown = shown.has(extname(place)) && place.startsWith("docs/") && statSync(join(root, place)).isFile();
    return isShown ? link : label;
  });
}

/** An example's files, each as a block of code. */
function sourceBlocks(root, folder) {
  return readdirSync(join(root, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && sources.test(entry.name) && !/node_modules|\.next|dist/.test(entry.parentPath))
    .filter((entry) => entry.name !== "package-lock.json")
    .map((entry) => {
      const name = relative(join(root, folder), join(entry.parentPath, entry.name)).split(sep).join("/");
      const code = readFileSync(join(entry.parentPath, entry.name), "utf8").trimEnd();
      const language = { ".mjs": "js", "": "docker" }[extname(name)] ?? extname(name).slice(1);
      return `## ${name}\n\n\`\`\`${language}\n${code}\n\`\`\`\n`;
    })
    .join("\n");
}

/** Changes a text where it is neither in a fenced block nor in code between backticks. */
function outsideOfCode(text, change) {
  return text
    .split(/(^ *```[^\n]*\n[\s\S]*?^ *```[ \t]*$)/m)
    .map((part, i) => (i % 2 === 1 ? part : change(part)))
    .join("");
}

function plain(markdown) {
  return markdown.replaceAll(/[`*]/g, "").replaceAll(/\[([^\]]*)\]\([^)]*\)/g, "$1");
}

function relativePath(from, to) {
  const path = posix.relative(posix.dirname(from), to);
  return path.startsWith(".") ? path : `./${path}`;
}
