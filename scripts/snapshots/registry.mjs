import { readFileSync } from "node:fs";
import { picture } from "../rooms.mjs";
import { foldPages } from "./fold-pages.mjs";
import { nets } from "./nets.mjs";
import { describeNet } from "./plans.mjs";
import { surfaces } from "./surface.mjs";

/** Where snapshots lie that come and go with what they are of. */
export const folder = "tests/snapshots";

/** A page with what stands between two of its comments made anew, for each section. */
function withSections(path, sections) {
  const page = readFileSync(new URL(`../../${path}`, import.meta.url), "utf8");
  return Object.entries(sections).reduce((text, [name, section]) => withSection(path, text, name, section), page);
}

function withSection(path, page, name, text) {
  const section = new RegExp(`(<!-- ${name}:[^\\n]*-->\\n)[^]*?(<!-- end -->)`);
  if (!section.test(page)) throw new Error(`expected a section <!-- ${name}: … --> … <!-- end --> in ${path}`);
  return page.replace(section, (_, begin, end) => `${begin}${text}\n${end}`);
}

/** Every snapshot: its path in the repository → a function that makes its text from the build. */
export const snapshots = new Map([
  ...Object.entries(nets).map(([name, makeNet]) => [`${folder}/plans/${name}.txt`, () => describeNet(name, makeNet)]),
  ["docs/architecture.md", () => withSections("docs/architecture.md", { rooms: picture() })],
  ...[...foldPages].map(([page, sections]) => [
    `docs/fold/${page}.md`,
    () => withSections(`docs/fold/${page}.md`, sections()),
  ]),
  ...[...surfaces].map(([name, describe]) => [`${folder}/public/${name}.txt`, describe]),
]);
