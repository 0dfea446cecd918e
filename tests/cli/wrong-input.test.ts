import { copyFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { fashionPictures, fileFolder, fileOf, freshModelFile, oneLine, repvgg } from "./support.js";

const folder = fileFolder();
let pictures: string;
let model: string;
let plain: string;

beforeAll(async () => {
  pictures = await fashionPictures(folder, { train: 20, test: 10 });
  model = await freshModelFile(folder);
  plain = await freshModelFile(folder, "plain");
});

/** A data set of two classes, one of real pictures and one of what is given. */
function twoClasses(name: string, files: Record<string, string | Uint8Array>): string {
  const root = join(folder, name);
  for (const c of ["bag", "coat"]) mkdirSync(join(root, c), { recursive: true });
  for (const i of [0, 1]) copyFileSync(join(pictures, "train", "Bag", `${i}.png`), join(root, "bag", `${i}.png`));
  for (const [file, bytes] of Object.entries(files)) writeFileSync(join(root, "coat", file), bytes);
  return root;
}

const coat = (i: number): Buffer => readFileSync(join(pictures, "train", "Coat", `${i}.png`));

describe.concurrent("data", () => {
  it("a missing folder", async () => {
    expect(await repvgg(["train", "nowhere"], { cwd: folder })).toEqual(
      oneLine(
        "expected a data set (a folder, or fashion-mnist or fashion-mnist-subset) at nowhere, received no such file or folder: check the path",
      ),
    );
  });

  it("a file instead of a folder", async () => {
    expect(await repvgg(["eval", plain, model])).toEqual(
      oneLine(
        `expected a folder at ${model}, received a file: give the folder of the data set, or a list of labels that is named .csv`,
      ),
    );
  });

  it("an empty class", async () => {
    const root = twoClasses("empty-class", {});
    expect(await repvgg(["train", root])).toEqual(
      oneLine(
        `expected JPEG, PNG, WebP, GIF, AVIF or TIFF pictures in ${join(root, "coat")}/, received none: add pictures or remove the folder`,
      ),
    );
  });

  it("one class only", async () => {
    const root = join(folder, "one-class");
    mkdirSync(join(root, "bag"), { recursive: true });
    copyFileSync(join(pictures, "train", "Bag", "0.png"), join(root, "bag", "0.png"));
    expect(await repvgg(["train", root])).toEqual(
      oneLine(
        `expected at least two class folders in ${root} (class/picture.jpg), received one, "bag": give the folder above the classes`,
      ),
    );
  });

  it("a class with one picture and no test split", async () => {
    const root = twoClasses("one-picture", { "0.png": coat(0) });
    expect(await repvgg(["train", root, "--quiet"])).toEqual(
      oneLine(
        'expected at least two pictures of class "coat" to hold one out, received 1: add pictures, give a test split, or hold out none (--hold-out 0)',
      ),
    );
  });

  it("fewer pictures than a batch", async () => {
    const out = join(folder, "made", "small");
    const wrong = oneLine(
      "expected at least 128 pictures in pictures/train, received 20: use a smaller batch (--batch-size, batchSize) or more pictures",
    );
    const args = ["train", pictures, "--quiet", "--batch-size", "128", "--out", out];
    expect(await repvgg(args)).toEqual(wrong);
    expect(existsSync(join(folder, "made"))).toBe(false);
    expect(await repvgg(args)).toEqual(wrong);
  });

  it("a model of other classes", async () => {
    expect(await repvgg(["eval", model, pictures])).toEqual(
      oneLine(
        "expected the model's 2 classes (cat, dog), received 10 classes in pictures/test (Ankle boot, Bag, Coat, Dress, …): use the data that the model was trained on; to make it a net of these classes: repvgg train --from",
      ),
    );
    const other = join(folder, "other");
    const tune = ["train", pictures, "--from", model, "--out", other, "--quiet"];
    expect(await repvgg([...tune, "--freeze", "7"])).toEqual(
      oneLine(
        'expected at most 4 stages to freeze of nano, which has stage 0 to stage 3, received 7: "all-but-head" freezes them all',
      ),
    );
    expect(existsSync(other)).toBe(false);
  });
});

describe.concurrent("broken pictures are named and skipped, or errors with --strict", () => {
  const jpeg = Buffer.concat([Buffer.from([0xff, 0xd8, 0xff, 0xe0, 0, 16]), Buffer.from("JFIF")]);
  const broken: [string, string, string | Uint8Array, RegExp][] = [
    ["a corrupt JPEG", "2.jpg", jpeg, /damaged JPEG: .+/],
    ["a text file named .png", "2.png", "this is no picture\n", /text, not a picture/],
    ["an empty file named .webp", "2.webp", "", /empty file/],
  ];
  it.each(broken)("%s", async (name, file, bytes, reason) => {
    const root = twoClasses(name.replaceAll(" ", "-"), { "0.png": coat(0), "1.png": coat(1), [file]: bytes });
    const path = join(root, "coat", file);
    const lenient = await repvgg(["data", root]);
    expect(lenient.code).toBe(0);
    expect(lenient.stderr).toMatch(new RegExp(`^skipped ${path}: ${reason.source}\n$`));
    expect(lenient.stdout).toContain("1 file that cannot be used");

    const strict = await repvgg(["data", root, "--strict"]);
    expect(strict).toMatchObject({ code: 1, stdout: "" });
    expect(strict.stderr).toMatch(
      new RegExp(
        `^repvgg: expected a JPEG, PNG, WebP, GIF, AVIF or TIFF picture, received ${path} \\(${reason.source}\\): replace or remove the file\n$`,
      ),
    );
  });

  it("training goes on without them, also where the first one is broken", async () => {
    const root = twoClasses("broken-first", { "0.jpg": jpeg, "1.png": coat(0), "2.png": coat(1) });
    writeFileSync(join(root, "bag", "00.png"), readFileSync(join(root, "bag", "0.png")).subarray(0, 60));
    const out = join(folder, "broken-first-run");
    const args = ["train", root, "--epochs", "1", "--batch-size", "2", "--hold-out", "0.3", "--out", out];
    const { code, stderr } = await repvgg(args);
    expect(code).toBe(0);
    for (const file of [join(root, "coat", "0.jpg"), join(root, "bag", "00.png")]) {
      expect(stderr.split("\n").filter((line) => line.startsWith(`skipped ${file}: damaged`))).toHaveLength(1);
    }
    expect(await repvgg([...args, "--strict", "--out", join(folder, "strict")])).toMatchObject({
      code: 1,
      stdout: "",
      stderr: expect.stringMatching(
        /repvgg: expected a JPEG, PNG, WebP, GIF, AVIF or TIFF picture, received .*: replace or remove the file\n$/,
      ),
    });
  });
});

describe.concurrent("model files", () => {
  it("missing", async () => {
    expect(await repvgg(["info", "no.safetensors"], { cwd: folder })).toEqual(
      oneLine(
        "expected to read no.safetensors, received no such file or folder: check the path; the folder must exist",
      ),
    );
  });

  it("truncated", async () => {
    const bytes = readFileSync(model);
    const file = fileOf(folder, "truncated.safetensors", bytes.subarray(0, bytes.length - 1000));
    const { code, stdout, stderr } = await repvgg(["fold", file, "-o", join(folder, "x.safetensors")]);
    expect({ code, stdout }).toEqual({ code: 1, stdout: "" });
    expect(stderr).toMatch(/^repvgg: expected .* bytes.*, received .* in .*truncated\.safetensors(: .*)?\n$/);
  });

  it("whose header claims 2^60 bytes", async () => {
    const length = Buffer.alloc(8);
    length.writeBigUInt64LE(2n ** 60n);
    const file = fileOf(folder, "huge.safetensors", Buffer.concat([length, Buffer.from("{}")]));
    expect(await repvgg(["info", file])).toEqual(
      oneLine(
        `expected a header of at most 2 bytes, received a claim of 1152921504606846976 bytes in ${file}: the file is cut short or is not safetensors; fetch it again`,
      ),
    );
  });

  it("in plain form where branches are needed", async () => {
    expect(await repvgg(["verify", plain])).toEqual(
      oneLine(
        `expected a model in training form, or two models, received ${plain}, in plain form: name the model that it shall be compared with`,
      ),
    );
  });

  it("of nets that cannot be compared", async () => {
    const other = join(folder, "other.safetensors");
    const { repvgg: net, saveModel } = await import("#repvgg/index.js");
    await saveModel(net("nano", { classes: 3 }), other);
    expect(await repvgg(["verify", model, other])).toEqual({
      ...oneLine(
        "expected two nets that take the same inputs and give the same outputs, received class-count at logits: the classifier gives 2 classes in the reference and 3 in the candidate; all 7 layers before it have the same shapes: a head of other classes: compare models of the same classes, or both without their heads (repvgg export --no-head)",
      ),
      code: 2,
    });
  });

  it("that cannot be written", async () => {
    expect(
      await repvgg(["fold", model, "-o", "no/where.safetensors", "--no-verify", "--quiet"], { cwd: folder }),
    ).toEqual(
      oneLine(
        "expected to write no/where.safetensors, received no such file or folder: check the path; the folder must exist",
      ),
    );
  });

  it("with different outputs: verification fails with exit code 2", async () => {
    const { loadModel, repvgg: net, saveModel } = await import("#repvgg/index.js");
    const other = join(folder, "other-seed.safetensors");
    await saveModel(net("nano", { classNames: (await loadModel(model)).metadata.classNames, seed: 1 }), other);
    const { code, stdout, stderr } = await repvgg(["verify", model, other, "--images", "2"]);
    expect(code).toBe(2);
    expect(stdout).toContain("stage0 ✗");
    expect(stdout).toMatch(/^✗ unexplained at stage0.*The weights are unrelated: check that both files come from/m);
    expect(stderr).toMatch(
      /^repvgg: expected outputs within 0.0001 of the reference, received a relative error of \S+.*: they part first at stage0.*\n$/,
    );
  });
});

/** What users of converters meet: verify has to name the cause, not only the difference. */
describe.concurrent("models that went wrong on the way", () => {
  it("BatchNorm of another eps: verify names it, in words and in JSON", async () => {
    const { fold, loadModel, repvgg: net, saveModel } = await import("#repvgg/index.js");
    const own = join(folder, "own-eps.safetensors");
    const trained = net("nano", { classNames: (await loadModel(model)).metadata.classNames, seed: 3 });
    const narrow = new Map(
      [...trained.state].map(([name, array]) => [
        name,
        name.endsWith("running_var") ? { ...array, data: (array.data as Float32Array).map((v) => v * 0.01) } : array,
      ]),
    );
    const original = { ...trained, state: narrow } as typeof trained;
    await saveModel(original, own);
    const shifted = new Map(
      [...narrow].map(([name, array]) => [
        name,
        // ε = 1e-3 instead of 1e-5 is the same as a variance that is larger by the difference.
        name.endsWith("running_var") ? { ...array, data: (array.data as Float32Array).map((v) => v + 0.00099) } : array,
      ]),
    );
    const other = join(folder, "other-eps.safetensors");
    await saveModel(await fold({ ...original, state: shifted } as typeof trained), other);
    const { code, stdout } = await repvgg(["verify", own, other, "--images", "2"]);
    expect(code).toBe(2);
    expect(stdout).toMatch(/^✗ batch-norm-epsilon at stage0.*has ε = 0\.001 instead of 0\.00001 in BatchNorm/m);
    const { findings } = JSON.parse((await repvgg(["verify", own, other, "--images", "2", "--json"])).stdout);
    expect(findings[0]).toMatchObject({ cause: "batch-norm-epsilon" });
  });

  it("statistics that were never updated: info and fold warn", async () => {
    const warning = /^! BatchNorm statistics were never updated: train, or recalibrate on training pictures; stage0/m;
    const info = await repvgg(["info", model]);
    expect(info.stdout).toMatch(warning);
    const target = join(folder, "warned.safetensors");
    expect((await repvgg(["fold", model, "-o", target, "--no-verify"])).stderr).toMatch(warning);
  });
});

describe.concurrent("runs", () => {
  it("a folder that holds a run", async () => {
    const out = join(folder, "there");
    mkdirSync(out);
    writeFileSync(join(out, "config.json"), "{}");
    expect(await repvgg(["train", pictures, "--out", out])).toEqual(
      oneLine(
        `expected a new folder for the run, received ${out}, which holds a run: go on with it by --resume, or name another folder by --out`,
      ),
    );
  });

  it("a folder without a run", async () => {
    expect(await repvgg(["train", "--resume", pictures])).toEqual(
      oneLine(
        `expected the folder of a run (with config.json), received ${pictures}: start one with: repvgg train DATA --out FOLDER`,
      ),
    );
  });

  it("a configuration that is not one", async () => {
    const out = join(folder, "spoiled");
    mkdirSync(out);
    const config = fileOf(out, "config.json", "{ not JSON");
    expect(await repvgg(["train", "--resume", out])).toEqual(
      oneLine(`expected config.json to be JSON, received ${config}`),
    );
    writeFileSync(config, "[]");
    expect(await repvgg(["train", "--resume", out])).toEqual(
      oneLine(`expected the configuration of a run, received something else in ${config}: begin a new run`),
    );
  });

  it("quickstart does not replace a folder of other things", async () => {
    expect(await repvgg(["quickstart", "--out", pictures])).toEqual(
      oneLine(
        `expected an empty folder, or an earlier run to replace, received ${pictures}, which holds other files: name another folder by --out`,
      ),
    );
  });
});

describe.concurrent("pictures", () => {
  it("missing, and no picture", async () => {
    expect(await repvgg(["predict", plain, "no.png"], { cwd: folder })).toEqual(
      oneLine("expected a picture at no.png, received no such file or folder: check the path"),
    );
    expect(await repvgg(["predict", plain, model])).toEqual(
      oneLine(
        `expected a JPEG, PNG, WebP, GIF, AVIF or TIFF picture, received ${model} (not a picture of these formats): replace or remove the file`,
      ),
    );
  });
});
