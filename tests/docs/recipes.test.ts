import { readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { loadModel } from "#repvgg/index.js";
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
  readonly test: { readonly images: number; readonly top1: number };
  readonly seconds: number | null;
}
const { rows } = JSON.parse(read("bench/results/recipes.json")) as { rows: Row[] };

describe("the recipes", () => {
  it.each(Object.entries(recipes))("%s stands in docs/train.md as it is measured", (_, { data, options }) => {
    expect(commands(read("docs/train.md"))).toContain(`npx repvgg train ${data} ${options}`);
  });

  it("have the figures of their runs in docs/train.md, seed by seed", () => {
    const page = read("docs/train.md");
    expect(rows.filter(({ name }) => name === "fashion-mnist").map(({ seed }) => seed)).toEqual([0, 1, 2]);
    for (const { seed, test } of rows) {
      expect(test.images).toBe(10_000);
      expect(page, `seed ${seed}`).toContain(percent(test.top1));
    }
  });
});

describe("the shipped net", () => {
  const folder = "assets/models/cifar10";
  const told = JSON.parse(read(`${folder}/config.json`)) as {
    command: string;
    config: { seed: number };
    chosenEpoch: number;
    test: { images: number; top1: number };
  };
  const epochs = read(`${folder}/metrics.jsonl`)
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as { epoch: number; validation: { top1: number; loss: number } });

  it("is of one run of the recipe", () => {
    const { data, options } = recipes.cifar10;
    expect(told.command).toBe(`npx repvgg train ${data} ${options} --seed ${told.config.seed}`);
    expect(epochs.map(({ epoch }) => epoch)).toEqual(epochs.map((_, i) => i + 1));
    expect(commands(read(`${folder}/README.md`))).toContain(told.command);
  });

  it("is the epoch that the validation pictures chose, and its README says what the test pictures said of it, once", () => {
    const most = Math.max(...epochs.map(({ validation }) => validation.top1));
    const best = epochs
      .filter(({ validation }) => validation.top1 === most)
      .sort((a, b) => a.validation.loss - b.validation.loss);
    expect(told.chosenEpoch).toBe(best[0]!.epoch);
    expect(told.test.images).toBe(10_000);
    const readme = read(`${folder}/README.md`);
    expect(readme).toContain(percent(told.test.top1));
    expect(readme).toContain(percent(most));
    for (const key of Object.keys(epochs[0]!)) expect(key).not.toMatch(/test/);
  });

  it.each(["train", "plain"])("says the same in the provenance of %s.safetensors", async (form) => {
    const { metadata } = await loadModel(join(root, folder, `${form}.safetensors`));
    expect(metadata.provenance["testTop1"]).toBe(told.test.top1.toFixed(4));
    expect(metadata.provenance["command"]).toBe(told.command);
    expect(metadata.provenance["trainedOn"]).toMatch(new RegExp(`45000 pictures, ${told.chosenEpoch} epochs$`));
  });
});
