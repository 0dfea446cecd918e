import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import sharp from "sharp";
import { beforeAll, describe, expect, it } from "vitest";
import { readSafetensorsFile } from "#repvgg/formats/safetensors/file.node.js";
import { type Evaluation, loadModel, type Verification } from "#repvgg/index.js";
import { htmlErrors } from "../report/html.js";
import { fashionPictures, fileFolder, oneLine, repvgg, repvggJson } from "./support.js";

/** Train, fold, verify, evaluate, predict and look, each command in its own process, on real pictures. */
describe("the whole job on the command line", () => {
  const folder = fileFolder();
  const out = join(folder, "run");
  const model = join(out, "model.safetensors");
  const plain = join(folder, "plain.safetensors");
  let pictures: string;
  let trained: { last: Record<string, number>; test: Record<string, number>; interrupted: boolean };

  beforeAll(async () => {
    pictures = await fashionPictures(folder);
    const args = ["--epochs", "3", "--batch-size", "16", "--learning-rate", "0.03", "--out", out];
    trained = await repvggJson(["train", pictures, ...args]);
    await repvggJson(["fold", model, "-o", plain]);
  });

  it("train learns, and leaves everything in the run's folder", async () => {
    expect(trained).toMatchObject({
      interrupted: false,
      last: { epoch: 3 },
      chosen: { epoch: 3 },
      skipped: [],
      recalibration: null,
    });
    expect(trained.test["top1"]).toBeGreaterThan(0.4); // by chance: 0.1
    const config = JSON.parse(readFileSync(join(out, "config.json"), "utf8"));
    expect(config).toMatchObject({ data: { place: pictures }, config: { epochs: 3, learningRate: 0.03, seed: 0 } });
    const records = readFileSync(join(out, "metrics.jsonl"), "utf8")
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line));
    expect(records.filter((record) => record.kind === "epoch").at(-1)).toMatchObject(trained.last);
    expect(trained).toMatchObject({ report: join(out, "report.html") });
    const curves = await sharp(join(out, "curves.png")).metadata();
    expect([curves.format, curves.width! > 1000]).toEqual(["png", true]);
  });

  it("resume of a run that is done changes nothing", async () => {
    const before = readFileSync(model);
    const again = await repvggJson(["train", "--resume", out]);
    expect(again).toEqual({ ...trained, out });
    expect(readFileSync(model).equals(before)).toBe(true);
  });

  it("fold says what became of the net", async () => {
    const file = join(folder, "plain-again.safetensors");
    const folded = await repvggJson(["fold", model, "-o", file]);
    expect(folded).toMatchObject({
      output: file,
      nodes: { before: 51, after: 17 },
      parameters: { before: 185_274, after: 165_626 },
      recalibratedOn: null,
      verification: { agree: true, top1Disagreements: 0 },
    });
    expect(readFileSync(file).equals(readFileSync(plain))).toBe(true);
  });

  it("verify finds no difference on real pictures", async () => {
    const result = await repvggJson<Verification>(["verify", model, plain, "--data", pictures]);
    expect(result).toMatchObject({ samples: 100, top1Disagreements: 0, agree: true, firstParted: null });
    expect(result.outputs.maxAbsolute).toBeLessThan(1e-4);
    expect(result.values.map((value) => value.name)).toContain("stage3.1.rbr_reparam");
  });

  it("eval gives both forms the same accuracy, that of training", async () => {
    const [a, b] = await Promise.all([model, plain].map((file) => repvggJson<Evaluation>(["eval", file, pictures])));
    expect(a).toMatchObject({ images: 100, ...trained.test });
    const { loss, warnings: _, mistakes, ...exact } = a!;
    expect(mistakes.length).toBe(Math.min(24, Math.round(a!.images * (1 - a!.top1))));
    expect(b).toMatchObject(exact);
    expect(b!.loss).toBeCloseTo(loss, 5);
    const hits = a!.confusion.reduce((sum, row, c) => sum + row[c]!, 0);
    expect(hits / a!.images).toBeCloseTo(a!.top1, 12);
    expect(a!.confusion.flat().reduce((x, y) => x + y)).toBe(100);
  });

  it("a training of few steps recalibrates its statistics, and says what that did", async () => {
    const short = join(folder, "short");
    const args = ["train", pictures, "--epochs", "1", "--batch-size", "16", "--learning-rate", "0.03", "--out", short];
    type Short = { test: { top1: number }; recalibration: { images: number; before: number; after: number } };
    const result = await repvggJson<Short & { warnings: string[] }>([...args]);
    expect(result).toMatchObject({ warnings: [], recalibration: { images: 300 }, chosen: { validation: null } });
    expect(result.recalibration.after).toBeGreaterThan(result.recalibration.before);
    const evaluated = await repvggJson(["eval", join(short, "model.safetensors"), pictures]);
    expect(evaluated).toMatchObject({ top1: result.test.top1, warnings: [] });
    expect(existsSync(join(short, "best.safetensors"))).toBe(false);
    // A run that is done is gone on with to the same end.
    expect(await repvggJson(["train", "--resume", short])).toEqual(result);
    const checkpoint = await readSafetensorsFile(join(short, "last.safetensors"));
    expect(JSON.stringify(checkpoint.metadata)).not.toContain("recalibratedOn");
  });

  it("eval warns of pictures prepared otherwise", async () => {
    expect(trained).toMatchObject({ warnings: [] });
    expect(await repvggJson(["eval", plain, pictures])).toMatchObject({ warnings: [] });
    const asked = ["--size", "32", "--mean", "0.9", "--std", "0.1", "--crop-ratio", "0.9"];
    const other = await repvggJson(["eval", model, pictures, ...asked]);
    expect(other).toMatchObject({
      images: 100,
      warnings: [
        expect.stringMatching(/^size \[32, 32\] is asked for, the model file says \[28, 28\]/),
        expect.stringMatching(/^mean \[0\.9\] is asked for/),
        expect.stringMatching(/^std \[0\.1\] is asked for/),
        expect.stringMatching(/^cropRatio 0\.9 is asked for/),
        expect.stringMatching(/^the pictures have mean 0\.\d+ and deviation 0\.\d+, the model file says mean 0\.9/),
      ],
    });
    const wrong = await repvgg(["eval", model, pictures, "--mean", "0.5,0.5"]);
    expect(wrong).toMatchObject({ code: 1, stdout: "" });
    expect(wrong.stderr).toMatch(
      /^repvgg: expected preprocessing for 1 channels: .*, received \{"mean":\[0\.5,0\.5\]\}\n$/,
    );
  });

  it("eval --html writes a report", async () => {
    const html = join(folder, "eval.html");
    const result = await repvggJson<Evaluation>(["eval", plain, pictures, "--html", html]);
    expect(result).toMatchObject({ html });
    const page = readFileSync(html, "utf8");
    expect(htmlErrors(page)).toEqual([]);
    expect(page).toContain("plain.safetensors (plain form) on pictures/test");
    expect(page.match(/<img /g)).toHaveLength(result.mistakes.length);
    expect(await repvgg(["eval", plain, pictures, "--html", "page"])).toEqual(
      oneLine('expected --html to be a file name that ends in .html, received "page": see repvgg eval --help'),
    );
  });

  it("predict answers as eval counts", async () => {
    const files = ["Bag", "Trouser", "Sandal"].flatMap((name) =>
      [0, 1, 2].map((i) => join(pictures, "test", name, `${i}.png`)),
    );
    type Answer = { pictures: { file: string; predictions: { name: string; probability: number }[] }[] };
    const [a, b] = await Promise.all(
      [model, plain].map((file) => repvggJson<Answer>(["predict", file, ...files, "--top", "10"])),
    );
    expect(a!.pictures.map(({ file }) => file)).toEqual(files);
    a!.pictures.forEach(({ predictions }, i) => {
      expect(predictions.map(({ name }) => name)).toEqual(b!.pictures[i]!.predictions.map(({ name }) => name));
      expect(predictions.reduce((sum, { probability }) => sum + probability, 0)).toBeCloseTo(1, 6);
    });
    const right = a!.pictures.filter(({ file, predictions }) => file.includes(`/${predictions[0]!.name}/`)).length;
    expect(right).toBeGreaterThan(4);
  });

  it("info describes the file, and the zoo", async () => {
    const info = await repvggJson(["info", plain]);
    const { architecture, metadata } = await loadModel(plain);
    expect(info).toMatchObject({ form: "plain", architecture, parameters: 165_626, classNames: metadata.classNames });
    expect(info["provenance"]).toMatchObject({ trainedOn: "pictures/train, 300 pictures, 3 epochs" });
    const { models } = await repvggJson<{ models: { name: string }[] }>(["info"]);
    expect(models).toHaveLength(17);
    expect((await repvggJson(["info", "A0"]))["parameters"]).toEqual({ train: 9_108_968, plain: 8_309_384 });
    const system = await repvggJson(["info", "--system"]);
    expect(system).toMatchObject({ node: process.version, threads: expect.any(Number) });
    expect(system["backend"]).toMatch(system["nativeAbsent"] === null ? /^native / : /^wasm /);
  });

  it("data counts what was trained on", async () => {
    const data = await repvggJson<{ train: { pictures: number; channels: number }; test: object; leaked: number[] }>([
      "data",
      pictures,
    ]);
    expect(data).toMatchObject({
      warnings: [],
      train: { pictures: 300, channels: 1, imbalance: 1, duplicates: 0, skipped: [] },
      test: { pictures: 100 },
      leaked: [],
    });
  });

  it("fold --recalibrate takes the statistics of the data", async () => {
    const file = join(folder, "recalibrated.safetensors");
    const folded = await repvggJson(["fold", model, "-o", file, "--recalibrate", pictures]);
    expect(folded).toMatchObject({
      recalibratedOn: "pictures/train, 300 pictures",
      recalibration: { images: 100, before: trained.test["top1"], after: expect.any(Number) },
      warnings: [],
      verification: { agree: true },
    });
    const accuracy = await repvggJson<Evaluation>(["eval", file, pictures]);
    expect(folded["recalibration"]).toMatchObject({ after: accuracy.top1 });
    expect((await loadModel(file)).metadata.provenance).toMatchObject({
      recalibratedOn: "pictures/train, 300 pictures",
    });
    expect(readFileSync(file).equals(readFileSync(plain))).toBe(false);
  });

  it("--from goes on with a model that has its own pixel statistics; text says what happens", async () => {
    const tuned = join(folder, "tuned");
    const args = ["--from", model, "--epochs", "1", "--batch-size", "100", "--learning-rate", "0.001", "--out", tuned];
    const { code, stdout, stderr } = await repvgg(["train", pictures, ...args]);
    expect(code).toBe(0);
    expect(stderr).toContain("RepVGG nano on pictures/train: 300 pictures to train on, 100 to test on, once");
    expect(stderr).toMatch(/^epoch 1: train loss \d\.\d{4}$/m);
    expect(stdout).toMatch(/^test top-1 \d+\.\d\d % on 100 pictures, looked at once \(epoch 1 of 1\)\n/);
    expect(stdout).toContain(`Next    repvgg fold ${tuned}/model.safetensors -o plain.safetensors`);
    const [before, after] = await Promise.all([model, join(tuned, "model.safetensors")].map((path) => loadModel(path)));
    expect(after!.metadata.preprocessing).toEqual(before!.metadata.preprocessing);
  });

  it("--quiet says nothing but the result; text output has no colours in a pipe", async () => {
    const ended = await repvgg(["eval", plain, pictures, "--quiet"]);
    expect(ended).toMatchObject({ code: 0, stderr: "" });
    expect(ended.stdout).toMatch(
      /\(plain form\) on 100 pictures: top-1 \d+\.\d\d %, balanced accuracy \d+\.\d\d %, top-5/,
    );
    expect(ended.stdout).not.toContain("\x1b");
  });

  it("quickstart does it all and offers a picture to try", async () => {
    const quick = join(folder, "quick");
    type Result = { differentAnswers: number; testImages: number; files: Record<"model" | "picture", string> };
    const result = await repvggJson<Result>(["quickstart", "--epochs", "1", "--out", quick]);
    expect(result).toMatchObject({ differentAnswers: 0, testImages: 2000, nodes: { train: 51, plain: 17 } });
    const answer = await repvgg(["predict", result.files.model, result.files.picture, "--top", "1"]);
    expect(answer).toMatchObject({ code: 0, stderr: "" });
    const replaced = await repvgg(["quickstart", "--epochs", "1", "--out", join(quick, "pictures")]);
    expect(replaced.code).toBe(1);
  });
});
