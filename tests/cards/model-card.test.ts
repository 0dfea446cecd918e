import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { interval } from "#repvgg/cards/card-body.js";
import type { CardResults } from "#repvgg/cards/card-facts.js";
import { statedLicense, withLicense, yamlText } from "#repvgg/cards/front-matter.js";
import { modelCard } from "#repvgg/cards/model-card.js";
import { memoryDataset } from "#repvgg/data/memory-dataset.js";
import { commandText } from "#repvgg/flags/own-command.js";
import { repvgg, resume, train } from "#repvgg/index.js";
import { testFolder } from "../hub/support.js";

const model = repvgg("nano", { classNames: ["a|b", "[x](y)"] });
const results = (pictures: CardResults["pictures"]): CardResults => ({
  ...{ pictures, dataset: "pets", images: 40, top1: 0.75, top5: 1, loss: 0.5, warnings: [] },
  perClass: [
    { name: "a|b", recall: 0.5 },
    { name: "[x](y)", recall: 1 },
  ],
});

it("indexes what was measured on pictures apart, by its name, and nothing that was measured on those that chose the epoch", () => {
  const card = (pictures: CardResults["pictures"]): string =>
    modelCard({ name: "pets", model, license: "mit", results: results(pictures) });
  expect(card("test")).toContain('name: "Top-1 accuracy (test split, 40 pictures)"\n      value: 0.75');
  expect(card("held-out")).toContain("split: held-out");
  expect(card("held-out")).toContain("(part of the data that was held out, 40 pictures)");
  expect(card("validation")).not.toContain("model-index");
  expect(card("validation")).toContain("These pictures judged the epochs of the training");
  expect(card("validation")).toContain("the figures are a little too good");
  expect(card("test")).toContain("a\\|b, \\[x\\](y).");
  expect(modelCard({ name: "pets", model })).toContain("\n# license: name one");
});

it("gives Wilson's interval", () => {
  // statsmodels: proportion_confint(30, 40, method="wilson")
  expect(interval(0.75, 40)[0]).toBeCloseTo(0.5981, 3);
  expect(interval(0.75, 40)[1]).toBeCloseTo(0.8581, 3);
  expect(interval(1, 5)[1]).toBe(1);
});

it.each([
  ["---\nlicense: mit\n---\nx", "mit"],
  ['\uFEFF---\r\ntags:\r\n- a\r\nlicense: "cc-by-4.0" # mine\r\n---\r\nx', "cc-by-4.0"],
  ["---\n# license: mit\n---\n", undefined],
  ["---\nlicense:\n- mit\n---\n", undefined],
  ["# a card\nlicense: mit\n", undefined],
  ["---\nx: 1\n", undefined],
])("reads the licence of %j", (card, license) => {
  expect(statedLicense(card)).toBe(license);
  expect(statedLicense(withLicense(card, "apache-2.0"))).toBe("apache-2.0");
});

it("quotes what YAML would take for something else", () => {
  expect(["a/b-1.x", "yes", "1", "a: b", '"\n', "- x", ""].map(yamlText)).toEqual([
    "a/b-1.x",
    '"yes"',
    '"1"',
    '"a: b"',
    '"\\"\\n"',
    '"- x"',
    '""',
  ]);
});

it("tells a command without the folders of whoever gave it", () => {
  expect(commandText(["train", "/home/ann/cats", "--out=/tmp/x", "~/d/", "..", "a b", "it's", "runs/x"])).toBe(
    "repvgg train cats --out=x d data 'a b' 'it'\\''s' runs/x",
  );
});

it("is written by every run, and kept as somebody changed it", async () => {
  const out = join(testFolder(), "stripes");
  const images = Array.from({ length: 32 }, (_, i) => new Uint8Array(64).fill((i % 2) * 200));
  const pictures = (name: string) =>
    memoryDataset({
      ...{ name, classNames: ["a", "b"], channels: 1 as const, width: 8, height: 8 },
      pixels: Uint8Array.from(images.flatMap((image) => [...image])),
      labels: Uint8Array.from(images, (_, i) => i % 2),
    });
  const net = repvgg("nano", { classNames: ["a", "b"], inputChannels: 1, inputSize: 8 });
  const sets = { train: pictures("stripes/train"), test: pictures("stripes/test") };
  await train(net, sets, { epochs: 1, batchSize: 16, out, report: false });
  const card = readFileSync(join(out, "README.md"), "utf8");
  expect(card).toContain("# stripes\n");
  expect(card).toContain("by a program with repvgg's `train`");
  expect(card).toContain("| epochs | 1 |");
  writeFileSync(join(out, "README.md"), "mine");
  await resume(out, { report: false }, sets);
  expect(readFileSync(join(out, "README.md"), "utf8")).toBe("mine");
});
