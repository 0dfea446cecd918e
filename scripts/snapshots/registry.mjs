import { readFileSync } from "node:fs";
import { picture } from "../rooms.mjs";
import { nets } from "./nets.mjs";
import { operatorsPage } from "./operators.mjs";
import { describeNet } from "./plans.mjs";
import { surfaces } from "./surface.mjs";

/** Where snapshots lie that come and go with what they are of. */
export const folder = "tests/snapshots";

/** A page with what stands between two of its comments made anew. */
function withSection(path, name, text) {
  const page = readFileSync(new URL(`../../${path}`, import.meta.url), "utf8");
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
  ["CONTRIBUTING.md", () => withSection("CONTRIBUTING.md", "operator", workedExample("operator"))],
  ["docs/architecture.md", () => withSection("docs/architecture.md", "rooms", picture())],
  ...[...surfaces].map(([name, describe]) => [`${folder}/public/${name}.txt`, describe]),
  ["docs/operators.md", operatorsPage],
]);
