import { spawn } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { UserError } from "#repvgg/core/errors.js";
import type { Dataset, FolderSource, Image } from "#repvgg/data/dataset.js";
import { openDataset } from "#repvgg/data/open-dataset.node.js";
import { resize } from "#repvgg/data/resize.js";
import { assignParts } from "#repvgg/splitting/assign.js";
import { parseParts } from "#repvgg/splitting/parts.js";
import { splitData } from "#repvgg/splitting/split-data.node.js";
import { cutJpeg, encode, pictureFolder, temporaryFolder, wavesAndNoise } from "../data/pictures.js";

async function refusal(work: Promise<unknown>): Promise<string> {
  const error: unknown = await work.then(
    () => undefined,
    (thrown) => thrown,
  );
  expect(error).toBeInstanceOf(UserError);
  expect((error as Error).message).not.toContain("\n");
  return (error as Error).message;
}

const filesOf = (set: Dataset): readonly string[] => (set.source as FolderSource).files;

/** All files below a folder, with their contents. */
function contentsOf(folder: string): Map<string, string> {
  const files = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  const paths = files.map(({ parentPath, name }) => join(parentPath, name)).sort();
  return new Map(paths.map((path) => [path.slice(folder.length + 1), readFileSync(path).toString("base64")]));
}

const brighter = (image: Image): Image => ({ ...image, data: image.data.map((x) => Math.min(250, x * 0.9 + 12)) });

describe("parts", () => {
  test("are read from shares that make a whole, and nothing else", () => {
    expect(parseParts("80/10/10").map(({ name }) => name)).toEqual(["train", "val", "test"]);
    expect(parseParts("80/20")).toEqual([
      { name: "train", share: 0.8 },
      { name: "test", share: 0.2 },
    ]);
    expect(parseParts("0.7:0.3")[1]).toEqual({ name: "test", share: 0.3 });
    for (const text of ["", "100", "80/10", "80/10/10/0", "90/10/0", "110/-10", "80/20x", "1e400/1", "nan/1"]) {
      expect(() => parseParts(text)).toThrow(UserError);
    }
    expect(() => parseParts("70/20")).toThrow(/these make 90$/);
  });

  test("divide each class by the shares to within one picture, whatever the seed", () => {
    const parts = parseParts("80/10/10");
    const labels = [...new Array(100).fill(0), ...new Array(37).fill(1), ...new Array(3).fill(2)];
    for (const seed of [0, 1, 2]) {
      const assigned = assignParts(labels, ["a", "b", "c"], [], parts, seed);
      const counts = [0, 1, 2].map((c) =>
        [0, 1, 2].map((p) => labels.filter((l, i) => l === c && assigned[i] === p).length),
      );
      expect(counts).toEqual([
        [80, 10, 10],
        [29, 4, 4],
        [1, 1, 1],
      ]);
    }
    const [one, two] = [0, 1].map((seed) => assignParts(labels, ["a", "b", "c"], [], parts, seed).join());
    expect(one).not.toBe(two);
    // Not the first 80 of them.
    expect(new Set(one!.split(",").slice(0, 80)).size).toBeGreaterThan(1);
  });

  test("keep groups together and leave no class without pictures, or refuse", () => {
    const sizes = fc.array(fc.tuple(fc.integer({ min: 1, max: 9 }), fc.integer({ min: 0, max: 2 })), {
      minLength: 9,
      maxLength: 40,
    });
    let done = 0;
    fc.assert(
      fc.property(sizes, fc.constantFrom("80/10/10", "50/50", "60/20/20"), fc.nat(1000), (units, text, seed) => {
        const labels: number[] = [];
        const groups = units.map(([size, label]) => Array.from({ length: size }, () => labels.push(label) - 1));
        const parts = parseParts(text);
        const byClass = [0, 1, 2].map((c) => units.filter(([, label]) => label === c).length);
        const run = () =>
          assignParts(
            labels,
            ["a", "b", "c"],
            groups.filter((g) => g.length > 1),
            parts,
            seed,
          );
        if (byClass.some((count) => count < parts.length)) {
          expect(run).toThrow(UserError);
          return;
        }
        const assigned = run();
        done++;
        for (const group of groups) expect(new Set(group.map((i) => assigned[i])).size).toBe(1);
        for (const label of [0, 1, 2]) {
          expect(new Set(labels.flatMap((own, i) => (own === label ? [assigned[i]] : []))).size).toBe(parts.length);
        }
      }),
      { numRuns: 300, seed: 1 },
    );
    expect(done).toBeGreaterThan(50);
    // A group of two classes counts for both.
    expect(() =>
      assignParts(
        [0, 0, 1, 1],
        ["a", "b"],
        [
          [0, 2],
          [1, 3],
        ],
        parseParts("50/50"),
        0,
      ),
    ).not.toThrow();
    expect(() => assignParts([0, 0, 1, 1], ["a", "b"], [[0, 1, 2]], parseParts("50/50"), 0)).toThrow(
      /none of "a" for test, because pictures that look the same stay together/,
    );
    expect(() => assignParts([0, 0, 1, 1], ["a", "b"], [], parseParts("80/10/10"), 0)).toThrow(
      /at least 3 pictures of every class, one for each of train, val and test, received 2 of "a"/,
    );
  });
});

