import { spawn } from "node:child_process";
import { cpSync, mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { rowFormat } from "../../dist/cli/prediction-rows.js";
import { columnWidths, lineLength, records, wrapped } from "../../dist/terminal/table-widths.js";
import { fileOf, freshModelFile, main, oneLine, repvgg, testFolder } from "./support.js";

const boot = fileURLToPath(new URL("../../assets/fashion-mnist/ankle-boot.png", import.meta.url));

describe("predict", () => {
  it("answers folders, patterns and broken files row by row, in every format, with exit code 1", async () => {
    const folder = testFolder();
    const model = await freshModelFile(folder);
    const photos = join(folder, "photos");
    mkdirSync(photos);
    for (const name of ["10.png", "2.png"]) cpSync(boot, join(photos, name));
    fileOf(photos, "bad.jpg", "no picture");
    fileOf(photos, "notes.txt", "text");
    const at = { cwd: folder };
    const [json, jsonl, csv, table, quoted] = await Promise.all([
      repvgg(["predict", model, "photos", "--json"], at),
      repvgg(["predict", model, "photos", "gone.png", "--format", "jsonl", "--threshold", "0.999"], at),
      repvgg(["predict", model, "photos", "--format", "csv", "--top", "9"], at),
      repvgg(["predict", model, "photos", "--top", "1"], at),
      repvgg(["predict", model, "photos/**/[0-9]*.{png,jpg}", "--format", "csv", "--top", "1"], at),
    ]);

    expect([json.code, json.stderr]).toEqual([1, ""]);
    const whole = JSON.parse(json.stdout);
    const names = ["photos/2.png", "photos/10.png", "photos/bad.jpg"];
    expect(whole).toMatchObject({
      failed: 1,
      ignored: [{ kind: "text", count: 1, example: "photos/notes.txt" }],
      pictures: names.map((file) => ({ file })),
    });
    const broken = {
      expected: expect.any(String),
      received: "text, not a picture",
      remedy: "replace or remove the file",
    };
    expect(whole.pictures[2].error).toEqual(broken);
    expect(whole.pictures[0].predictions).toEqual(whole.pictures[1].predictions);
    expect(whole.pictures[0].predictions).toHaveLength(2);
    const [first] = whole.pictures[0].predictions;
    expect(whole.pictures[0].answer).toBe(first.name);

    expect(jsonl.code).toBe(1);
    const rows = jsonl.stdout
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line));
    expect(rows.map(({ file, answer }) => [file, answer])).toEqual([
      ["photos/2.png", null],
      ["photos/10.png", null],
      ["photos/bad.jpg", undefined],
      ["gone.png", undefined],
    ]);
    expect(rows[0].predictions).toEqual(whole.pictures[0].predictions);
    expect(rows[3].error.received).toBe("no such file or folder");
    expect(jsonl.stderr).toMatch(
      /^not looked at: 1 × text \(photos\/notes\.txt\)\nrepvgg: 2 of 4 pictures could not be read\n$/,
    );

    const [head, ...lines] = csv.stdout.trimEnd().split("\n");
    expect(head).toBe("file,answer,class1,probability1,class2,probability2,error");
    expect(lines[0]).toMatch(new RegExp(`^photos/2\\.png,${first.name},${first.name},${first.probability},`));
    expect(lines[2]).toBe('photos/bad.jpg,,,,,,"text, not a picture; replace or remove the file"');

    expect(table.code).toBe(1);
    expect(table.stdout).toMatch(/^photos\/2\.png\n {2}█+·+ +\d+\.\d\d % {2}(cat|dog)\n\nphotos\/10\.png\n/);
    expect(table.stdout).toContain("photos/bad.jpg\n  not read: text, not a picture; replace or remove the file\n");
    expect([quoted.code, quoted.stdout.split("\n").length]).toEqual([0, 4]);
  });

  it("reads standard input, and says what is wrong with the one picture that was asked for", async () => {
    const folder = testFolder();
    const model = await freshModelFile(folder);
    const piped = await new Promise<string>((resolve, reject) => {
      const child = spawn(process.execPath, [main, "predict", model, "-", "--format", "jsonl"]);
      let text = "";
      child.stdout.on("data", (data: Buffer) => {
        text += data.toString();
      });
      child.on("error", reject);
      child.on("close", () => resolve(text));
      child.stdin.end(readFileSync(boot));
    });
    const direct = await repvgg(["predict", model, boot, "--format", "jsonl"]);
    expect(JSON.parse(piped)).toEqual({ ...JSON.parse(direct.stdout), file: "-" });
    expect(await repvgg(["predict", model, folder])).toEqual(
      oneLine(`expected pictures in ${folder}/, received none (but 1 × unknown file): check the folder`),
    );
    expect(await repvgg(["predict", model, "no*.png"], { cwd: folder })).toEqual(
      oneLine("expected files like no*.png, received none: check the pattern and the folder"),
    );
    expect(await repvgg(["predict", model])).toEqual(
      oneLine("expected <pictures>, received nothing: see repvgg predict --help"),
    );
    expect((await repvgg(["predict", model, boot, "--json", "--format", "csv"])).stderr).toContain("only one of");
  });

  it("errors are JSON under --json, on standard error, with the same exit codes", async () => {
    const ended = await repvgg(["predict", "no.safetensors", boot, "--json"]);
    expect([ended.code, ended.stdout]).toEqual([1, ""]);
    expect(JSON.parse(ended.stderr)).toEqual({
      error: {
        kind: "UserError",
        expected: "to read no.safetensors",
        received: "no such file or folder",
        remedy: expect.any(String),
        message: expect.stringMatching(/^expected to read no\.safetensors, received no such file or folder: /),
      },
    });
    const usage = await repvgg(["predict", "--json", "--topp", "3"]);
    expect(JSON.parse(usage.stderr).error).toMatchObject({ received: "--topp", remedy: "did you mean --top?" });
  });
});

