import { expect, it } from "vitest";
import { anchors, codeBlocks, commandsIn, links } from "./markdown.js";

it("finds fenced blocks, indented ones too, with their words and lines", () => {
  const text = "# A\n\n```ts no-run\nlet a = 1;\n```\n- b\n\n  ```sh\n  ls\n    -l\n  ```\n```\nplain\n```\n";
  expect(codeBlocks(text)).toEqual([
    { language: "ts", attributes: ["no-run"], text: "let a = 1;\n", line: 3 },
    { language: "sh", attributes: [], text: "ls\n  -l\n", line: 8 },
    { language: "", attributes: [], text: "plain\n", line: 12 },
  ]);
});

it("splits shell lines into commands", () => {
  const shell = `# begin
npm ci && npm run quickstart   # takes a while
A=1 npx repvgg train "my pictures" \\
  --epochs 3 > log.txt
cat x#y | head -n 1; ls 'a b'
`;
  expect(commandsIn(shell)).toEqual([
    ["npm", "ci"],
    ["npm", "run", "quickstart"],
    ["npx", "repvgg", "train", "my pictures", "--epochs", "3"],
    ["cat", "x#y"],
    ["head", "-n", "1"],
    ["ls", "a b"],
  ]);
});

it("finds links outside of code, with their lines", () => {
  const text =
    '[a](x.md#y)\n`[no](code.md)`\n```sh\n[no](code.md)\n```\n![b](p.png "title") <!-- [no](gone.md) -->\n[c]: z.md\n';
  expect(links(text)).toEqual([
    { target: "x.md#y", line: 1 },
    { target: "p.png", line: 6 },
    { target: "z.md", line: 7 },
  ]);
});

it("names headings as GitHub does", () => {
  const text =
    "# My model comes from X: the command\n```sh\n# no heading\n```\n## `eval` and the 3×3\n## See [this](x.md)\n## A\n### A ##\n";
  expect([...anchors(text)]).toEqual(["my-model-comes-from-x-the-command", "eval-and-the-33", "see-this", "a", "a-1"]);
});
