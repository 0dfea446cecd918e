import { readdirSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { loadModel, predictAll } from "#repvgg/index.js";

const assets = fileURLToPath(new URL("../../assets/", import.meta.url));

test("the shipped net recognises every sample that the playground shows", async () => {
  const classes: Record<string, string> = { dog: "dog", duck: "bird", horses: "horse", kitten: "cat", moose: "deer" };
  const names = readdirSync(`${assets}samples`).filter((name) => name.endsWith(".jpg"));
  expect(names).toEqual(Object.keys(classes).map((name) => `${name}.jpg`));
  const model = await loadModel(`${assets}models/cifar10/train.safetensors`);
  const answers = await predictAll(
    model,
    names.map((name) => `${assets}samples/${name}`),
    { top: 1 },
  );
  answers.forEach(([answer], i) => {
    expect(answer!.name, names[i]).toBe(Object.values(classes)[i]);
    expect(answer!.probability).toBeGreaterThan(0.6);
  });
});