describe("rows", () => {
  const prediction = (name: string, probability: number) => ({ classIndex: 0, name, probability, logit: 0 });

  it("of a table fit the terminal, however long the names", () => {
    for (const columns of [40, 60, 80, Number.POSITIVE_INFINITY]) {
      const format = rowFormat("table", { top: 5, columns });
      for (const name of ["cat", "soft-coated wheaten terrier", "x".repeat(200)]) {
        const lines = format.row({ file: "a.jpg", answer: name, predictions: [prediction(name, 1)] }, 0).split("\n");
        for (const line of lines) expect(line.length, `${columns} ${name}`).toBeLessThanOrEqual(columns);
        expect(lines[1]).toMatch(/█{8,30} 100\.00 % {2}\S/);
        if (columns > 240) expect(lines[1]).toContain(name);
      }
    }
  });

  it("of CSV quote what needs it", () => {
    const { head, row } = rowFormat("csv", { top: 1, columns: 80 });
    expect(head).toBe("file,answer,class1,probability1,error\n");
    const file = 'a "b",c\n.jpg';
    expect(row({ file, answer: null, predictions: [prediction("x,y", 0.5)] }, 0)).toBe(
      '"a ""b"",c\n.jpg",,"x,y",0.5,\n',
    );
  });

  it("say that a picture is the first of several", () => {
    const { row } = rowFormat("table", { top: 1, columns: 80 });
    const text = row({ file: "a.gif", answer: null, predictions: [prediction("x", 0.5)], frames: 12 }, 1);
    expect(text).toMatch(/^\na\.gif \(the first of 12 frames\)\n {2}none of these\n/);
  });

  it("of other tables break where words do, and lose nothing", () => {
    expect(wrapped("fashion-mnist-subset/train", 14)).toEqual(["fashion-mnist-", "subset/train"]);
    expect(wrapped("most often taken for", 11)).toEqual(["most often", "taken for"]);
    expect(wrapped("x".repeat(20), 8)).toEqual(["x".repeat(8), "x".repeat(8), "xxxx"]);
    expect(wrapped("short", 8)).toEqual(["short"]);
    expect(wrapped("", 8)).toEqual([""]);
    for (const text of ["a b c d e f g h i", "/a/b/c/d/e/f/g", "soft-coated wheaten terrier", " x".repeat(30)]) {
      for (const width of [8, 9, 10, 17]) {
        const lines = wrapped(text, width);
        for (const line of lines) expect(line.length).toBeLessThanOrEqual(width);
        expect(lines.join("").replaceAll(" ", "")).toBe(text.replaceAll(" ", ""));
      }
    }
  });

  it("of tables that fit in no way are lists, which lose nothing", () => {
    const head = ["net", "threads", "a long name of a column", "peak MiB"];
    const rows = [
      ["nano", "1", "repvgg:native (native x86-64-v4)", "71"],
      ["", "2", "", "x".repeat(50)],
    ];
    const text = records(head, rows, 30, (title) => `*${title}*`);
    expect(text.split("\n").slice(0, 6)).toEqual([
      "*nano*",
      "  threads          1",
      "  a long name of   repvgg:nati",
      "  a column         ve (native",
      "                   x86-64-v4)",
      "  peak MiB         71",
    ]);
    for (const line of text.split("\n")) expect(line.length).toBeLessThanOrEqual(30);
    expect(text.replace(/[^x]/g, "")).toHaveLength(51);
    expect(text.split("\n\n")).toHaveLength(2);
    expect(lineLength([5, 10], 3)).toBe(22);
  });

  it("of other tables are narrowed where they must be, the widest first", () => {
    expect(columnWidths([5, 10], 80, 3)).toEqual([5, 10]);
    expect(columnWidths([30, 10, 60], 60, 3)).toEqual([20, 10, 20]);
    expect(columnWidths([90, 90], 10, 3)).toEqual([8, 8]);
    expect(columnWidths([3], Number.POSITIVE_INFINITY, 3)).toEqual([3]);
    for (const columns of [40, 60, 79]) {
      const widths = columnWidths([12, 35, 70, 4], columns, 3);
      if (columns >= 45) expect(widths.reduce((sum, width) => sum + width + 3, 1)).toBeLessThanOrEqual(columns);
    }
  });
});
