import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as ort from "onnxruntime-node";
import { afterAll, describe, expect, it } from "vitest";
import { f32 } from "#repvgg/core/named-arrays.js";
import { valueInfo } from "#repvgg/graph/build.js";
import {
  type Dataset,
  evaluate,
  fold,
  loadNet,
  type Model,
  type Net,
  netOf,
  quantize,
  repvgg,
  saveNet,
} from "#repvgg/index.js";
import { RandomNet } from "../graph/support.js";
import { blobs } from "./support.js";

const folder = mkdtempSync(join(tmpdir(), "repvgg-quantize-"));
afterAll(() => rmSync(folder, { recursive: true }));

const spec = { depths: [1, 2], widths: [8, 8, 16], strides: [1, 2, 2], classes: 4, inputChannels: 3 } as const;
const train = repvgg(spec, { statistics: "seeded", inputSize: 16, seed: 2 });
const plain = fold(train);
const data = blobs(120);
const pictures = data.select(Array.from({ length: 80 }, (_, i) => i));
const others = data.select(Array.from({ length: 40 }, (_, i) => 80 + i));
const fast = { threads: 1 } as const;

/** Channels of every block times 64 and their readers by 1/64: the float outputs are the same. */
function collapsing({ state, ...model }: Model): Model {
  const scaled = new Map(state);
  const paths = [...state.keys()]
    .filter((name) => name.endsWith(".rbr_reparam.weight"))
    .map((name) => name.slice(0, -7));
  for (const [i, path] of paths.entries()) {
    const reader = `${paths[i + 1] ?? "linear"}.weight`;
    const [w, b, r] = [`${path}.weight`, `${path}.bias`, reader].map((name) => scaled.get(name)!);
    const [outputs] = w!.shape as [number];
    const taps = r!.shape.slice(2).reduce((x, y) => x * y, 1);
    const [c, inputs] = [2, w!.data.length / outputs];
    const of = (array: typeof w, channel: (at: number) => boolean, factor: number) =>
      f32(
        array!.shape,
        Float32Array.from(array!.data as Float32Array, (v, at) => (channel(at) ? v * factor : v)),
      );
    scaled.set(
      `${path}.weight`,
      of(w, (at) => Math.floor(at / inputs) === c, 64),
    );
    scaled.set(
      `${path}.bias`,
      of(b, (at) => at === c, 64),
    );
    scaled.set(
      reader,
      of(r, (at) => Math.floor(at / taps) % outputs === c, 1 / 64),
    );
  }
  return { ...model, state: scaled };
}

/** What a net says of pictures, likeliest classes in one list: confusion counts alone would hide changes that cancel. */
const logitsOf = async (net: Net, set: Dataset) => (await evaluate(net, set, fast)).confusion;

