import { execFileSync } from "node:child_process";
import { mkdirSync, symlinkSync, truncateSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { describe, expect, test } from "vitest";
import { trainAndTest } from "#repvgg/api/datasets.node.js";
import { evaluationSet } from "#repvgg/api/evaluation-set.node.js";
import { knownPictures, withTrainedPictures } from "#repvgg/api/trained-pictures.node.js";
import { trainingSets } from "#repvgg/api/training-sets.node.js";
import { FormatError, UserError } from "#repvgg/core/errors.js";
import type { Dataset } from "#repvgg/data/dataset.js";
import { openDataset, openTrainAndTest } from "#repvgg/data/open-dataset.node.js";
import { readCsv } from "#repvgg/labels/csv.js";
import { readLabelList } from "#repvgg/labels/label-list.js";
import { repvgg } from "#repvgg/nn/repvgg.js";
import { encode, pictureFolder, temporaryFolder, wavesAndNoise } from "./pictures.js";

const png = (seed: number) => encode(wavesAndNoise(10, 8, 3, seed), "png");

/** A folder with pictures p0.png, p1.png, … and a list of labels. */
async function listed(csv: string | Uint8Array, count = 4, more: Record<string, string | Uint8Array> = {}) {
  const files: Record<string, string | Uint8Array> = { "labels.csv": csv, ...more };
  for (let i = 0; i < count; i++) files[`p${i}.png`] = await png(i);
  const folder = temporaryFolder(files);
  return { folder, csv: join(folder, "labels.csv") };
}

const read = (text: string, options = {}) => readLabelList(text, "l.csv", options, (path) => path);

async function refusal(work: Promise<unknown>): Promise<UserError> {
  const error: unknown = await work.then(
    () => undefined,
    (thrown) => thrown,
  );
  expect(error).toBeInstanceOf(UserError);
  expect((error as Error).message).not.toContain("\n");
  return error as UserError;
}

describe("a list of labels", () => {
  test("is the same data set as the folder that it describes, picture for picture", async () => {
    const root = await pictureFolder(3);
    const folder = await openDataset(root);
    const rows = Array.from({ length: folder.length }, (_, i) => {
      const source = folder.source as { files: readonly string[] };
      return `${source.files[i]},${folder.classNames[folder.label(i)]}`;
    });
    writeFileSync(join(root, "labels.csv"), `path,class\n${rows.join("\n")}\n`);
    const list = await openDataset(join(root, "labels.csv"));
    expect(list.classNames).toEqual(folder.classNames);
    expect(list.channels).toBe(folder.channels);
    expect(list.length).toBe(folder.length);
    for (let i = 0; i < folder.length; i++) {
      expect(list.label(i)).toBe(folder.label(i));
      expect(await list.read(i)).toEqual(await folder.read(i));
    }
    expect(list.notes).toEqual(['labels.csv: path in column "path", class in "class"']);
    // Workers open it again from plain data.
    const again = await openDataset(structuredClone(list.source!));
    expect(await again.read(2)).toEqual(await folder.read(2));
  });

  test("quotes, separators in fields, CR LF, byte order marks, tabs, semicolons, UTF-16: the same rows", async () => {
    const expected = [
      { path: 'a, "b".png', label: "cat, wild", split: "train" },
      { path: "c;d\te.png", label: "dog", split: "val" },
      { path: "line\nbreak.png", label: "dog", split: "test" },
    ];
    const quoted = (field: string): string => `"${field.replaceAll('"', '""')}"`;
    for (const separator of [",", ";", "\t"]) {
      for (const end of ["\n", "\r\n", "\r"]) {
        for (const mark of ["", "\uFEFF"]) {
          const lines = expected.map((row) => [row.path, row.label, row.split].map(quoted).join(separator));
          const text = `${mark}${[["Image Path", "Labels", "data-set"].join(separator), "", ...lines].join(end)}${end}${end}`;
          const list = await read(text);
          expect(list.entries).toEqual(expected);
          expect(list.classNames).toEqual(["cat, wild", "dog"]);
        }
      }
    }
    const text = "path,label\np0.png,über\np1.png,a\n";
    const wide = Buffer.concat([Uint8Array.of(0xff, 0xfe), Buffer.from(text, "utf16le")]);
    const { csv } = await listed(wide);
    expect((await openDataset(csv)).classNames).toEqual(["a", "über"]);
  });

  test("columns go by their names, or by what is said; what is left open is refused", async () => {
    const bird = "class id,filepaths,labels,data set\n0,a.jpg,X,train\n1,b.jpg,Y,test\n";
    expect((await read(bird)).notes[0]).toBe(
      'l.csv: path in column "filepaths", class in "labels", split in "data set"',
    );
    expect((await read("Foto;Art\na.jpg;X\nb.jpg;Y\n", { pathColumn: "Foto", labelColumn: "Art" })).classNames).toEqual(
      ["X", "Y"],
    );
    for (const [text, message] of [
      ["a.jpg,cat\nb.jpg,dog\n", /a first line .* with a column for the pictures' paths .* add a line path,label$/],
      ["path,Art\na.jpg,x\n", /column for the labels .*: say which it is by --label-column, labelColumn$/],
      ["path,file,label\na.jpg,a.jpg,x\n", /received "path" and "file": say which by --path-column/],
      ["path,label,label\na,b,c\n", /received "label" and "label"/],
      ["path,label\n", /received only the names of columns$/],
      ["", /first line/],
    ] as const) {
      expect((await refusal(read(text))).message).toMatch(message);
    }
    expect((await refusal(read("path,Kind\na,b\n", { labelColumn: "kind" }))).remedy).toBe('did you mean "Kind"?');
    expect((await refusal(read("path,label\na,b\n", { labelColumn: "path" }))).message).toMatch(/of their own/);
  });

  test("rows that contradict each other are refused with their lines; the same said twice counts once", async () => {
    const conflict = await refusal(read('path,label\n"a\nb.jpg",x\nc.jpg,y\n\nc.jpg,z\n'));
    expect(conflict.message).toBe(
      'expected one label for c.jpg in l.csv, received "y" on line 4 and "z" on line 6: nets are trained on one class a picture: take one of the lines out',
    );
    const leak = await refusal(read("path,label,split\na,x,train\nb,y,train\na,x,test\n"));
    expect(leak.message).toMatch(/one split for a in l.csv, received "train" on line 2 and "test" on line 4/);
    const { csv } = await listed("path,label\np0.png,x\n./p0.png,x\nsub/../p0.png,x\np1.png,y\n", 2, {
      "sub/t.txt": "",
    });
    const set = await openDataset(csv);
    expect(set.length).toBe(2);
    expect(set.notes![1]).toBe("labels.csv: 2 lines say again what an earlier one says");
  });

  test("several labels a picture and measurements are refused by name, classes that look a little like them are not", async () => {
    const rows = (labels: readonly (string | number)[]): string =>
      `path,label\n${labels.map((label, i) => `${i}.jpg,"${label}"`).join("\n")}\n`;
    for (const labels of [
      ["a|b", "c"],
      ["a,b", "a", "b"],
      ["sky;sea", "sea;sand", "sky"],
      ["['a']", "b"],
    ]) {
      expect((await refusal(read(rows(labels)))).message).toMatch(/one class for each picture.*multi-label/);
    }
    expect((await read(rows(["panther, black", "cat; wild", "dog"]))).classNames).toHaveLength(3);
    const indicators = await refusal(read("image,dog,cat\na.jpg,1,0\nb.jpg,1,1\n"));
    expect(indicators.message).toMatch(/columns of 0 and 1: "dog", "cat" \(a multi-label set/);
    const decimals = Array.from({ length: 60 }, (_, i) => (i % 30) / 7);
    expect((await refusal(read(rows(decimals)))).message).toMatch(
      /30 different numbers .* for 60 pictures \(a regression\)/,
    );
    const prices = Array.from({ length: 60 }, (_, i) => 1000 + i);
    expect((await refusal(read(rows(prices)))).message).toMatch(/regression/);
    // A hundred numbered classes, and versions.
    expect((await read(rows(Array.from({ length: 300 }, (_, i) => i % 100)))).classNames).toHaveLength(100);
    expect((await read(rows(["1.5", "1.0", "2.0"]))).classNames).toEqual(["1.0", "1.5", "2.0"]);
  });

  test("its split column gives the sets that folders of these names give", async () => {
    const { csv } = await listed(
      "path,label,split\np0.png,x,Train\np1.png,y,training\np2.png,x,valid\np3.png,y,val\np4.png,x,test\np5.png,y,TEST\n",
      6,
    );
    const sets = await Promise.all((["train", "val", "test"] as const).map((split) => openDataset(csv, split)));
    expect(sets.map(({ name }) => name)).toEqual(["labels.csv/train", "labels.csv/val", "labels.csv/test"]);
    expect(sets.map(({ source }) => (source as { files: readonly string[] }).files)).toEqual([
      ["p0.png", "p1.png"],
      ["p2.png", "p3.png"],
      ["p4.png", "p5.png"],
    ]);
    const unknown = await refusal(read("path,label,split\na,x,train\nb,y,fold3\n"));
    expect(unknown.message).toMatch(/train, val or test in column "split" of l.csv, received "fold3" on line 3/);
    const without = await listed("path,label,split\np0.png,x,train\np1.png,y,train\np2.png,x,test\n");
    const lacking = await refusal(openTrainAndTest(without.csv));
    expect(lacking.message).toMatch(/pictures of every class in labels.csv\/test, received none of "y"/);
  });

  test.each([[["train", "val", "test"]], [["train", "val"]], [["train", "test"]], [["train"]]])(
    "with the splits %j trains, judges and tests on the pictures that folders of these names would give",
    async (names) => {
      const files: Record<string, Uint8Array> = {};
      const rows = ["file,category,subset"];
      for (let i = 0; i < 10 * names.length; i++) {
        const path = `${names[i % names.length]}/${i % 4 < 2 ? "a" : "b"}/${i}.png`;
        files[path] = await png(i);
        rows.push(`${path},${i % 4 < 2 ? "a" : "b"},${names[i % names.length]}`);
      }
      const root = temporaryFolder({ ...files, "list.csv": rows.join("\n") });
      const place = names.length > 1 ? root : join(root, "train");
      const contents = async (set: Dataset | undefined): Promise<unknown> =>
        set &&
        Promise.all(
          Array.from({ length: set.length }, async (_, i) => [set.label(i), (await set.read(i)).data.join()]),
        );
      const sorted = async (set: Dataset | undefined) =>
        (((await contents(set)) as unknown[]) ?? []).map(String).sort();
      const [folders, list] = await Promise.all([
        trainingSets(place, { seed: 2 }),
        trainingSets(join(root, "list.csv"), { seed: 2 }),
      ]);
      for (const part of ["train", "validation", "test"] as const) {
        expect(list[part]?.length).toBe(folders[part]?.length);
        // Where a part is drawn, the order of files has a say; a split is the same whatever the order.
        if (list.heldOut === undefined) expect(await sorted(list[part])).toEqual(await sorted(folders[part]));
      }
      expect(list.heldOut).toBe(folders.heldOut);
      expect(list.validationPart).toBe(folders.validationPart);
    },
  );

  test("missing and broken files are named and left out; strictly they are errors; none found is one", async () => {
    const { csv, folder } = await listed(
      "path,label\np0.png,x\np1.png,y\ngone.png,y\ntext.png,x\nsub,x\nloop.png,x\nfifo.png,y\n",
      2,
      { "text.png": "no picture", "sub/t": "" },
    );
    symlinkSync("loop.png", join(folder, "loop.png"));
    execFileSync("mkfifo", [join(folder, "fifo.png")]);
    const set = await openDataset(csv);
    expect(set.length).toBe(2);
    const reasons = set.skipped.map(({ file, reason }) => [basename(file), reason]);
    expect(reasons).toEqual([
      ["gone.png", "no such file"],
      ["text.png", "text, not a picture"],
      ["sub", "a folder"],
      ["loop.png", expect.stringMatching(/links/)],
      ["fifo.png", "no file"],
    ]);
    expect((await refusal(openDataset(csv, "train", { strict: true }))).message).toMatch(/gone\.png \(no such file\)/);
    const none = await listed("path,label\nimages/p0,x\nimages/p1,y\n");
    expect((await refusal(openDataset(none.csv))).message).toMatch(
      /none of 2 that can be read \(images\/p0: no such file\): paths are read from .*, with the names' endings/,
    );
  });

  test("files outside of its folder are read, and said; backslashes mean folders where they must", async () => {
    const { folder } = await listed("", 3);
    mkdirSync(join(folder, "lists"));
    const csv = join(folder, "lists", "l.csv");
    writeFileSync(csv, `path,label\n../p0.png,x\n${join(folder, "p1.png")},y\n..\\p2.png,y\n`);
    const set = await openDataset(csv);
    expect(set.length).toBe(3);
    expect(set.notes).toContain(`l.csv: 3 of the files lie outside of ${join(folder, "lists")}`);
    expect(await set.read(2)).toEqual(wavesAndNoise(10, 8, 3, 2));
    expect((await refusal(read("path,label\ngs://bucket/a.jpg,x\n"))).message).toMatch(/an address on line 2/);
  });

  test("a net tells which of a list's pictures it was trained on", async () => {
    const rows = Array.from({ length: 10 }, (_, i) => `p${i}.png,${"xy"[i % 2]}`).join("\n");
    const { csv } = await listed(`path,label\n${rows}\n`, 10);
    const sets = await trainAndTest(csv, { holdOut: 0.4, seed: 3, labelColumn: "label" });
    expect(sets.origin).toEqual({ place: csv, holdOut: 0.4, seed: 3, labelColumn: "label" });
    const model = repvgg("nano", { classNames: ["x", "y"] });
    const known = withTrainedPictures(
      { ...model, metadata: { ...model.metadata, provenance: { trainedOn: "labels.csv" } } },
      sets,
    );
    expect(knownPictures(known.metadata.provenance, await openDataset(csv))).toMatchObject({ part: 0.4, seed: 3 });
    const scored = await evaluationSet(known.metadata.provenance, csv);
    expect(scored.dataset.source).toEqual(sets.test.source && { ...sets.test.source, name: scored.dataset.name });
    // With splits of its own nothing was held out.
    const split = await listed(
      `path,label,split\n${rows.replace(/[xy]$/gm, (l) => `${l},train`)}\np0b.png,x,test\np1b.png,y,test\n`,
      10,
      {
        "p0b.png": await png(50),
        "p1b.png": await png(51),
      },
    );
    const own = withTrainedPictures(model, await trainAndTest(split.csv));
    expect(own.metadata.provenance["heldOut"]).toBeUndefined();
  });
});

describe("hostile lists", () => {
  test.each([
    ["an unclosed quote", 'path,label\n"a.jpg,x\nb.jpg,y\n', /line 2: a quote that is never closed/],
    ["letters behind a quote", 'path,label\n"a".jpg,x\n', /line 2: letters behind a closed quote/],
    ["a row too long", "path,label\na.jpg,x,y\n", /line 2: 3 fields, where the first line has 2/],
    ["a row too short", "path,label\na.jpg,x\nb.jpg\n", /line 3: 1 field, where the first line has 2/],
    ["an endless field", `path,label\n${"a".repeat(9000)},x\n`, /line 2: a field of 9,000 letters/],
    ["an endless label", `path,label\na,"${"x\n".repeat(9000)}"\n`, /line 2: a field of 18,000 letters/],
  ])("%s", async (_, text, message) => {
    const error = await refusal(readCsv(text, "l.csv", ","));
    expect(error).toBeInstanceOf(FormatError);
    expect(error.message).toMatch(message);
  });

  test("files that are no tables are told by what they are, without being read whole", async () => {
    const bad = async (bytes: Uint8Array | string): Promise<string> => {
      const { csv } = await listed(bytes, 0);
      return (await refusal(openDataset(csv))).message;
    };
    expect(await bad(await png(1))).toMatch(/received PNG: save the table as CSV in UTF-8/);
    expect(await bad("PK\x03\x04\xff\xfe")).toMatch(/received /);
    expect(await bad(Uint8Array.of(112, 44, 108, 10, 0xe4, 44, 120))).toMatch(/another encoding than UTF-8/);
    expect(await bad("path,label\0\na,b\n")).toMatch(/bytes that are no text/);
    expect(await bad("")).toMatch(/an empty file/);
    const { csv, folder } = await listed("", 0);
    truncateSync(csv, 2 ** 30);
    expect((await refusal(openDataset(csv))).message).toMatch(/at most 256 MiB, received .*labels.csv, 1024 MiB/);
    expect((await refusal(openDataset(join(folder, "none.csv")))).message).toMatch(/a list of labels \(CSV\)/);
    symlinkSync("loop.csv", join(folder, "loop.csv"));
    expect((await refusal(openDataset(join(folder, "loop.csv")))).message).toMatch(/links/);
    expect((await refusal(openDataset(join(folder, "labels.txt")))).message).toMatch(/a data set/);
    // A folder may be called so.
    const set = await openDataset(await pictureFolder(1, {}));
    expect(set.length).toBe(2);
  });

  test("of a quarter of a million rows cost seconds of a processor, not minutes", async () => {
    const count = 250_000;
    const rows = Array.from({ length: count }, (_, i) => `folder/${i % 1000}/picture-${i}.jpg,class ${i % 37}`);
    const text = `path,label\n${rows.join("\n")}\n`;
    const begun = process.cpuUsage();
    const list = await read(text);
    const { user, system } = process.cpuUsage(begun);
    expect(list.entries).toHaveLength(count);
    const last = { path: `folder/999/picture-${count - 1}.jpg`, label: `class ${(count - 1) % 37}`, split: undefined };
    expect(list.entries.at(-1)).toEqual(last);
    expect(list.classNames).toHaveLength(37);
    expect((user + system) / 1e6).toBeLessThan(10);
  });
});
