import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createBackend } from "#repvgg/backend/select.node.js";
import { toFloat64 } from "#repvgg/core/named-arrays.js";
import { rngFor } from "#repvgg/core/rng.js";
import { memoryDataset, sharedBytes } from "#repvgg/data/memory-dataset.js";
import { evaluate as evaluateGraph } from "#repvgg/graph/evaluate/evaluate.js";
import type { Graph } from "#repvgg/graph/graph.js";
import {
  type Dataset,
  type Explanation,
  evaluate,
  explain,
  explainAll,
  extractFeatures,
  fold,
  type Image,
  type Model,
  predict,
  repvgg,
  train,
  UserError,
} from "#repvgg/index.js";
import { spreadMap } from "#repvgg/nn/grad-cam.js";
import { toGraph } from "#repvgg/nn/to-graph.js";
import { explanationPng } from "#repvgg/report/explanation.node.js";
import { someFashion } from "./support.js";

const backend = await createBackend({ threads: 1 });
afterAll(() => backend.dispose());

const side = 56;

/** Each picture in a corner of an otherwise black canvas of 56×56, so that the place says nothing about the class. */
async function cornered(dataset: Dataset, seed: number): Promise<{ set: Dataset; corners: number[] }> {
  const rng = rngFor(seed, "corners");
  const corners = Array.from({ length: dataset.length }, () => rng.int(4));
  const pixels = sharedBytes(dataset.length * side * side);
  for (let i = 0; i < dataset.length; i++) {
    const { data } = await dataset.read(i);
    const [top, left] = [28 * (corners[i]! >> 1), 28 * (corners[i]! & 1)];
    for (let y = 0; y < 28; y++) {
      pixels.set(data.subarray(y * 28, y * 28 + 28), i * side * side + (top + y) * side + left);
    }
  }
  const labels = Array.from({ length: dataset.length }, (_, i) => dataset.label(i));
  const { classNames, name } = dataset;
  return {
    set: memoryDataset({ name, classNames, channels: 1, height: side, width: side, pixels, labels }),
    corners,
  };
}

/** The part of a net after one of its values, which becomes its input. */
function after(graph: Graph, value: string): Graph {
  const producer = graph.nodes.findIndex(({ outputs }) => outputs.includes(value));
  const used = new Set(graph.nodes.slice(producer + 1).flatMap(({ inputs }) => inputs));
  return {
    ...graph,
    inputs: [{ name: value, dtype: "f32", shape: undefined }],
    nodes: graph.nodes.slice(producer + 1),
    initializers: new Map([...graph.initializers].filter(([name]) => used.has(name))),
  };
}

function cam(weights: ArrayLike<number>, activation: Float32Array, positions: number): number[] {
  return Array.from({ length: positions }, (_, p) =>
    Math.max(
      0,
      Array.from(weights, (w, c) => w * activation[c * positions + p]!).reduce((a, b) => a + b),
    ),
  );
}

function expectClose(received: readonly number[], expected: readonly number[], within = 1e-4): void {
  const largest = Math.max(...expected.map(Math.abs));
  expect(largest).toBeGreaterThan(0);
  const errors = received.map((value, i) => Math.abs(value - expected[i]!) / largest);
  expect(errors).toHaveLength(expected.length);
  expect(Math.max(...errors)).toBeLessThan(within);
}

