import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createBackend } from "#repvgg/backend/select.node.js";
import { memoryDataset, sharedBytes } from "#repvgg/data/memory-dataset.js";
import {
  type Dataset,
  evaluate,
  type Model,
  type RunPosition,
  repvgg,
  resume,
  type TrainingSets,
  type TrainOptions,
  train,
  trainingSets,
} from "#repvgg/index.js";
import { RunDirectory } from "#repvgg/train/run-directory.node.js";

const folder = mkdtempSync(join(tmpdir(), "repvgg-choosing-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const backend = await createBackend({ threads: 1 });
afterAll(() => backend.dispose());

const side = 8;

/**
 * Squares in one of four corners, the class (or, `turned`, the next one). The first two pixels are a number of the picture of its own, by
 * which it can be told wherever it turns up.
 */
function corners(name: string, count: number, first: number, turned = 0): Dataset {
  const pixels = sharedBytes(count * side * side);
  const labels = Int32Array.from({ length: count }, (_, i) => (i + turned) % 4);
  for (let i = 0; i < count; i++) {
    const at = (i % 4) % 2 === 0 ? 1 : 4;
    const row = i % 4 < 2 ? 1 : 4;
    for (let y = 0; y < 3; y++) {
      for (let x = 0; x < 3; x++) pixels[i * side * side + (row + y) * side + at + x] = 200 + ((i * 7 + x * y) % 50);
    }
    pixels[i * side * side] = (first + i) % 251;
    pixels[i * side * side + 1] = Math.floor((first + i) / 251);
  }
  const classNames = ["a", "b", "c", "d"];
  return watched(memoryDataset({ name, classNames, channels: 1, height: side, width: side, pixels, labels }), []);
}

/** Notes which pictures are read; of no source, so that no thread of its own reads them. */
function watched(dataset: Dataset, read: number[]): Dataset {
  return new Proxy(dataset, {
    get(target, key) {
      if (key === "source") return undefined;
      const value = Reflect.get(target, key, target);
      if (typeof value !== "function") return value;
      if (key === "select") return (...args: Parameters<Dataset["select"]>) => watched(target.select(...args), read);
      if (key !== "read") return value.bind(target);
      return async (index: number) => {
        const image = await target.read(index);
        read.push(image.data[0]! + 251 * image.data[1]!);
        return image;
      };
    },
  });
}

const net = (): Model =>
  repvgg(
    { depths: [1], widths: [8, 8], strides: [1, 2] },
    { classNames: ["a", "b", "c", "d"], inputChannels: 1, inputSize: side, seed: 1 },
  );
const options: TrainOptions = {
  ...{ epochs: 4, batchSize: 16, learningRate: 0.05, augmentation: "none", backend, workers: 0, report: false },
};
const sets: TrainingSets = {
  train: corners("corners", 160, 0),
  test: corners("others", 40, 2000),
};
const bitsOf = (out: string, name: string): string => readFileSync(join(out, name)).toString("base64");

describe("validation pictures", () => {
  it("are trained on never, the test pictures are read once, after the last epoch, and all others in every epoch", async () => {
    const [own, tested]: [number[], number[]] = [[], []];
    let atEpoch = 0;
    const leaksLookedFor = 40 + 1;
    const watching = { train: watched(sets.train, own), test: watched(sets.test!, tested) };
    const epochs: number[][] = [];
    const result = await train({ from: await tiny() }, watching, {
      ...{ ...options, validation: 0.25, freeze: 0, batchNorm: "frozen" },
      onEpoch: () => {
        epochs.push(own.slice(atEpoch));
        atEpoch = own.length;
        expect(tested.length, "test pictures read in training").toBeLessThanOrEqual(leaksLookedFor);
      },
    });
    expect(result.test!.images).toBe(40);
    // Before training byte for byte leaks are looked for, once; at its end the net of the run is measured, once.
    expect(tested.length).toBeLessThanOrEqual(leaksLookedFor + 40);
    // Every epoch reads each training picture once to learn (120 of 160: three of four of each class) and each validation picture once.
    const last = epochs.at(-1)!;
    const times = new Map<number, number>();
    for (const id of last) times.set(id, (times.get(id) ?? 0) + 1);
    expect(times.size).toBe(160 - (120 % 16));
    expect([...times.values()].every((count) => count === 1)).toBe(true);
    expect(result.epochs.every(({ validation }) => validation !== null)).toBe(true);
  });

  it("are parts that share no picture, of each class as many, the same by the same seed", async () => {
    const ids = async (set: Dataset): Promise<number[]> => {
      const images = await Promise.all(Array.from({ length: set.length }, async (_, i) => set.read(i)));
      return images.map(({ data }) => data[0]! + 251 * data[1]!);
    };
    const divided = await trainingSets(sets, { validation: 0.25, seed: 3 });
    const [learned, judged] = [await ids(divided.train), await ids(divided.validation!)];
    expect([learned.length, judged.length]).toEqual([120, 40]);
    expect(new Set([...learned, ...judged]).size).toBe(160);
    for (let label = 0; label < 4; label++) expect(judged.filter((id) => id % 4 === label).length).toBe(10);
    expect(await ids((await trainingSets(sets, { validation: 0.25, seed: 3 })).validation!)).toEqual(judged);
    expect(await ids((await trainingSets(sets, { validation: 0.25, seed: 4 })).validation!)).not.toEqual(judged);
    // What is divided already stays.
    expect(await trainingSets(divided, { validation: 0.5 })).toEqual(divided);
  });

  it("are a tenth of 1,000 training pictures, none of fewer, nor where a class has a single one", async () => {
    const parts = async (count: number) => {
      const { train: own, validation } = await trainingSets({ train: corners("m", count, 0) });
      return [own.length, validation?.length];
    };
    expect(await parts(1000)).toEqual([900, 100]);
    expect(await parts(999)).toEqual([999, undefined]);
    const many = corners("m", 1200, 0);
    const single = many.select(Array.from({ length: 1200 }, (_, i) => i).filter((i) => i % 4 !== 3 || i === 3));
    const left = await trainingSets({ train: single });
    expect([left.train.length, left.validation, left.validationPart]).toEqual([901, undefined, 0]);
    await expect(trainingSets({ train: single }, { validation: 0.1 })).rejects.toThrow(
      'expected at least two pictures of class "d" to hold one out, received 1: add pictures, give a val/ folder, or hold out none (--validation 0)',
    );
    for (const wrong of [1, 1.5, -0.1, Number.NaN]) {
      await expect(trainingSets({ train: many }, { validation: wrong })).rejects.toThrow(
        `expected a part to hold out above 0 and below 1 (or 0: none), received ${wrong}: 0.1 or 0.2 is usual (--validation, validation)`,
      );
    }
    // Nearly all: of each class one picture is left to learn from.
    expect((await trainingSets({ train: many }, { validation: 0.9999 })).train.length).toBe(4);
    const twice = { train: many, validation: corners("v", 8, 5000) };
    await expect(trainingSets(twice, { validation: 0.1 })).rejects.toThrow(
      "received both: v and 0.1: leave one of them out",
    );
    expect(await trainingSets(twice)).toEqual(twice);
    await expect(trainingSets({ train: many }, { validation: "given" })).rejects.toThrow(
      "expected the validation pictures that the run was begun with, received none beside m: give them as `validation`",
    );
  });

  /** A net that answers 'a' to all after a step. */
  async function tiny(): Promise<Model> {
    return (await train(net(), { train: sets.train }, { ...options, epochs: 1, validation: 0 })).model;
  }
});

describe("the net of a run", () => {
  // Labels of the test pictures are turned: the better the net becomes, the fewer of them it "names right". Who chose by them would
  // take the first epoch's net, who chooses by validation pictures a later one.
  const turned: TrainingSets = {
    ...sets,
    validation: corners("judges", 40, 3000),
    test: corners("turned", 40, 2000, 1),
  };
  const byTest: number[] = [];
  let out: string;
  let result: Awaited<ReturnType<typeof train>>;

  beforeAll(async () => {
    out = join(folder, "chosen");
    result = await train(net(), turned, { ...options, epochs: 6, out });
    // The same seeds and settings, with the test pictures where they do not belong: what they would have said of each epoch.
    const cheating = await train(net(), { train: turned.train, validation: turned.test! }, { ...options, epochs: 6 });
    byTest.push(...cheating.epochs.map(({ validation }) => validation!.top1));
  });

  it("is the one that the validation pictures chose, where the test pictures would have chosen another", async () => {
    const highest = Math.max(...result.epochs.map(({ validation }) => validation!.top1));
    const noise = Math.sqrt((highest * (1 - highest)) / 40);
    const best = result.epochs.findLast(({ validation }) => validation!.top1 >= highest - noise)!;
    expect(result.chosen).toEqual(best);
    expect(best.validation!.top1).toBeGreaterThan(0.9);
    const testBest = 1 + byTest.indexOf(Math.max(...byTest));
    expect(testBest).not.toBe(best.epoch);
    expect(result.test!.top1).toBeLessThan(Math.max(...byTest));
    expect((await evaluate(result.model, turned.test!, { backend })).top1).toBe(result.test!.top1);
  });

  it("leaves no best.safetensors beside it, and says in card and log what judged", () => {
    expect(existsSync(join(out, "best.safetensors"))).toBe(false);
    const card = readFileSync(join(out, "README.md"), "utf8");
    expect(card).toContain(`| net | epoch ${result.chosen!.epoch} of 6, chosen by 40 validation pictures |`);
    expect(card).toContain("split: test");
    const records = readFileSync(join(out, "metrics.jsonl"), "utf8");
    expect(records).not.toMatch(/test/i);
    const [header, ...rows] = readFileSync(join(out, "metrics.csv"), "utf8").trimEnd().split("\n");
    expect(header).toBe(
      "epoch,step,train_loss,validation_loss,validation_top1,validation_top5,learning_rate,wall_time,validation_balanced_accuracy",
    );
    expect(rows.map((row) => row.split(",").slice(0, 7).map(Number))).toEqual(
      result.epochs.map(({ epoch, step, trainLoss, validation, learningRate }) => [
        ...[epoch, step, trainLoss, validation!.loss, validation!.top1, validation!.top5, learningRate],
      ]),
    );
  });

  it("is the last epoch's by choose: last, and where nothing judges", async () => {
    for (const [more, given] of [
      [{ choose: "last" }, turned],
      [{}, { train: turned.train, test: turned.test! }],
    ] as const) {
      const last = await train(net(), given, { ...options, ...more, epochs: 3 });
      expect(last.chosen!.epoch).toBe(3);
    }
  });

  it("is tested on nothing where there is nothing: the card indexes no figure", async () => {
    const judged = join(folder, "judged");
    const remarks: string[] = [];
    const onRemark = (sentence: string): void => void remarks.push(sentence);
    const only = await train(
      net(),
      { train: turned.train, validation: turned.validation! },
      {
        ...{ ...options, epochs: 1, out: judged, onRemark },
      },
    );
    expect(only.test).toBeNull();
    expect(remarks.join()).toContain(
      "there are no test pictures: the only figures are those of the validation pictures",
    );
    const card = readFileSync(join(judged, "README.md"), "utf8");
    expect(card).toContain("These pictures judged the epochs of the training");
    expect(card).not.toContain("model-index");
    const none = join(folder, "unmeasured");
    const unmeasured = await train(net(), { train: turned.train }, { ...options, epochs: 1, out: none, report: true });
    expect([unmeasured.test, unmeasured.chosen!.validation]).toEqual([null, null]);
    expect(readFileSync(join(none, "README.md"), "utf8")).toContain("Nothing was measured when this card was written.");
    expect(readFileSync(join(none, "report.html"), "utf8")).toContain(
      "all pictures were trained on, so no accuracy was measured",
    );
  });
});

describe("a run that stops early", () => {
  // Its validation pictures are turned: they are fewer and fewer right, so the first epochs are the best.
  const failing: TrainingSets = { ...sets, validation: corners("judges", 40, 3000, 1) };
  const patient: TrainOptions = { ...options, epochs: 12, patience: 2, ema: 0.5 };

  it("ends with the same bits when it is stopped and resumed, in its last epochs too", async () => {
    const whole = join(folder, "whole");
    const remarks: string[] = [];
    const done = await train(net(), failing, {
      ...patient,
      out: whole,
      onRemark: (sentence) => remarks.push(sentence),
    });
    const { epoch } = done.epochs.at(-1)!;
    const highest = done.epochs.reduce((a, b) => (b.validation!.top1 > a.validation!.top1 ? b : a)).epoch;
    expect([done.stoppedEarly, epoch - highest, epoch < 12]).toEqual([true, 2, true]);
    expect(remarks.join("\n")).toContain(
      `stopped early after epoch ${epoch} of 12: 2 epochs in a row no better than epoch ${highest}, validation top-1 `,
    );
    for (const step of [3, (epoch - 2) * 10 + 4, epoch * 10 - 1]) {
      const out = join(folder, `stopped-${step}`);
      const stop = new AbortController();
      const half = await train(net(), failing, {
        ...{ ...patient, out, signal: stop.signal },
        onStep: (position) => position.step === step && stop.abort(),
      });
      expect([half.interrupted, half.stoppedEarly, half.chosen, half.test]).toEqual([true, false, undefined, null]);
      const again = await resume(out, { backend, workers: 0, report: false }, failing);
      expect(again.stoppedEarly).toBe(true);
      expect(bitsOf(out, "model.safetensors")).toBe(bitsOf(whole, "model.safetensors"));
      expect(bitsOf(out, "last.safetensors")).toBe(bitsOf(whole, "last.safetensors"));
      expect(again.epochs).toEqual(done.epochs);
      expect(again.test).toEqual(done.test);
    }
    // Resumed once more it is done.
    const before = bitsOf(whole, "model.safetensors");
    const again = await resume(whole, { backend, workers: 0 }, failing);
    expect([again.stoppedEarly, again.epochs.length]).toEqual([true, epoch]);
    expect(bitsOf(whole, "model.safetensors")).toBe(before);
  });

  it("is refused without validation pictures, before anything is written", async () => {
    const out = join(folder, "impatient");
    await expect(train(net(), sets, { ...patient, out })).rejects.toThrow(
      "expected validation pictures to stop early by (--patience), received none: take a part of the training pictures (--validation 0.1), or put a val/ folder beside train/",
    );
    expect(existsSync(out)).toBe(false);
  });
});

describe("a run of another length", () => {
  const judged: TrainingSets = { ...sets, validation: corners("judges", 40, 3000) };
  const begin = (out: string, more: TrainOptions = {}) => train(net(), judged, { ...options, epochs: 2, out, ...more });
  const goOn = (out: string, epochs: number, remarks: string[] = []) =>
    resume(out, { backend, workers: 0, report: false, epochs, onRemark: (line) => remarks.push(line) }, judged);

  it("goes on after its end by a warm restart that is said, with the cosine of the new length, and records it", async () => {
    const out = join(folder, "longer");
    await begin(out, { report: true });
    writeFileSync(join(out, "README.md"), `${readFileSync(join(out, "README.md"), "utf8")}\nMine.\n`);
    const remarks: string[] = [];
    const { epochs, chosen } = await goOn(out, 5, remarks);
    expect(remarks[0]).toMatch(
      /^5 epochs instead of 2, a warm restart: the run had ended at a learning rate of [\d.e-]+; from epoch 3 on the learning rate is that of a run of 5, now 0\.0\d+$/,
    );
    expect(epochs.map(({ epoch }) => epoch)).toEqual([1, 2, 3, 4, 5]);
    const five = await train(net(), judged, { ...options, epochs: 5 });
    expect(epochs.slice(2).map(({ learningRate }) => learningRate)).toEqual(
      five.epochs.slice(2).map(({ learningRate }) => learningRate),
    );
    expect(chosen!.epoch).toBeGreaterThan(0);
    const { config, changedLengths } = JSON.parse(readFileSync(join(out, "config.json"), "utf8"));
    expect([config.epochs, changedLengths]).toEqual([5, [{ from: 2, to: 5, atEpoch: 2, atStep: 20 }]]);
    // What somebody added to the card of the first end is not lost, and the new card is of the new end.
    expect(readFileSync(join(out, "README.2-epochs.md"), "utf8")).toContain("Mine.");
    expect(readFileSync(join(out, "README.md"), "utf8")).toContain(
      "| epochs, changed | 5 instead of 2 after epoch 2 |",
    );
    expect(readdirSync(out).sort()).toEqual(
      [
        ...["README.2-epochs.md", "README.md", "config.json", "curves.png", "curves.svg"],
        ...["events.out.tfevents.repvgg", "initial.safetensors", "last.safetensors"],
        ...["metrics.csv", "metrics.jsonl", "model.safetensors"],
      ].sort(),
    );
  });

  it("ends with the same bits when it is stopped after the change and resumed", async () => {
    const [whole, stopped] = [join(folder, "changed"), join(folder, "changed-stopped")];
    for (const out of [whole, stopped]) await begin(out);
    const done = await goOn(whole, 4);
    const stop = new AbortController();
    const half = await resume(
      stopped,
      {
        ...{ backend, workers: 0, report: false, epochs: 4, signal: stop.signal },
        onStep: ({ step }) => step === 33 && stop.abort(),
      },
      judged,
    );
    expect(half.interrupted).toBe(true);
    expect(existsSync(join(stopped, "model.safetensors"))).toBe(false); // it became the best net so far
    expect(existsSync(join(stopped, "best.safetensors"))).toBe(true);
    const again = await resume(stopped, { backend, workers: 0, report: false }, judged);
    expect(again.epochs).toEqual(done.epochs);
    expect(bitsOf(stopped, "model.safetensors")).toBe(bitsOf(whole, "model.safetensors"));
  });

  it("keeps the best net of before where no later epoch is better", async () => {
    const out = join(folder, "kept");
    const first = await begin(out, { epochs: 4 });
    const file = join(out, "config.json");
    const setup = JSON.parse(readFileSync(file, "utf8"));
    // So high a rate spoils what was learned.
    writeFileSync(file, JSON.stringify({ ...setup, config: { ...setup.config, learningRate: 30, momentum: 0.99 } }));
    const longer = await goOn(out, 6);
    expect(longer.chosen).toEqual(first.chosen);
    expect(longer.test!.top1).toBe(first.test!.top1);
    for (const [name, { data }] of first.model.state) {
      if (!/running_|num_batches/.test(name)) expect(longer.model.state.get(name)!.data, name).toEqual(data);
    }
  });

  it("may be shorter, but not than what is done; and the same length changes nothing", async () => {
    const out = join(folder, "shorter");
    const stop = new AbortController();
    await begin(out, { epochs: 6, signal: stop.signal, onStep: ({ step }) => step === 25 && stop.abort() });
    await expect(goOn(out, 2)).rejects.toThrow(
      "expected at least 3 epochs, which the run has begun, received 2: give more (--epochs), or begin a new run",
    );
    await expect(goOn(out, 2.5)).rejects.toThrow("expected epochs to be a whole number ≥ 1, received 2.5");
    const remarks: string[] = [];
    const { epochs } = await goOn(out, 3, remarks);
    expect(epochs.length).toBe(3);
    expect(remarks[0]).toMatch(
      /^3 epochs instead of 6: from epoch 3 on the learning rate is that of a run of 3, now 0\.0\d+ instead of 0\.0\d+$/,
    );
    await expect(goOn(out, 1)).rejects.toThrow("expected at least 3 epochs, which the run has done, received 1");
    const before = bitsOf(out, "config.json");
    await goOn(out, 3);
    expect(bitsOf(out, "config.json")).toBe(before);
  });
});

it("a run that a version began which chose by the test pictures goes on, and chooses nothing", async () => {
  const out = join(folder, "older");
  const stop = new AbortController();
  const signal = { signal: stop.signal, onEpoch: ({ epoch }: { epoch: number }) => epoch === 2 && stop.abort() };
  await train(net(), sets, { ...options, ...signal, validation: 0, out });
  const file = join(out, "config.json");
  const { validation: _, ...setup } = JSON.parse(readFileSync(file, "utf8"));
  const { choose: __, patience: ___, ...config } = setup.config;
  writeFileSync(file, JSON.stringify({ ...setup, config }));
  const log = join(out, "metrics.jsonl");
  const old = readFileSync(log, "utf8").replaceAll('"validation":null', '"testLoss":1.5,"testTop1":0.75,"testTop5":1');
  expect(old).toContain('"testTop1":0.75');
  writeFileSync(log, old);
  writeFileSync(join(out, "best.safetensors"), readFileSync(join(out, "initial.safetensors")));
  const run = RunDirectory.open(out);
  const { position, ...state } = (await run.readCheckpoint())!;
  const best = { epoch: 1, top1: 0.75 } as RunPosition["best"];
  await run.writeCheckpoint({ ...state, position: { ...position, best } });
  const remarks: string[] = [];
  const done = await resume(out, { backend, workers: 0, report: false, onRemark: (line) => remarks.push(line) }, sets);
  expect((await run.readCheckpoint())!.position.best).toBeNull();
  expect(remarks[0]).toContain("chose its epoch by the test pictures: nothing is chosen any more");
  expect(done.epochs.map(({ epoch, validation }) => [epoch, validation])).toEqual([1, 2, 3, 4].map((n) => [n, null]));
  expect(done.chosen!.epoch).toBe(4);
  expect(existsSync(join(out, "best.safetensors"))).toBe(false);
  const fresh = await train(net(), sets, { ...options, validation: 0 });
  for (const [name, { data }] of fresh.model.state) expect(done.model.state.get(name)!.data, name).toEqual(data);
});