describe("quantize()", () => {
  it("keeps what the net says; file forms keep the integers, and ONNX Runtime says the same", async () => {
    const { net, report } = await quantize(plain, { data: pictures, ...fast });
    expect(report.measured!.decibels).toBeGreaterThan(25);
    expect(report.measured!.agreement).toBeGreaterThan(0.95);
    expect(report.layers.map(({ bits }) => bits)).toEqual([8, 8, 8, 8, 8]);
    expect(report.bytes.quantized).toBeLessThan(0.4 * report.bytes.float);
    const before = await logitsOf(net, others);
    for (const file of ["int8.safetensors", "int8.onnx"]) {
      const path = join(folder, file);
      await saveNet(net, path);
      const read = await loadNet(path);
      expect(await logitsOf(read, others)).toEqual(before);
      const integers = [...read.graph.initializers.values()].filter(({ dtype }) => dtype === "i8");
      expect(integers.length).toBe(10);
      await expect(quantize(read, { data: pictures, ...fast })).rejects.toThrow(
        "expected a net in float, received one that is quantized already",
      );
    }
    await expect(saveNet(net, join(folder, "int8.pth"))).rejects.toThrow(
      "expected .onnx or .safetensors for a quantized net",
    );
    const session = await ort.InferenceSession.create(join(folder, "int8.onnx"), {
      logSeverityLevel: 4,
      intraOpNumThreads: 1,
    });
    const { mean, std } = plain.metadata.preprocessing;
    const confusion = before.map((row) => row.map(() => 0));
    for (let i = 0; i < others.length; i++) {
      const { data: pixels, width, height } = await others.read(i);
      const x = Float32Array.from({ length: 3 * width * height }, (_, at) => {
        const [c, p] = [Math.floor(at / (width * height)), at % (width * height)];
        return (pixels[3 * p + c]! / 255 - mean[c]!) / std[c]!;
      });
      const { logits } = await session.run({ input: new ort.Tensor("float32", x, [1, 3, height, width]) });
      const values = [...(logits!.data as Float32Array)];
      confusion[others.label(i)]![values.indexOf(Math.max(...values))]!++;
    }
    expect(confusion).toEqual(before);
    await session.release();
  });

  it("recovers a net that collapses with one scale a layer", async () => {
    const collapse = netOf(collapsing(plain));
    const { report } = await quantize(collapse, { data: pictures, explain: true, ...fast });
    const [naive] = report.steps;
    expect(naive!.measured!.decibels).toBeLessThan(report.measured!.decibels - 10);
    expect(report.measured!.decibels).toBeGreaterThan(35);
    const [, second] = report.layers;
    expect(second!.outlierChannels).toEqual([2]);
    // With one scale and no cure a layer alone costs no less than the whole net does with all cures.
    expect(second!.alone!.before.decibels).toBeGreaterThan(naive!.measured!.decibels - 1);
    expect(second!.alone!.before.decibels).toBeLessThan(second!.alone!.after.decibels - 10);
    expect(report.causes.map(({ kind }) => kind)).toContain("outlier-channels");
  });

  it("needs no pictures of a net in training form, and says so of others", async () => {
    const { net, report } = await quantize(train, fast);
    expect(report.notes[0]).toBe("the net was folded first: integers come of its plain form");
    expect(report.pictures).toBe(0);
    const { report: measured } = await quantize(train, { data: pictures, ...fast });
    expect(measured.notes[0]).toBe(report.notes[0]);
    const [float, free] = [await logitsOf(netOf(train), others), await logitsOf(net, others)];
    const moved = float.flat().reduce((sum, count, i) => sum + Math.abs(count - free.flat()[i]!), 0);
    expect(moved).toBeLessThanOrEqual(4);
    await expect(quantize(plain, fast)).rejects.toThrow(
      /^expected pictures to calibrate on .* no BatchNorm that tells of "stage0"/,
    );
  });

  it("of weights alone leaves activations in float, in a quarter or an eighth of the bytes", async () => {
    for (const bits of [8, 4] as const) {
      const { net, report } = await quantize(plain, { data: pictures, weightsOnly: true, bits, ...fast });
      expect(net.graph.nodes.some(({ op }) => op === "QuantizeLinear")).toBe(false);
      expect(report.bytes.quantized / report.bytes.float).toBeLessThan(bits === 8 ? 0.4 : 0.27);
      const path = join(folder, `weights${bits}.safetensors`);
      await saveNet(net, path);
      const read = await loadNet(path);
      expect(await logitsOf(read, others)).toEqual(await logitsOf(net, others));
      if (bits === 4) {
        const nearest = await quantize(plain, {
          data: pictures,
          weightsOnly: true,
          bits,
          rounding: "nearest",
          ...fast,
        });
        expect(report.measured!.noise).toBeLessThan(0.7 * nearest.report.measured!.noise);
      }
    }
    const { net } = await quantize(plain, { weightsOnly: true, ...fast });
    expect(net.graph.nodes.filter(({ op }) => op === "DequantizeLinear").length).toBe(5);
  });

  it("refuses what cannot be done in one line", async () => {
    const one = data.select(Array.from({ length: 20 }, (_, i) => 4 * i));
    const refused = (net: Model | Net, options: Parameters<typeof quantize>[1]) =>
      expect(quantize(net, { ...fast, ...options })).rejects;
    await refused(plain, { data: pictures.select([]) }).toThrow(
      "expected at least 10 pictures to calibrate on, better 100 to 500, received none in blobs",
    );
    await refused(plain, { data: pictures.select([0, 1, 2]) }).toThrow("received 3 in blobs");
    await refused(plain, { data: one }).toThrow(
      "expected calibration pictures of several classes, received 20 pictures of one class",
    );
    await refused(plain, { data: pictures, keepFloat: ["stage9"] }).toThrow(
      /^expected names of layers to keep in float \(first, last, stage0.*"stage9"/,
    );
    const broken = new Map(plain.state);
    const weight = plain.state.get("stage1.0.rbr_reparam.weight")!;
    broken.set(
      "stage1.0.rbr_reparam.weight",
      f32(
        weight.shape,
        Float32Array.from(weight.data as Float32Array, (v, i) => (i === 5 ? Number.NaN : v)),
      ),
    );
    await refused({ ...plain, state: broken }, { data: pictures }).toThrow(
      'expected finite weights, received NaN in "stage1.0.rbr_reparam.weight"',
    );
    await refused({ ...plain, state: broken }, { weightsOnly: true }).toThrow("expected finite weights, received NaN");
    const graph = (build: (net: RandomNet) => void, shape: (number | string)[] = ["n", 3, 16, 16]): Net => {
      const net = new RandomNet(1);
      build(net);
      return {
        graph: net.graph("g", [valueInfo("x", shape)], [valueInfo("y", ["n", 4])]),
        source: { format: "onnx", notes: [] },
      };
    };
    const endless = graph((net) => {
      net.randomConv("a", "x", 3, 4, 1);
      net.add("Exp", "e", ["a"]);
      net.randomConv("b", "e", 4, 4, 1);
      net.add("GlobalAveragePool", "p", ["b"]);
      net.add("Flatten", "y", ["p"]);
    });
    await refused(endless, { data: pictures }).toThrow(
      'expected activations with bounds before every layer, received Exp "e" before "b"',
    );
    const kept = await quantize(endless, { ...fast, data: pictures, keepFloat: ["b"] });
    expect(kept.report.floatLayers).toEqual([{ name: "b", reason: "asked for" }]);
    const roots = graph((net) => {
      net.randomConv("a", "x", 3, 4, 1);
      net.add("Abs", "size", ["a"]);
      net.add("Neg", "below", ["size"]);
      net.add("Sqrt", "e", ["below"]);
      net.randomConv("b", "e", 4, 4, 1);
      net.add("GlobalAveragePool", "p", ["b"]);
      net.add("Flatten", "y", ["p"]);
    });
    await refused(roots, { data: pictures }).toThrow(/^expected finite activations .*, received NaN in "e"/);
    const vectors = graph((net) => net.randomConv("y", "x", 7, 4, 1), ["n", 7, 5, 5]);
    await refused(vectors, { data: pictures }).toThrow("expected a net with pictures of 1 or 3 channels");
    const nothing = graph((net) => void net.add("Flatten", "y", ["x"]));
    await refused(nothing, { data: pictures }).toThrow("expected a net with convolutions or matrix products");
  });
});
