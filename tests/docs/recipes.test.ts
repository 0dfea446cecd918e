import { readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { recipes } from "../../bench/recipe-commands.mjs";
import { codeBlocks, commandsIn } from "./markdown.js";

const root = fileURLToPath(new URL("../../", import.meta.url));
const read = (path: string): string => readFileSync(join(root, path), "utf8");
const commands = (page: string): string[] =>
  codeBlocks(page)
    .filter(({ language }) => language === "sh")
    .flatMap(({ text }) => commandsIn(text))
    .map((words) => words.join(" "));
const percent = (share: number): string => `${(100 * share).toFixed(2)} %`;

interface Row {
  readonly name: string;
  readonly seed: number;
  readonly validation: { readonly top1: number } | null;
  readonly test: { readonly images: number; readonly top1: number };
  readonly seconds: number | null;
}
const { rows } = JSON.parse(read("bench/results/recipes.json")) as { rows: Row[] };

describe("the recipes that were measured", () => {
  const page = read("docs/train.md");

  it.each(rows)("$name, seed $seed, stands in docs/train.md as it was run, with what was measured", (row) => {
    const { data, options } = recipes[row.name as keyof typeof recipes];
    expect(commands(page)).toContain(`npx repvgg train ${data} ${options}`);
    expect(row.test.images).toBe(10_000);
    expect(page).toContain(percent(row.test.top1));
    if (row.validation) expect(page).toContain(percent(row.validation.top1));
  });
});
