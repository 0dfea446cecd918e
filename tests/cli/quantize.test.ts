import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, expect, it } from "vitest";
import { fold, repvgg as freshNet, saveModel } from "#repvgg/index.js";
import { writePictures } from "../../scripts/fashion-pictures.mjs";
import { fileFolder, repvgg, repvggJson } from "./support.js";

const folder = fileFolder();
const [data, train, plain] = ["pictures", "train.safetensors", "plain.safetensors"].map((name) =>
  join(folder, name),
) as [string, string, string];

beforeAll(async () => {
  await writePictures(data, { train: 60, test: 40 });
  const classNames = [
    "T-shirt or top",
    "trouser",
    "pullover",
    "dress",
    "coat",
    "sandal",
    "shirt",
    "sneaker",
    "bag",
    "ankle boot",
  ];
  const net = freshNet(
    { depths: [1], widths: [4, 8], strides: [2, 2], inputChannels: 1, classes: classNames.length },
    { statistics: "seeded", inputSize: 28 },
  );
  await saveModel(net, train);
  await saveModel(fold(net), plain);
});

it("quantize writes nets that eval, predict, info and verify know, says what each step did, and shows it as a page", async () => {
  const [output, page] = [join(folder, "int8.onnx"), join(folder, "why.html")];
  const {
    output: written,
    measured,
    steps,
    layers,
    pictures,
  } = await repvggJson<{
    output: string;
    pictures: number;
    measured: { decibels: number };
    steps: { kept: boolean }[];
    layers: { bits: number; alone: object }[];
  }>(["quantize", plain, "--data", data, "-o", output, "--explain", "--html", page, "--threads", "1"]);
  expect(written).toBe(output);
  expect(pictures).toBe(60);
  expect(measured.decibels).toBeGreaterThan(20);
  expect(steps.some(({ kept }) => kept)).toBe(true);
  expect(layers.every(({ bits, alone }) => bits === 8 && alone)).toBe(true);
  expect(readFileSync(page, "utf8")).toContain("Signal to noise of each layer");
  const small = join(folder, "w4.safetensors");
  const four = await repvgg(["quantize", plain, "--weights-only", "--bits", "4", "-o", small, "--quiet"]);
  expect(four.stdout).toContain("calibrated without pictures");
  for (const file of [output, small]) {
    const info = await repvgg(["info", file]);
    expect(info.stdout).toContain("DequantizeLinear");
    expect(info.stdout).toContain("the engine has all its operators");
    const [own, float] = [
      await repvggJson<{ top1: number; images: number }>(["eval", file, data]),
      await repvggJson<{ top1: number }>(["eval", plain, data]),
    ];
    expect(own.images).toBe(40);
    // A net that was never trained: at 4 bits to the nearest some of the 40 pictures lie elsewhere.
    expect(Math.abs(own.top1 - float.top1)).toBeLessThanOrEqual(file === output ? 0.05 : 0.2);
    const predicted = await repvgg(["predict", file, join(data, "test"), "--quiet"]);
    expect(predicted.code).toBe(0);
    // Rounded numbers are other numbers: verify says where.
    expect((await repvgg(["verify", plain, file, "--quiet"])).code).toBe(2);
  }
});

it("without pictures asks for the training form, and refuses with one line", async () => {
  const free = await repvgg(["quantize", train, "-o", join(folder, "free.safetensors")]);
  expect(free.code).toBe(0);
  expect(free.stderr).toContain("the net was folded first");
  const refusals: [string[], RegExp][] = [
    [["quantize", plain], /^repvgg: expected --output <file>, received nothing/],
    [["quantize", plain, "-o", join(folder, "x.onnx")], /no BatchNorm that tells of "stage0"/],
    [["quantize", plain, "-o", join(folder, "x.pth")], /^repvgg: expected \.onnx or \.safetensors for a quantized net/],
    [["quantize", plain, "-o", plain], /the net itself/],
    [["quantize", plain, "--data", data, "--bits", "9", "-o", join(folder, "x.onnx")], /a whole number from 2 to 8/],
    [
      ["quantize", join(folder, "int8.onnx"), "--data", data, "-o", join(folder, "x.onnx")],
      /one that is quantized already/,
    ],
  ];
  for (const [args, line] of refusals) {
    const { code, stderr } = await repvgg([...args, "--quiet"]);
    expect(code).toBe(1);
    expect(stderr.trim().split("\n").length).toBe(1);
    expect(stderr).toMatch(line);
  }
  expect(existsSync(join(folder, "x.onnx"))).toBe(false);
});
