import { cpSync, renameSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { evaluationSet } from "#repvgg/api/evaluation-set.node.js";
import { withTrainedPictures } from "#repvgg/api/trained-pictures.node.js";
import { type Dataset, repvgg, trainAndTest, trainingSets } from "#repvgg/index.js";
import { described } from "#repvgg/recipe/training-setup.js";
import { startWarnings } from "#repvgg/runs/start-warnings.node.js";
import { pictureFolder, temporaryFolder } from "./pictures.js";

/** A folder with so many pictures of each of two classes in each part. */
async function divided(parts: Record<string, number>): Promise<string> {
  const root = temporaryFolder();
  for (const [part, count] of Object.entries(parts))
    cpSync(await pictureFolder(count), join(root, part), { recursive: true });
  return root;
}

const lengths = ({ train, validation, test: held }: Awaited<ReturnType<typeof trainingSets>>) => [
  train.length,
  validation?.length,
  held?.length,
];
const files = (set: Dataset): string[] => {
  const { source } = set;
  return source?.kind === "folder" ? source.files.map((file) => join(source.path, file)) : [];
};

describe("validation pictures of a place", () => {
  test.each(["val", "valid", "validation"])("%s/ beside train/ and test/ judges epochs", async (name) => {
    const root = await divided({ train: 6, [name]: 2, test: 3 });
    const sets = await trainingSets(root);
    expect(lengths(sets)).toEqual([12, 4, 6]);
    expect(sets.validation!.name).toMatch(new RegExp(`/${name}$`));
    expect([sets.heldOut, sets.validationPart]).toEqual([undefined, undefined]);
    expect(sets.train.ignored).toEqual([]); // nothing lies beside the splits
    expect(lengths(await trainingSets(root, { validation: 0 }))).toEqual([12, undefined, 6]);
    expect(lengths(await trainingSets(root, { validation: 0.5 }))).toEqual([6, 6, 6]);
    expect(lengths(await trainingSets(root, { validation: "given" }))).toEqual([12, 4, 6]);
    renameSync(join(root, name), join(root, "gone"));
    await expect(trainingSets(root, { validation: "given" })).rejects.toThrow(
      /expected the validation pictures that the run was begun with, received none beside .*: put the val\/ folder back/,
    );
  });

  test("val/ without test/: the test part is held out of train/; with --validation 0 it stands in for test/, as in eval", async () => {
    const root = await divided({ train: 10, val: 3 });
    const sets = await trainingSets(root, { holdOut: 0.2, seed: 5 });
    expect(lengths(sets)).toEqual([16, 6, 4]);
    expect(sets.heldOut).toBe(0.2);
    expect(new Set([sets.train, sets.validation!, sets.test!].flatMap(files)).size).toBe(26);
    const standsIn = await trainingSets(root, { validation: 0 });
    expect(lengths(standsIn)).toEqual([20, undefined, 6]);
    expect(standsIn.test!.name).toMatch(/\/val$/);
    expect((await trainAndTest(root)).test.length).toBe(6);
    expect(lengths(await trainingSets(root, { holdOut: 0 }))).toEqual([20, 6, undefined]);
  });

  test("a folder without splits gives all three, and the net tells later which were held out for testing", async () => {
    const root = await pictureFolder(40);
    const options = { holdOut: 0.25, validation: 0.2, seed: 3 };
    const sets = await trainingSets(root, options);
    expect(lengths(sets)).toEqual([48, 12, 20]);
    const all = [sets.train, sets.validation!, sets.test!].map(files);
    expect(new Set(all.flat()).size).toBe(80);
    expect([sets.train.name, sets.validation!.name].map((name) => name.replace(/^[^/]*/, ""))).toEqual([
      "/train",
      "/train/validation",
    ]);
    // The test part is the one that it was without validation pictures.
    expect(files((await trainAndTest(root, options)).test)).toEqual(all[2]);
    const net = withTrainedPictures(repvgg("nano", { classNames: ["cat", "dog"] }), sets);
    const { provenance } = described(net, sets.train, { seed: 0 } as never, 3).metadata;
    expect(files((await evaluationSet(provenance, root)).dataset)).toEqual(all[2]);
    const split = await divided({ train: 20, test: 2 });
    const parted = await trainingSets(split, { validation: 0.25 });
    const trained = described(
      withTrainedPictures(repvgg("nano", { classNames: ["cat", "dog"] }), parted),
      ...([parted.train, { seed: 0 } as never, 3] as const),
    );
    await expect(evaluationSet(trained.metadata.provenance, join(split, "train"))).rejects.toThrow(
      /all were trained on/,
    );
  });

  test("other classes in val/ are refused; pictures of one part in another are warned of, whichever two", async () => {
    const root = await divided({ train: 6, val: 2, test: 2 });
    const one = await divided({ train: 6, val: 2, test: 2 });
    renameSync(join(one, "val", "cat"), join(one, "val", "cow"));
    await expect(trainingSets(one)).rejects.toThrow(/received without "cat" and with "cow"/);
    const { train, validation, test: held } = await trainingSets(root);
    const model = repvgg("nano", { classNames: train.classNames });
    const leaks = async (sets: Parameters<typeof startWarnings>[1]): Promise<string[]> =>
      (await startWarnings(model, sets)).filter((line) => line.includes("set too"));
    const some = (set: Dataset, ...indices: number[]): Dataset => set.select(indices);
    const [a, b, c] = [some(train, 0, 1, 6), some(train, 2, 3, 7), some(train, 4, 5, 8)];
    expect(await leaks({ train: a, validation: b, test: c })).toEqual([]);
    expect(await leaks({ train: a, validation: some(train, 1, 2), test: c })).toEqual([
      "1 validation picture in the training set too; accuracy will look too good: take them out of one of the two",
    ]);
    expect(await leaks({ train: a, validation: b, test: some(train, 2, 7) })).toEqual([
      "2 test pictures in the validation set too; accuracy will look too good: take them out of one of the two",
    ]);
    expect(await leaks({ train: a, validation: b, test: some(train, 0, 4) })).toEqual([
      "1 test picture in the training set too; accuracy will look too good: take them out of one of the two",
    ]);
    expect([validation!.length, held!.length]).toEqual([4, 4]);
  });
});
