import { describe, expect, it } from "vitest";
import { createClassifier, loadModel, loadNet, pull } from "#repvgg/index.js";
import { type FakeRepo, fakeHub } from "./fake-hub.js";
import { environment, safetensors, testFolder, timmConfig, tiny } from "./support.js";

const repo = "timm/repvgg_mini.rvgg_in1k";
const published: FakeRepo = {
  files: { "config.json": timmConfig(), "model.safetensors": safetensors(tiny()) },
  license: "mit",
};
const picture = { width: 48, height: 32, channels: 3 as const, data: new Uint8Array(48 * 32 * 3).map((_, i) => i * 7) };

async function setUp() {
  const hub = await fakeHub({ [repo]: published });
  environment({ HF_ENDPOINT: hub.url, HF_HOME: testFolder() });
  return hub;
}

describe("the library, given the name of a published net", () => {
  it("gets it once, telling how far it is, and then asks nobody", async () => {
    const hub = await setUp();
    const told: string[] = [];
    const model = await loadModel(repo, { onBytes: (file, done, total) => told.push(`${file} ${done === total}`) });
    expect(model.state).toEqual((await pull(repo)).model.state);
    expect(told).toContain("model.safetensors true");
    const asked = hub.seen.length;
    const again = await loadNet(repo, { preprocessing: { mean: [0, 0, 0] } });
    expect(hub.seen.length).toBe(asked);
    expect(again.model?.state).toEqual(model.state);
    expect(again.source.notes.join()).toContain("no class names are known");
  });

  it("makes a classifier of it, with the answers of the pulled model", async () => {
    await setUp();
    const { model } = await pull(repo);
    const logits = [];
    for (const source of [repo, model]) {
      const classifier = await createClassifier(source);
      logits.push((await classifier.classify(picture)).logits);
      await classifier.dispose();
    }
    expect(new Set(logits[0]).size).toBeGreaterThan(5);
    expect(logits[0]).toEqual(logits[1]);
  });

  it("offline says what is missing, and how to get it", async () => {
    await setUp();
    const missing = /expected a file, or a published net in the cache, received .*repvgg pull timm\/repvgg_mini/;
    await expect(loadModel(repo, { offline: true })).rejects.toThrow(missing);
    environment({ HF_HUB_OFFLINE: "1" });
    await expect(createClassifier(repo)).rejects.toThrow(missing);
  });

  it("says of names that no hub has, and of those of the zoo, what they are", async () => {
    await setUp();
    await expect(loadModel("models/mine")).rejects.toThrow(
      /expected a file models\/mine, or a published net of that name, received no such file, and of the hub: /,
    );
    for (const load of [loadModel, createClassifier])
      await expect(load("A0")).rejects.toThrow(/an architecture of the zoo, which has none: repvgg pull/);
  });
});