describe("explain", () => {
  let model: Model;
  let test: Dataset;
  let corners: number[];

  beforeAll(async () => {
    const fashion = await someFashion({ train: 1500, test: 200 });
    const training = await cornered(fashion.train, 1);
    ({ set: test, corners } = await cornered(fashion.test, 2));
    const net = repvgg(
      { depths: [1, 1, 1], widths: [8, 16, 32, 32], strides: [2, 2, 2, 1] },
      { classNames: fashion.train.classNames, inputChannels: 1, inputSize: side },
    );
    const options = { epochs: 6, batchSize: 50, learningRate: 0.1, augmentation: "none", backend } as const;
    model = (await train(net, { train: training.set, test }, options)).model;
  }, 120_000);

  it("shows the object, not the empty canvas around it", async () => {
    expect((await evaluate(model, test, { backend })).top1).toBeGreaterThan(0.6);
    let found = 0;
    for (let i = 0; i < 40; i++) {
      const { map } = await explain(model, await test.read(i), { class: test.label(i), backend });
      const sums = [0, 0, 0, 0];
      map.forEach((value, p) => {
        const corner = 2 * Math.floor(Math.floor(p / side) / 28) + Math.floor((p % side) / 28);
        sums[corner]! += value;
      });
      if (sums.indexOf(Math.max(...sums)) === corners[i]) found++;
    }
    expect(found).toBeGreaterThanOrEqual(36);
  });

  it("is CAM with the classifier's weights at the last stage, in both forms", async () => {
    const picture = await test.read(3);
    const { stage3 } = await extractFeatures(model, picture, ["stage3"], { backend });
    const [, channels, height, width] = stage3!.shape as [number, number, number, number];
    const positions = height * width;
    for (const classIndex of [0, 7]) {
      const weights = toFloat64(model.state.get("linear.weight")!).subarray(
        classIndex * channels,
        (classIndex + 1) * channels,
      );
      const expected = cam(
        weights.map((w) => w / positions),
        stage3!.data,
        positions,
      );
      for (const form of [model, fold(model)]) {
        const { cells, stage } = await explain(form, picture, { class: classIndex, backend });
        expect([stage, cells.height, cells.width]).toEqual([3, height, width]);
        expectClose(cells.values, expected);
      }
    }
  });

  it("has the gradients of finite differences at an earlier stage", async () => {
    const picture = await test.read(5);
    const { stage1 } = await extractFeatures(model, picture, ["stage1"], { backend });
    const { shape, data } = stage1!;
    const [, channels, height, width] = shape as [number, number, number, number];
    const positions = height * width;
    const rest = after(toGraph(model), "stage1");
    const epsilon = 1e-6; // small, and float64: no ReLU may change its side
    const logit = (channel: number, by: number): number => {
      const moved = Float64Array.from(data, (x, i) => (Math.floor(i / positions) === channel ? x + by : x));
      return evaluateGraph(rest, new Map([["stage1", { dtype: "f64" as const, shape, data: moved }]])).get("logits")!
        .data[7]!;
    };
    const weights = Array.from(
      { length: channels },
      (_, c) => (logit(c, epsilon) - logit(c, -epsilon)) / (2 * epsilon * positions),
    );
    const { cells } = await explain(model, picture, { class: 7, stage: 1, backend });
    expectClose(cells.values, cam(weights, data, positions), 1e-3);
  });

  it("explains the likeliest class unless told otherwise, and leaves the model alone", async () => {
    const pictures = await Promise.all([0, 1, 2].map((i) => test.read(i)));
    const before = new Map([...model.state].map(([name, array]) => [name, array.data.slice()]));
    const all = await explainAll(model, pictures, { backend });
    for (const [i, { map, cells, stage, picture, overlay, ...prediction }] of all.entries()) {
      const [likeliest] = await predict(model, pictures[i]!, { backend });
      expect(prediction).toMatchObject({ classIndex: likeliest!.classIndex, name: likeliest!.name });
      expect(prediction.probability).toBeCloseTo(likeliest!.probability, 5);
      expect(picture).toEqual(pictures[i]);
      expect([map.length, Math.max(...map)]).toEqual([side * side, expect.closeTo(1, 1)]);
      expect(Math.min(...map)).toBeGreaterThanOrEqual(0);
    }
    for (const [name, array] of model.state) expect(array.data, name).toEqual(before.get(name));
    const named = await explain(model, pictures[0]!, { class: "Bag", backend });
    expect([named.name, named.classIndex]).toEqual(["Bag", 8]);
  });

  it("draws at any scale", async () => {
    const { map, picture, overlay, cells } = await explain(model, await test.read(0), { scale: 3, backend });
    expect([picture.height, picture.width, overlay.height, overlay.channels]).toEqual([168, 168, 168, 3]);
    expect(map).toEqual(spreadMap({ ...cells, values: Float64Array.from(cells.values), stride: 8 }, [side, side], 3));
    const png = await explanationPng({ title: "<Bag> & co, 93 %", method: "Grad-CAM", picture, overlay });
    expect(png.subarray(1, 4).toString()).toBe("PNG");
  });

  it("takes a class's name in capital letters or small ones", async () => {
    const model = repvgg("nano", { classNames: ["dog", "Cat", "cat"], inputSize: 16 });
    const picture: Image = { width: 16, height: 16, channels: 3, data: new Uint8Array(768) };
    const indexOf = async (name: string) => (await explain(model, picture, { class: name })).classIndex;
    expect(await Promise.all(["DOG", "Cat", "cat"].map(indexOf))).toEqual([0, 1, 2]);
    await expect(indexOf("CAT")).rejects.toThrow(/expected a class of the model, .* received "CAT": did you mean/);
  });

  it("refuses a class or a stage that there is not", async () => {
    const picture: Image = await test.read(0);
    const refused = (options: object): Promise<Explanation> => explain(model, picture, { ...options, backend });
    await expect(refused({ class: "Bug" })).rejects.toThrow(/received "Bug": did you mean "Bag"\?/);
    await expect(refused({ class: 10 })).rejects.toThrow(UserError);
    await expect(refused({ stage: 4 })).rejects.toThrow(/expected a stage from 0 to 3, received 4/);
  });
});

describe("spreadMap", () => {
  it("puts each place's value on the pixel on which it is centred", () => {
    const values = Float64Array.of(0, 1, 2, 4);
    const map = spreadMap({ height: 2, width: 2, values, stride: 4 }, [8, 8]);
    expect([map[0], map[4], map[32], map[36], map[63]]).toEqual([0, 0.25, 0.5, 1, 1]);
    expect(map[2]).toBeCloseTo(0.125, 6);
  });

  it("is 0 where no place speaks for the class", () => {
    const map = spreadMap({ height: 1, width: 1, values: Float64Array.of(0), stride: 4 }, [3, 3]);
    expect([...map]).toEqual(new Array(9).fill(0));
  });
});
