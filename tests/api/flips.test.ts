import { expect, it } from "vitest";
import { meanAnswer, mirrored } from "#repvgg/classifier/flips.js";
import { softmax } from "#repvgg/classifier/prediction.js";
import { flipHorizontal } from "#repvgg/data/image.js";
import { memoryDataset } from "#repvgg/data/memory-dataset.js";
import { evaluate, predict } from "#repvgg/index.js";
import { memoryPictures } from "../data/pictures.js";
import { smallNet, someFashion } from "./support.js";

const { test } = await someFashion({ train: 10, test: 30 });
const net = smallNet(test);

it("mirrors every picture of a batch as the one by itself", () => {
  for (const channels of [1, 3] as const) {
    const images = [0, 1].map((i) => memoryPictures(2, { size: 5, channels }).read(i));
    const batch = {
      size: 2,
      height: 5,
      width: 5,
      channels,
      images: Uint8Array.from(images.flatMap(({ data }) => [...data])),
    };
    const once = mirrored(batch);
    expect([...once.images]).toEqual(images.flatMap((image) => [...flipHorizontal(image).data]));
    expect(mirrored(once).images).toEqual(batch.images);
  }
});

it("takes the mean of probabilities, whatever the scale of logits, and of a 0 the half", () => {
  const mean = softmax(meanAnswer(Float32Array.of(40, 0, 0, 2), Float32Array.of(0, 0.5, 2, 0), 2));
  const [a, b] = [softmax(Float32Array.of(40, 0)), softmax(Float32Array.of(0, 0.5))];
  const of = softmax(meanAnswer(Float32Array.of(40, 0), Float32Array.of(0, 0.5), 2));
  expect(of[0]).toBeCloseTo((a[0]! + b[0]!) / 2, 6);
  expect(mean).toHaveLength(4);
  const zero = meanAnswer(Float32Array.of(-1e4, 0), Float32Array.of(-1e4, 0), 2);
  expect([...zero].every(Number.isFinite)).toBe(true);
});

it("evaluates and predicts by the picture and its mirror image", async () => {
  const flipped = memoryDataset({
    ...{ name: "mirror", classNames: test.classNames, channels: 1, height: 28, width: 28 },
    pixels: Uint8Array.from(
      Array.from({ length: 30 }, (_, i) => [...flipHorizontal(await0(test.read(i))).data]).flat(),
    ),
    labels: Array.from({ length: 30 }, (_, i) => test.label(i)),
  });
  const own = await evaluate(net, test, { threads: 1, flips: true });
  const other = await evaluate(net, flipped, { threads: 1, flips: true });
  expect(other.confusion).toEqual(own.confusion);
  expect(other.loss).toBeCloseTo(own.loss, 5);
  const plain = await evaluate(net, test, { threads: 1 });
  expect(plain.loss).not.toBeCloseTo(own.loss, 5);
  const picture = await0(test.read(3));
  const one = (shown: typeof picture, flips: boolean) => predict(net, shown, { threads: 1, top: 10, flips });
  const both = await one(picture, true);
  const [left, right] = [await one(picture, false), await one(flipHorizontal(picture), false)];
  for (const { name, probability } of both) {
    const of = (answers: typeof both) => answers.find((answer) => answer.name === name)!.probability;
    expect(probability).toBeCloseTo((of(left) + of(right)) / 2, 5);
  }
});

/** Pictures in memory are there at once. */
function await0<T>(value: T | Promise<T>): T {
  return value as T;
}
