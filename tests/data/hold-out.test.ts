import { describe, expect, test } from "vitest";
import { UserError } from "#repvgg/core/errors.js";
import { rngFor } from "#repvgg/core/rng.js";
import type { Dataset, Image } from "#repvgg/data/dataset.js";
import { checkSameClasses, holdOut, indicesByClass } from "#repvgg/data/hold-out.js";
import { memoryDataset } from "#repvgg/data/memory-dataset.js";

/** Pictures of one pixel whose value is their index; classes of these sizes, mixed. */
function classesOf(...sizes: number[]): Dataset {
  const labels = rngFor(4, "labels").shuffle(sizes.flatMap((size, label) => new Array<number>(size).fill(label)));
  return memoryDataset({
    name: "numbers",
    classNames: sizes.map((_, label) => `class ${label}`),
    ...{ channels: 1, height: 1, width: 1, labels },
    pixels: Uint8Array.from(labels, (_, i) => i),
  });
}

const indices = (dataset: Dataset): number[] =>
  Array.from({ length: dataset.length }, (_, i) => (dataset.read(i) as Image).data[0]!);

function counts(dataset: Dataset): number[] {
  const result = dataset.classNames.map(() => 0);
  for (let i = 0; i < dataset.length; i++) result[dataset.label(i)]!++;
  return result;
}

describe("holdOut", () => {
  test.each([
    [0.1, [1, 1, 1, 2, 10]],
    [0.5, [1, 2, 5, 10, 50]],
    [0.001, [1, 1, 1, 1, 1]],
    [0.9, [1, 2, 9, 18, 90]],
    [0.999, [1, 2, 9, 19, 99]],
  ])("of %d takes that part of each class, at least one and never all", (fraction, held) => {
    const dataset = classesOf(2, 3, 10, 20, 100);
    const { train, test: rest } = holdOut(dataset, fraction, 3);
    expect(counts(rest)).toEqual(held);
    expect(counts(train)).toEqual([2, 3, 10, 20, 100].map((size, label) => size - held[label]!));
    expect([...indices(train), ...indices(rest)].sort((a, b) => a - b)).toEqual(indices(dataset));
    for (const part of [train, rest]) expect(indices(part)).toEqual(indices(part).sort((a, b) => a - b));
    expect([train.name, rest.name]).toEqual(["numbers/train", "numbers/held-out"]);
  });

  test("draws by the seed, each class by itself, every picture with the same chance", () => {
    const dataset = classesOf(10, 10);
    const drawn = (seed: number): number[] => indices(holdOut(dataset, 0.3, seed).test);
    expect(drawn(1)).toEqual(drawn(1));
    const counted = new Map<number, number>();
    for (let seed = 0; seed < 400; seed++)
      for (const index of drawn(seed)) counted.set(index, (counted.get(index) ?? 0) + 1);
    expect(counted.size).toBe(20);
    for (const count of counted.values()) expect(Math.abs(count - 120)).toBeLessThan(45);
    // The places within one class do not follow those within the other.
    const places = (label: number, seed: number) => {
      const own = indicesByClass(dataset)[label]!;
      return drawn(seed)
        .filter((index) => own.includes(index))
        .map((index) => own.indexOf(index))
        .join();
    };
    expect(
      Array.from({ length: 30 }, (_, seed) => places(0, seed) === places(1, seed)).filter(Boolean).length,
    ).toBeLessThan(5);
  });

  test("refuses fractions that leave nothing, and classes of one picture", () => {
    for (const fraction of [0, 1, -0.1, 1.1, Number.NaN]) {
      expect(() => holdOut(classesOf(5, 5), fraction, 1)).toThrow(UserError);
      expect(() => holdOut(classesOf(5, 5), fraction, 1)).toThrow(/above 0 and below 1/);
    }
    expect(() => holdOut(classesOf(3, 1), 0.5, 1)).toThrow(
      /at least two pictures of class "class 1" to hold one out, received 1: add pictures, give a test split, or hold out none/,
    );
    expect(() => holdOut(classesOf(2, 2), 0.5, 1)).not.toThrow();
  });
});

test("pictures by class, ascending", () => {
  const dataset = classesOf(3, 0, 4);
  const byClass = indicesByClass(dataset);
  expect(byClass.map(({ length }) => length)).toEqual([3, 0, 4]);
  byClass.forEach((own, label) => {
    expect(own).toEqual(indices(dataset).filter((index) => dataset.label(index) === label));
  });
});

test("two data sets have to have the same classes in the same order", () => {
  const set = (name: string, ...classNames: string[]): Dataset => ({ ...classesOf(2, 2), name, classNames }) as Dataset;
  const check = (a: string[], b: string[]) => () => checkSameClasses(set("train", ...a), set("test", ...b));
  expect(check(["a", "b"], ["a", "b"])).not.toThrow();
  expect(check(["a", "b"], ["b", "a"])).toThrow(/the same classes in test as in train, received another order/);
  expect(check(["a", "b"], ["a"])).toThrow(/received without "b"/);
  expect(check(["a"], ["a", "b", "c"])).toThrow(/received with "b", "c"/);
  expect(check(["a", "b"], ["a", "c"])).toThrow(/received without "b" and with "c"/);
});
