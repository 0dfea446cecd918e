import { expect, it } from "vitest";
import { codeBlocks, commandsIn } from "./markdown.js";

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
