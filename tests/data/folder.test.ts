import { mkdirSync, renameSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { FormatError, UserError } from "#repvgg/core/errors.js";
import { checkSameClasses, holdOut } from "#repvgg/data/hold-out.js";
import { openDataset, openTrainAndTest } from "#repvgg/data/open-dataset.node.js";
import { describeDataset } from "#repvgg/survey/describe.node.js";
import { quickChecks } from "#repvgg/survey/quick-checks.node.js";
import { encode, memoryPictures, pictureFolder, temporaryFolder, uniform, wavesAndNoise } from "./pictures.js";

const png = (seed: number) => encode(wavesAndNoise(10, 8, 3, seed), "png");

describe("image folders", () => {
  test("classes and files are sorted; formats go by content; other files and hidden ones are counted", async () => {
    const root = temporaryFolder({
      "b/2.JPG": await encode(uniform(8, 8, 3, 100), "jpeg"),
      "b/10.webp": await png(2), // a PNG whatever its name says
      "b/deeper/1.png": await png(3),
      "b/notes.txt": "notes",
      "a/x.jpeg": await encode(uniform(8, 8, 3, 7), "jpeg"),
      "B/y.png": await png(4),
      ".git/z.png": await png(5),
      "a/.hidden.png": "text",
      "readme.md": "text",
    });
    symlinkSync(join(root, "a"), join(root, "c"));
    const dataset = await openDataset(root);
    expect(dataset.classNames).toEqual(["B", "a", "b", "c"]);
    expect(dataset.length).toBe(6);
    expect(dataset.channels).toBe(3);
    expect(Array.from({ length: 6 }, (_, i) => dataset.label(i))).toEqual([0, 1, 2, 2, 2, 3]);
    expect(dataset.skipped).toEqual([]);
    expect(dataset.ignored).toEqual([
      { kind: "hidden file", count: 2, example: "a/.hidden.png", convertible: false }, // a and its link c
      { kind: "hidden folder", count: 1, example: ".git", convertible: false },
      { kind: "text", count: 1, example: "b/notes.txt", convertible: false },
      { kind: "text in no class folder", count: 1, example: "readme.md", convertible: false },
    ]);
    expect(await dataset.read(0)).toEqual(wavesAndNoise(10, 8, 3, 4));
    expect(await dataset.read(2)).toEqual(wavesAndNoise(10, 8, 3, 2));
    expect(await dataset.read(4)).toEqual(wavesAndNoise(10, 8, 3, 3));
  });

  test("nothing in a folder is left unsaid: by kind and count, and told before training", async () => {
    const heic = Buffer.from("\0\0\0\x18ftypheic\0\0\0\0mif1heic".padEnd(64, "\0"), "latin1");
    const root = temporaryFolder({
      "a/1.png": await png(1),
      "a/2": await png(2), // no ending: by its bytes
      "a/3.bak": await png(3),
      "a/IMG_1.HEIC": heic,
      "a/IMG_2.jpg": heic, // as phones and messengers rename them
      "a/deeper/clip.mov": "\0\0\0\x14ftypqt  \0\0\0\0qt  ",
      "a/Thumbs.db": Uint8Array.of(0xd0, 0xcf, 0x11),
      "b/1.gif": await encode(uniform(8, 8, 3, 9), "gif"),
      "b/page.svg": "<svg xmlns='http://www.w3.org/2000/svg'/>",
      "loose.jpg": await encode(uniform(8, 8, 3, 9), "jpeg"),
    });
    symlinkSync(join(root, "b"), join(root, "a", "link"));
    symlinkSync(join(root, "nowhere"), join(root, "a", "gone.jpg"));
    const dataset = await openDataset(root);
    expect(dataset.length).toBe(3);
    expect(dataset.ignored!.map(({ kind, count, example }) => [kind, count, example])).toEqual([
      ["HEIC: this build of sharp has no HEVC decoder", 2, "a/IMG_1.HEIC"],
      ["JPEG in no class folder", 1, "loose.jpg"],
      ["PNG named .bak", 1, "a/3.bak"],
      ["QuickTime video", 1, "a/deeper/clip.mov"],
      ["SVG drawing", 1, "b/page.svg"],
      ["link to a folder", 1, "a/link"],
      ["link to nothing", 1, "a/gone.jpg"],
      ["unknown file", 1, "a/Thumbs.db"],
    ]);
    expect(dataset.select([0]).ignored).toBe(dataset.ignored);
    const line = /not looked at: 2 × HEIC: .* \(a\/IMG_1\.HEIC\), 1 × JPEG in no class folder \(loose\.jpg\)/;
    for (const { warnings } of [
      { warnings: await quickChecks({ train: dataset.select([0]), test: dataset.select([1]) }) },
      await describeDataset(dataset),
    ]) {
      const told = warnings.filter(({ problem }) => problem === "ignored");
      expect(told).toEqual([
        { problem: "ignored", message: expect.stringMatching(line), remedy: expect.stringMatching(/convert them/) },
      ]);
    }
    await expect(openDataset(root, "train", { strict: true })).rejects.toThrow(/IMG_1\.HEIC \(HEIC: this build/);
  });

  test("a split that nobody reads is named", async () => {
    const root = temporaryFolder({ "notes.txt": "x" });
    for (const name of ["train", "test", "val", "extra"]) symlinkSync(await pictureFolder(2), join(root, name));
    const { train, test: held } = await openTrainAndTest(root);
    expect(train.ignored!.map(({ kind, example }) => [kind, example])).toEqual([
      ["folder beside the splits", join(root, "extra")],
      ["text beside the splits", join(root, "notes.txt")],
    ]);
    expect(train.ignored![0]!.count).toBe(2);
    expect(held.ignored).toEqual([]);
  });

  test("a set of grey pictures is grey", async () => {
    const grey = await encode(uniform(8, 8, 1, 7), "png");
    expect((await openDataset(temporaryFolder({ "a/1.png": grey, "b/1.png": grey }))).channels).toBe(1);
    expect((await openDataset(temporaryFolder({ "a/1.png": grey, "b/1.png": await png(1) }))).channels).toBe(3);
  });

  test("opens again from its source, as a clone", async () => {
    const dataset = await openDataset(await pictureFolder(3));
    const again = await openDataset(structuredClone(dataset.source!));
    expect([again.name, again.length, again.classNames]).toEqual([dataset.name, 6, ["cat", "dog"]]);
    expect(await again.read(4)).toEqual(await dataset.read(4));
    const some = dataset.select([5, 1], "some");
    const someAgain = await openDataset(structuredClone(some.source!));
    expect([someAgain.name, someAgain.length, someAgain.label(0), someAgain.label(1)]).toEqual(["some", 2, 1, 0]);
    expect(await someAgain.read(0)).toEqual(await dataset.read(5));
  });

  test("a text file named .png is named and skipped, or an error in a strict set", async () => {
    const root = await pictureFolder(2, { "cat/text.png": "I am a text file" });
    const dataset = await openDataset(root);
    expect(dataset.length).toBe(4);
    expect(dataset.skipped).toEqual([{ file: join(root, "cat/text.png"), reason: "text, not a picture" }]);
    const strict = openDataset(root, "train", { strict: true });
    await expect(strict).rejects.toThrow(FormatError);
    await expect(strict).rejects.toThrow(/text\.png \(text, not a picture\): replace or remove the file/);
  });

  test.each<[string, Record<string, string | undefined>, RegExp]>([
    ["an empty folder", {}, /at least two class folders .* received no folders and no pictures/],
    ["pictures without class folders", { "a.jpg": "", "b.png": "" }, /received 2 pictures and no folders/],
    ["one class only", { "cat/a.jpg": "" }, /received one, "cat": give the folder above the classes/],
    ["an empty class", { cat: undefined, dog: undefined }, /pictures in .*cat.*, received none/],
    [
      "a class of other files",
      { "cat/a.bmp": "BM\0\0\0\0\0\0\0\0", "cat/b.bmp": "BM\0\0\0\0\0\0\0\0", dog: undefined },
      /received none \(but 2 × BMP\): convert them to JPEG or PNG, or remove the folder/,
    ],
    ["a class of broken files", { "cat/a.png": "text", dog: undefined }, /received only 1 broken ones/],
  ])("%s is an error", async (_title, files, message) => {
    const opened = openDataset(temporaryFolder(files));
    await expect(opened).rejects.toThrow(UserError);
    await expect(opened).rejects.toThrow(message);
  });

  test("a missing folder and a file are errors", async () => {
    await expect(openDataset("/nowhere/at/all")).rejects.toThrow(
      /a data set .* at \/nowhere\/at\/all, received no such file or folder/,
    );
    const root = temporaryFolder({ "x.txt": "text" });
    await expect(openDataset(join(root, "x.txt"))).rejects.toThrow(/expected a folder .* received a file/);
  });
});

describe("splits", () => {
  test("train/ and test/ or val/ are recognised", async () => {
    const root = temporaryFolder();
    const parts = { train: await pictureFolder(3), val: await pictureFolder(1) };
    for (const [name, folder] of Object.entries(parts)) symlinkSync(folder, join(root, name));
    const train = await openDataset(root, "train");
    const val = await openDataset(root, "val");
    expect([train.length, val.length, (await openDataset(root, "test")).length]).toEqual([6, 2, 2]);
    expect([train.name.endsWith("/train"), val.name.endsWith("/val")]).toEqual([true, true]);
    renameSync(join(root, "val"), join(root, "test"));
    expect((await openDataset(root, "val")).length).toBe(2);
    const both = await openTrainAndTest(root);
    expect([both.train.length, both.test.length]).toEqual([6, 2]);
  });

  test("a class may be called train", async () => {
    const root = temporaryFolder({ "train/1.png": await png(1), "test/1.png": await png(2) });
    expect((await openDataset(root)).classNames).toEqual(["test", "train"]);
  });

  test("without splits there is no test split, but a part can be held out", async () => {
    const root = await pictureFolder(10);
    await expect(openDataset(root, "test")).rejects.toThrow(/a test split .* received one without splits/);
    const { train, test: held } = await openTrainAndTest(root, { holdOut: 0.2, seed: 1 });
    expect([train.length, held.length]).toEqual([16, 4]);
    const labels = Array.from({ length: 4 }, (_, i) => held.label(i));
    expect(labels).toEqual([0, 0, 1, 1]);
  });

  test("splits of other classes are an error", async () => {
    const root = temporaryFolder();
    for (const [split, classes] of Object.entries({ train: ["a", "b"], test: ["a", "c"] })) {
      for (const name of classes) mkdirSync(join(root, split, name), { recursive: true });
    }
    for (const path of ["train/a", "train/b", "test/a", "test/c"]) {
      symlinkSync(join(temporaryFolder({ "1.png": await png(1) }), "1.png"), join(root, path, "1.png"));
    }
    await expect(openTrainAndTest(root)).rejects.toThrow(/received without "b" and with "c"/);
  });

  test("holdOut is by class, complete and seeded", () => {
    const dataset = memoryPictures(90);
    const { train, test: held } = holdOut(dataset, 0.1, 7);
    expect([train.length, held.length]).toEqual([81, 9]);
    expect(Array.from({ length: 9 }, (_, i) => held.label(i)).sort()).toEqual([0, 0, 0, 1, 1, 1, 2, 2, 2]);
    const all = [train, held].flatMap((part) =>
      Array.from({ length: part.length }, (_, i) => (part.read(i) as { data: Uint8Array }).data.join()),
    );
    expect(new Set(all).size).toBe(90);
    expect(holdOut(dataset, 0.1, 7).test.read(0)).toEqual(held.read(0));
    expect(() => holdOut(dataset, 1, 7)).toThrow(UserError);
    expect(() => holdOut(memoryPictures(4), 0.5, 7)).toThrow(/at least two pictures of class "b"/);
    expect(() =>
      checkSameClasses(dataset, { ...dataset, name: "other", classNames: ["b", "a", "c"] } as never),
    ).toThrow(/another order/);
  });
});
