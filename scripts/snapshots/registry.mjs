import { existsSync, readFileSync } from "node:fs";
import { picture } from "../rooms.mjs";
import { cliPage } from "./cli-page.mjs";
import { foldPages } from "./fold-pages.mjs";
import { foldPicture } from "./fold-picture.mjs";
import { nets } from "./nets.mjs";
import { operatorsPage } from "./operators.mjs";
import { describeNet } from "./plans.mjs";
import { surfaces } from "./surface.mjs";
import { zooTable } from "./zoo-table.mjs";

/** Where snapshots lie that come and go with what they are of. */
export const folder = "tests/snapshots";

/** A rule of the fold as it stands in the source: its declaration and its makers. */
function exampleRule() {
  const source = readFileSync(new URL("../../src/fold/linear/passing.ts", import.meta.url), "utf8");
  const parts = ["export const passThrough", "function dropout", "function passing"].map((start) => {
    const from = source.indexOf(`\n${start}`) + 1;
    return source.slice(from, source.indexOf("\n}", from) + 2);
  });
  return ["```typescript", parts.join("\n\n").replace("}\n\nfunction", "};\n\nfunction"), "```"].join("\n");
}

/** A page with what stands between two of its comments made anew, for each section. */
function withSections(path, sections) {
  const file = new URL(`../../${path}`, import.meta.url);
  if (!existsSync(file)) {
    const comments = Object.keys(sections).map((name) => `<!-- ${name}: npm run snapshots -->\n<!-- end -->`);
    throw new Error(`expected a page ${path}: write it, with these sections\n\n${comments.join("\n\n")}`);
  }
  const page = readFileSync(file, "utf8");
  return Object.entries(sections).reduce((text, [name, section]) => withSection(path, text, name, section), page);
}

function withSection(path, page, name, text) {
  const section = new RegExp(`(<!-- ${name}:[^\\n]*-->\\n)[^]*?( *<!-- end -->)`);
  if (!section.test(page)) throw new Error(`expected a section <!-- ${name}: … --> … <!-- end --> in ${path}`);
  return page.replace(section, (_, begin, end) => `${begin}${text}\n${end}`);
}

/** A file of tests/docs/worked-examples as a block of code in a list. */
function workedExample(name) {
  const code = readFileSync(new URL(`../../tests/docs/worked-examples/${name}.ts`, import.meta.url), "utf8");
  const lines = ["```ts internal", ...code.trimEnd().split("\n"), "```"];
  return lines.map((line) => (line === "" ? "" : `   ${line}`)).join("\n");
}

/** Every snapshot: its path in the repository → a function that makes its text from the build. */
export const snapshots = new Map([
  ...Object.entries(nets).map(([name, makeNet]) => [`${folder}/plans/${name}.txt`, () => describeNet(name, makeNet)]),
  ["docs/architecture.md", () => withSections("docs/architecture.md", { rooms: picture() })],
  [
    "CONTRIBUTING.md",
    () => withSections("CONTRIBUTING.md", { operator: workedExample("operator"), "fold-rule": exampleRule() }),
  ],
  ...[...foldPages].map(([page, sections]) => [
    `docs/fold/${page}.md`,
    () => withSections(`docs/fold/${page}.md`, sections()),
  ]),
  ...[...surfaces].map(([name, describe]) => [`${folder}/public/${name}.txt`, describe]),
  ["docs/choose.md", () => withSections("docs/choose.md", { zoo: zooTable() })],
  ["docs/cli.md", cliPage],
  ["docs/operators.md", operatorsPage],
  ["docs/images/fold.svg", foldPicture],
]);
