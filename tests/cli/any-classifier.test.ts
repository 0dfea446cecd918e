import { mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import * as ort from "onnxruntime-node";
import sharp from "sharp";
import { beforeAll, describe, expect, it, vi } from "vitest";
import { runCommand } from "#repvgg/cli/program.js";
import { rngFor } from "#repvgg/core/rng.js";
import { evaluate, loadNet, predict, verify } from "#repvgg/index.js";
import { type CnnOptions, writeCnn } from "../exchange/plain-cnn.js";
import { fileFolder } from "./support.js";

const folder = fileFolder();
const file = (name: string): string => join(folder, name);
const side = 20;
const names = ["ant", "bee", "cow", "dog"];
const mean = [0.4, 0.5, 0.6];
const std = [0.2, 0.25, 0.3];
const given = ["--mean", mean.join(), "--std", std.join(), "--size", `${side}`, "--crop", "1"];
const asked = { preprocessing: { mean, std, size: [side, side], cropRatio: 1 } } as const;

/** What the command writes: [standard output, standard error]. */
async function run(...args: readonly string[]): Promise<readonly [string, string]> {
  const written = { stdout: "", stderr: "" };
  const spies = (["stdout", "stderr"] as const).map((stream) =>
    vi.spyOn(process[stream], "write").mockImplementation((text) => {
      written[stream] += String(text);
      return true;
    }),
  );
  try {
    await runCommand(args);
  } finally {
    for (const spy of spies) spy.mockRestore();
  }
  return [written.stdout, written.stderr];
}

const pictures = Array.from({ length: 24 }, (_, i) => {
  const random = rngFor(i, "picture");
  const tint = [random.next(), random.next(), random.next()];
  return Uint8Array.from({ length: side * side * 3 }, (_, k) =>
    Math.floor(255 * (0.5 * random.next() + 0.5 * tint[k % 3]!)),
  );
});

/** The first output of onnxruntime for a picture, prepared here by its definition. */
async function reference(path: string, pixels: Uint8Array, layout: "nchw" | "nhwc" = "nchw"): Promise<Float32Array> {
  const session = await ort.InferenceSession.create(path, { logSeverityLevel: 3 });
  const value = (p: number, c: number): number => (pixels[p * 3 + c]! / 255 - mean[c]!) / std[c]!;
  const plane = side * side;
  const data = Float32Array.from({ length: 3 * plane }, (_, k) =>
    layout === "nchw" ? value(k % plane, Math.floor(k / plane)) : value(Math.floor(k / 3), k % 3),
  );
  const dims = layout === "nchw" ? [1, 3, side, side] : [1, side, side, 3];
  const outputs = await session.run({ [session.inputNames[0]!]: new ort.Tensor("float32", data, dims) });
  const result = outputs[session.outputNames[0]!]!.data as Float32Array;
  await session.release();
  return result;
}

const largest = (values: ArrayLike<number>): number => Array.from(values).indexOf(Math.max(...Array.from(values)));

const image = (data: Uint8Array) => ({ width: side, height: side, channels: 3 as const, data });

beforeAll(async () => {
  await writeCnn(file("cnn.onnx"));
  const jobs = pictures.map(async (data, i) => {
    const answer = largest(await reference(file("cnn.onnx"), data));
    // Every fourth picture lies in the folder of another class: then it is a mistake.
    const truth = names[(answer + (i % 4 === 0 ? 1 : 0)) % 4]!;
    mkdirSync(join(folder, "data", truth), { recursive: true });
    await sharp(data, { raw: { width: side, height: side, channels: 3 } })
      .png()
      .toFile(join(folder, "data", truth, `${i}.png`));
  });
  await Promise.all(jobs);
  for (const name of names) mkdirSync(join(folder, "data", name), { recursive: true });
  expect(
    readdirSync(join(folder, "data")).filter((name) => readdirSync(join(folder, "data", name)).length > 0),
  ).toEqual(names);
});

describe("a small CNN in plain ONNX", () => {
  it("has the same accuracy before and after the fold, which onnxruntime's answers say", async () => {
    const eval_ = async (path: string) => JSON.parse((await run("eval", path, file("data"), ...given, "--json"))[0]);
    const before = await eval_(file("cnn.onnx"));
    expect(before).toMatchObject({ images: 24, top1: 18 / 24 });
    await run("fold", file("cnn.onnx"), "-o", file("folded.onnx"));
    const after = await eval_(file("folded.onnx"));
    expect(after).toMatchObject({ images: 24, top1: 18 / 24, confusion: before.confusion });
    expect((await loadNet(file("folded.onnx"))).graph.nodes.filter(({ op }) => op === "Conv")).toHaveLength(1);
    expect(after.loss).toBeCloseTo(before.loss, 5);
    const verified = await run("verify", file("cnn.onnx"), file("folded.onnx"), "--data", file("data"), ...given);
    expect(verified[0]).toMatch(/24 pictures: max .* top-1 differs on 0/);
  });

  it("says in eval what was assumed, and nothing of what was given", async () => {
    const [out, remarks] = await run("eval", file("cnn.onnx"), file("data"));
    expect(remarks).toContain(
      "the file does not say how pictures are prepared: assumed 224×224, mean 0.485, 0.456, 0.406, std 0.229, 0.224, 0.225, crop 0.875, classes 0…3",
    );
    expect(remarks).toContain("the net's classes are taken to be the data's, in its order: ant, bee, cow, dog");
    expect(out).not.toContain("top-5"); // of four classes
    writeFileSync(file("labels.txt"), `${names.join("\n")}\n`);
    const [, silent] = await run("eval", file("cnn.onnx"), file("data"), ...given, "--classes", file("labels.txt"));
    expect(silent).not.toContain("assumed");
    expect(silent).not.toContain("taken to be");
  });

  it("refuses names of another number, statistics of other channels, and another size than the graph fixes", async () => {
    writeFileSync(file("three.txt"), "a\nb\nc\n");
    const with_ = (...more: string[]) => run("predict", file("cnn.onnx"), file("data/ant"), ...more);
    await expect(with_("--classes", file("three.txt"))).rejects.toThrow(
      /expected names for the net's 4 classes, received 3/,
    );
    await expect(with_("--mean", "0.5")).rejects.toThrow(/preprocessing for 3 channels.*"mean":\[0\.5\]/);
    await expect(with_("--classes", file("none.txt"))).rejects.toThrow(/expected to read .*none\.txt/);
    const fixed = await writeCnn(file("fixed.onnx"), { input: [1, 3, 32, 32], output: [1, 4] });
    await expect(run("eval", fixed, file("data"), "--size", "20")).rejects.toThrow(
      /pictures of 32×32, which the graph fixes/,
    );
  });

  const variants: readonly (readonly [string, CnnOptions])[] = [
    ["channels last", { layout: "nhwc" }],
    ["a softmax", { head: ["Softmax"] }],
    ["a softmax that is handed on", { head: ["Softmax", "Identity"] }],
    ["a softmax of channels last", { layout: "nhwc", head: ["Softmax"] }],
    ["logarithms of probabilities", { head: ["LogSoftmax"] }],
    ["a fixed batch and size", { input: [1, 3, side, side], output: [1, 4] }],
    ["a fixed batch of 5", { input: [5, 3, side, side], output: [5, 4] }],
    ["an output of unknown shape", { output: ["a", "b"] }],
  ];
  for (const [what, options] of variants) {
    it(`answers with ${what} as without`, async () => {
      const plain = await loadNet(file("cnn.onnx"));
      const net = await loadNet(await writeCnn(file(`${what}.onnx`), options));
      for (const pixels of pictures.slice(0, 3)) {
        const expected = await predict(plain, image(pixels), asked);
        const found = await predict(net, image(pixels), asked);
        expect(found.map(({ name }) => name)).toEqual(expected.map(({ name }) => name));
        found.forEach(({ probability }, i) => void expect(probability).toBeCloseTo(expected[i]!.probability, 5));
        if (what.startsWith("channels")) {
          expect(found[0]!.classIndex).toBe(largest(await reference(file(`${what}.onnx`), pixels, "nhwc")));
        }
      }
      const { top1, images, loss } = await evaluate(net, file("data"), asked);
      expect([images, top1]).toEqual([24, 18 / 24]);
      expect(loss).toBeCloseTo((await evaluate(plain, file("data"), asked)).loss, 4);
    });
  }

  it("compares on pictures where channels are last", async () => {
    const net = await loadNet(await writeCnn(file("last.onnx"), { layout: "nhwc" }));
    const result = await verify(net, net, { data: file("data"), ...asked });
    expect(result).toMatchObject({ samples: 24, agree: true });
  });

  it("is refused with several labels a picture, one class, maps, or other inputs", async () => {
    const refused = async (options: CnnOptions, name = "refused.onnx") =>
      predict(await loadNet(await writeCnn(file(name), options)), image(pictures[0]!), asked);
    await expect(refused({ head: ["Sigmoid"] })).rejects.toThrow(/classes exclude one another.*a Sigmoid makes/);
    await expect(refused({ classes: 1 })).rejects.toThrow(/expected a net that classifies.*\[1, 1\]/);
    await expect(refused({ input: ["n", 5, 8, 8] })).rejects.toThrow(/pictures of 1 or 3 channels/);
    await expect(refused({ metadata: { "Image.BitmapPixelFormat": "Bgr8" } })).rejects.toThrow(
      /RGB or grey pictures.*Bgr8/,
    );
  });
});

describe("what ONNX metadata says", () => {
  const cases: readonly (readonly [string, Record<string, string>])[] = [
    [
      "Ultralytics'",
      { author: "Ultralytics", task: "classify", names: `{0: 'ant', 1: "bee", 2: 'cow', 3: 'dog'}`, imgsz: "[20, 20]" },
    ],
    [
      "lists",
      { classes: "ant,bee,cow,dog", mean: "0,0,0", std: "[1, 1, 1]", crop_pct: "1", input_size: "[3, 20, 20]" },
    ],
    [
      "values in bytes",
      {
        labels: '["ant","bee","cow","dog"]',
        pixel_mean: "0,0,0",
        pixel_std: "255,255,255",
        crop_pct: "1.0",
        imgsz: "20",
      },
    ],
    [
      "ONNX's own range",
      {
        id2label: '{"0":"ant","1":"bee","2":"cow","3":"dog"}',
        "Image.NominalPixelRange": "Normalized_0_1",
        crop_pct: "1",
        imgsz: "20x20",
      },
    ],
    [
      "ours",
      {
        classNames: JSON.stringify(names),
        preprocessing: '{"mean":[0,0,0],"std":[1,1,1],"cropRatio":1,"size":[20,20]}',
      },
    ],
  ];
  for (const [what, metadata] of cases) {
    it(`${what} is read`, async () => {
      const net = await loadNet(await writeCnn(file("said.onnx"), { metadata }));
      const plain = await loadNet(file("cnn.onnx"));
      const same = {
        classNames: names,
        preprocessing: { mean: [0, 0, 0], std: [1, 1, 1], cropRatio: 1, size: [20, 20] },
      } as const;
      expect(await predict(net, image(pictures[1]!))).toEqual(await predict(plain, image(pictures[1]!), same));
      const [, remarks] = await run(
        "predict",
        file("said.onnx"),
        join(folder, "data", "ant", readdirSync(file("data/ant"))[0]!),
      );
      expect(remarks).not.toContain("assumed");
    });
  }

  it("that is none is not believed", async () => {
    const metadata = {
      classNames: '["a"',
      names: "{0: 'ant', 0: 'bee'}",
      preprocessing: '{"mean":"x","std":[0,0,0],"size":[1e9,-1],"cropRatio":7}',
      mean: "NaN,0,0",
      std: "1,1",
    };
    const [, remarks] = await run(
      "predict",
      await writeCnn(file("lies.onnx"), { metadata }),
      join(folder, "data", "ant", readdirSync(file("data/ant"))[0]!),
    );
    expect(remarks).toContain(
      "assumed 224×224, mean 0.485, 0.456, 0.406, std 0.229, 0.224, 0.225, crop 0.875, classes 0…3",
    );
  });
});
