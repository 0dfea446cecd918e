import { cpSync, rmSync } from "node:fs";
import { basename, join } from "node:path";
import { describe, expect, test } from "vitest";
import { evaluationSet } from "#repvgg/api/evaluation-set.node.js";
import { withTrainedPictures } from "#repvgg/api/trained-pictures.node.js";
import { evaluate, type Model, repvgg, train, trainAndTest } from "#repvgg/index.js";
import { described } from "#repvgg/recipe/training-setup.js";
import { encode, pictureFolder, temporaryFolder, wavesAndNoise } from "../data/pictures.js";

const fresh = repvgg("nano", { classNames: ["cat", "dog"] });

/** The provenance of a net after training on a place. */
async function trainedOn(place: string, options: { holdOut?: number; seed?: number } = {}): Promise<Model> {
  const sets = await trainAndTest(place, options);
  return described(withTrainedPictures(fresh, sets), sets.train, { seed: 0 } as never, 3);
}

const files = (set: { readonly source: unknown }): readonly string[] => (set.source as { files: string[] }).files;

describe("what a net is scored on", () => {
  test("pictures that it was trained on only where asked: else exactly those that were held out, wherever the folder lies now", async () => {
    const root = await pictureFolder(20);
    const options = { holdOut: 0.25, seed: 3 };
    const { provenance } = (await trainedOn(root, options)).metadata;
    const { train: theirs, test: held } = await trainAndTest(root, options);
    const moved = join(temporaryFolder(), "elsewhere");
    cpSync(root, moved, { recursive: true });
    for (const place of [root, moved]) {
      const unasked = await evaluationSet(provenance, place);
      expect(files(unasked.dataset)).toEqual(files(held));
      expect(unasked.notes.join()).toMatch(/scored are the 10 that were held out \(--split all: every one\)/);
      expect(files((await evaluationSet(provenance, place, { split: "held-out" })).dataset)).toEqual(files(held));
      const asked = await evaluationSet(provenance, place, { split: "train" });
      expect(files(asked.dataset)).toEqual(files(theirs));
      const all = await evaluationSet(provenance, place, { split: "all" });
      expect(all.dataset.length).toBe(40);
      for (const { notes } of [asked, all]) expect(notes.join()).toMatch(/accuracy says nothing of other pictures/);
    }
  });

  test("a folder that changed, an older net and one trained on all of it want --split", async () => {
    const root = await pictureFolder(20);
    const { provenance } = (await trainedOn(root)).metadata;
    rmSync(join(root, "cat", "000.png"));
    await expect(evaluationSet(provenance, root)).rejects.toThrow(
      /trained on ".*", and the files are others since: score other/,
    );
    await expect(evaluationSet(provenance, root, { split: "held-out" })).rejects.toThrow(
      /held out when it was trained, received/,
    );
    const { trainedPictures: _, ...older } = provenance;
    await expect(evaluationSet(older, root)).rejects.toThrow(/does not say which those are/);
    expect((await evaluationSet(older, root, { split: "all" })).dataset.length).toBe(39);

    const split = temporaryFolder();
    for (const part of ["train", "test"]) cpSync(await pictureFolder(4), join(split, part), { recursive: true });
    const whole = (await trainedOn(split)).metadata.provenance;
    expect(whole["heldOut"]).toBeUndefined();
    expect((await evaluationSet(whole, split)).dataset.name).toBe(`${basename(split)}/test`);
    await expect(evaluationSet(whole, join(split, "train"))).rejects.toThrow(/all were trained on/);
    expect((await evaluationSet(whole, split, { split: "train" })).dataset.length).toBe(8);
    await expect(evaluationSet(whole, split, { split: "all" })).rejects.toThrow(/--split test or train/);
  });

  test("everything that it was not trained on", async () => {
    const { provenance } = (await trainedOn(await pictureFolder(20))).metadata;
    const other = await pictureFolder(7);
    for (const known of [provenance, {}]) {
      const { dataset, notes } = await evaluationSet(known, other);
      expect([dataset.length, notes]).toEqual([14, []]);
    }
    await expect(evaluationSet({}, other, { split: "held-out" })).rejects.toThrow(/one that was not trained on them/);
    await expect(evaluationSet({}, other, { split: "test" })).rejects.toThrow(/one without splits/);
  });

  test("a class whose files have other names is another set, and no path is told", async () => {
    const root = await pictureFolder(3);
    const { provenance } = (await trainedOn(root)).metadata;
    expect(provenance).toMatchObject({ trainedPictures: expect.stringMatching(/^[0-9a-f]{32}$/), heldOutSeed: "0" });
    expect(JSON.stringify(provenance)).not.toContain(root);
    const again = (
      await trainedOn(
        temporaryFolder({
          "cat/a.png": await encode(wavesAndNoise(9, 9, 3, 1), "png"),
          "cat/b.png": await encode(wavesAndNoise(9, 9, 3, 2), "png"),
          "dog/a.png": await encode(wavesAndNoise(9, 9, 3, 3), "png"),
          "dog/b.png": await encode(wavesAndNoise(9, 9, 3, 4), "png"),
        }),
      )
    ).metadata.provenance;
    expect(again["trainedPictures"]).not.toBe(provenance["trainedPictures"]);
  });

  test("train() writes it, evaluate() reads it", async () => {
    const root = await pictureFolder(12);
    const { model } = await train(fresh, root, { epochs: 1, batchSize: 4, holdOut: 0.25, workers: 0, threads: 1 });
    const scored = await evaluate(model, root, { threads: 1 });
    expect(scored.images).toBe(6);
    expect(scored.warnings.join()).toMatch(/scored are the 6 that were held out/);
    expect((await evaluate(model, root, { threads: 1, split: "all" })).images).toBe(24);
  });
});