describe("splitData", () => {
  test("copies every picture once, lookalikes and equal ones to one side, broken ones to none", async () => {
    const photo = wavesAndNoise(64, 48, 3, 77);
    const smooth: Image = {
      ...photo,
      data: photo.data.map((_, i) => 128 + 100 * Math.sin(i / 700) * Math.cos((i % 192) / 40)),
    };
    const root = await pictureFolder(20, {
      "cat/series-1.png": await encode(smooth, "png"),
      "cat/series-2.png": await encode(brighter(smooth), "png"),
      "cat/deep/series-3.png": await encode(resize(smooth, 96, 128), "png"),
      "dog/equal-to-cat.png": await encode(smooth, "png"),
      "dog/broken.jpg": await cutJpeg(),
      "dog/not.jpg": "text",
    });
    const out = join(temporaryFolder(), "new", "parts");
    const result = await splitData(root, { parts: "60/20/20", out, seed: 5 });
    expect(result.alike).toMatchObject({ groups: 1, pictures: 4, equal: 1 });
    expect(result.skipped.map(({ file }) => file.slice(root.length + 1))).toEqual(["dog/broken.jpg", "dog/not.jpg"]);
    expect(result.parts.map(({ pictures }) => pictures).reduce((a, b) => a + b)).toBe(44);
    expect(readdirSync(out).sort()).toEqual(["test", "train", "val"]);

    const before = contentsOf(root);
    const after = contentsOf(out);
    expect(after.size).toBe(44);
    const where = new Map(
      [...after].map(([path, bytes]) => [path.slice(path.indexOf("/") + 1), [path.split("/")[0], bytes]]),
    );
    for (const [file, [, bytes]] of where) expect(before.get(file)).toBe(bytes);
    const series = ["cat/series-1.png", "cat/series-2.png", "cat/deep/series-3.png", "dog/equal-to-cat.png"];
    expect(new Set(series.map((file) => where.get(file)![0])).size).toBe(1);
    // What it says is what a reader finds.
    for (const { name, byClass } of result.parts) {
      const set = await openDataset(out, name);
      expect(set.classNames.map((_, c) => filesOf(set).filter((_, i) => set.label(i) === c).length)).toEqual(byClass);
    }
    // Nothing is left beside it, and it is not overwritten.
    expect(readdirSync(join(out, ".."))).toEqual(["parts"]);
    expect(await refusal(splitData(root, { parts: "80/20", out }))).toMatch(/a folder that is new or empty/);
    expect(await refusal(splitData(root, { parts: "80/20", out: join(root, "parts") }))).toMatch(
      /outside of the pictures/,
    );
    expect(await refusal(splitData(root, { parts: "80/20", out: join(out, "x"), strict: true }))).toMatch(/not\.jpg/);
    expect(existsSync(join(out, "x"))).toBe(false);
  });

  test("lists what it would copy: the same parts, a file that reads back as the same sets", async () => {
    const root = await pictureFolder(10, { 'cat/with, "quotes".png': await encode(wavesAndNoise(9, 9, 3, 99), "png") });
    const folder = temporaryFolder();
    const [out, manifest] = [join(folder, "parts"), join(folder, "lists", "parts.csv")];
    mkdirSync(join(folder, "lists"));
    const copied = await splitData(root, { parts: "70/15/15", out, seed: 9 });
    const listed = await splitData(root, { parts: "70/15/15", manifest, seed: 9 });
    expect(listed.parts).toEqual(copied.parts);
    for (const name of ["train", "val", "test"] as const) {
      const [a, b] = [await openDataset(out, name), await openDataset(manifest, name)];
      expect(b.classNames).toEqual(a.classNames);
      const short = (set: Dataset): string[] =>
        filesOf(set)
          .map((file) => file.split("/").slice(-2).join("/"))
          .sort();
      expect(short(b)).toEqual(short(a));
    }
    const text = readFileSync(manifest, "utf8");
    expect(text.split("\n")[0]).toBe("path,class,split");
    const again = join(folder, "lists", "again.csv");
    await splitData(root, { parts: "70/15/15", manifest: again, seed: 9 });
    expect(readFileSync(again, "utf8")).toBe(text);
    await splitData(root, { parts: "70/15/15", manifest: join(folder, "lists", "other.csv"), seed: 10 });
    expect(readFileSync(join(folder, "lists", "other.csv"), "utf8")).not.toBe(text);

    expect(await refusal(splitData(root, { parts: "80/20", manifest }))).toMatch(/not there yet/);
    expect(await refusal(splitData(root, { parts: "80/20", manifest: join(folder, "a.txt") }))).toMatch(/named \.csv/);
    expect(await refusal(splitData(root, { parts: "80/20", manifest: join(folder, "no", "a.csv") }))).toMatch(
      /no such file/,
    );
    expect(await refusal(splitData(root, { parts: "80/20" }))).toMatch(/received neither/);
    expect(await refusal(splitData(manifest, { parts: "80/20", out: join(folder, "y") }))).toMatch(
      /which has splits: take/,
    );
    expect(await refusal(splitData(out, { parts: "80/20", out: join(folder, "y") }))).toMatch(
      /to divide one of them, name it/,
    );
    expect(await refusal(splitData("fashion-mnist", { parts: "80/20", out: join(folder, "y") }))).toMatch(
      /pictures in files/,
    );
  });

  test("copies listed pictures of one name from several folders; classes that no folder or list can hold are refused", async () => {
    const files: Record<string, Uint8Array> = {};
    for (let i = 0; i < 8; i++) files[`${i}/x.png`] = await encode(wavesAndNoise(9, 9, 3, i), "png");
    const root = temporaryFolder(files);
    const list = (classes: readonly string[]): string => {
      const rows = classes.map((name, i) => `${i}/x.png,"${name}"`);
      writeFileSync(join(root, "l.csv"), `path,class\n${rows.join("\n")}\n`);
      return join(root, "l.csv");
    };
    const halves = (a: string, b: string): string[] => [a, a, a, a, b, b, b, b];
    const out = join(root, "out");
    await splitData(list(halves("a", "b")), { parts: "50/50", out });
    expect([...contentsOf(out).keys()]).toEqual([
      ...["test/a/x-2.png", "test/a/x.png", "test/b/x-2.png", "test/b/x.png"],
      ...["train/a/x-2.png", "train/a/x.png", "train/b/x-2.png", "train/b/x.png"],
    ]);
    expect(new Set(contentsOf(out).values()).size).toBe(8);
    for (const name of ["../up", "a/b", ".hidden"]) {
      expect(await refusal(splitData(list(halves(name, "b")), { parts: "50/50", out: join(root, "o2") }))).toMatch(
        /names that visible folders can have/,
      );
    }
    const odd: Record<string, Uint8Array> = {};
    for (let i = 0; i < 4; i++) odd[`${i % 2 ? "a|b" : "c"}/${i}.png`] = await encode(wavesAndNoise(9, 9, 3, i), "png");
    const folder = temporaryFolder(odd);
    expect(await refusal(splitData(folder, { parts: "50/50", manifest: join(root, "m.csv") }))).toMatch(
      /classes and paths that a list of labels can hold/,
    );
    expect(existsSync(join(root, "m.csv"))).toBe(false);
    await splitData(folder, { parts: "50/50", out: join(root, "o3") });
    expect((await openDataset(join(root, "o3"))).classNames).toEqual(["a|b", "c"]);
  });

  test("a run that is stopped or killed leaves no folder, and the next one removes what it left", async () => {
    const root = await pictureFolder(150);
    const place = temporaryFolder();
    const out = join(place, "parts");
    const stop = new AbortController();
    const stopped = splitData(root, {
      parts: "80/20",
      out,
      signal: stop.signal,
      onCopy: (done) => done === 20 && stop.abort(),
    });
    await expect(stopped).rejects.toThrow("aborted");
    expect(readdirSync(place)).toEqual([]);

    const library = new URL("../../dist/splitting/split-data.node.js", import.meta.url).href;
    const script = `const { splitData } = await import(${JSON.stringify(library)});
      await splitData(${JSON.stringify(root)}, { parts: "80/20", out: ${JSON.stringify(out)},
        onCopy: (done) => { if (done === 20) process.kill(process.pid, "SIGKILL"); } });`;
    const child = spawn(process.execPath, ["--input-type=module", "-e", script], {
      stdio: "inherit",
      cwd: fileURLToPath(new URL("../../", import.meta.url)),
    });
    const [code, signal] = await new Promise<[number | null, string | null]>((done) =>
      child.once("exit", (...end) => done(end)),
    );
    expect([code, signal]).toEqual([null, "SIGKILL"]);
    expect(existsSync(out)).toBe(false);
    expect(readdirSync(place)).toHaveLength(1); // what the process had begun, hidden
    // Another host's is left alone, and so is one of a process that runs.
    mkdirSync(join(place, `.parts.elsewhere.${child.pid}.partial`));
    mkdirSync(join(place, `.parts.${hostname().replace(/[^\w-]/g, "_")}.${process.ppid}.partial`));
    await splitData(root, { parts: "80/20", out });
    expect(contentsOf(out).size).toBe(300);
    expect(readdirSync(place)).toHaveLength(3);
  });
});
