import { appendFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { UserError } from "#repvgg/core/errors.js";
import { f32, type NamedArray } from "#repvgg/core/named-arrays.js";
import { type Checkpoint, decodeCheckpoint, encodeCheckpoint } from "#repvgg/train/checkpoint.js";
import type { EpochRecord, HistoryRecord, StepRecord } from "#repvgg/train/history.js";
import { RunDirectory } from "#repvgg/train/run-directory.node.js";
import { encodeFileVersion, encodeScalars } from "#repvgg/train/tensorboard.js";

function folder(): string {
  const path = mkdtempSync(join(tmpdir(), "repvgg-run-"));
  onTestFinished(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

const arrays = (value: number): Map<string, NamedArray> =>
  new Map([["linear.bias", f32([2], Float32Array.of(value, 0))]]);
const initial = { arrays: arrays(1), metadata: { kind: "initial" } };
const step = (n: number, epoch = 0): StepRecord => ({ kind: "step", step: n, epoch, loss: n / 8, learningRate: 1 / n });
const epochEnd = (n: number, epoch: number): EpochRecord => ({
  ...{
    kind: "epoch",
    step: n,
    epoch,
    trainLoss: 1.5,
    validation: { loss: 2.5, top1: 0.25, top5: 0.75 },
    learningRate: 0.5,
  },
});
const history: HistoryRecord[] = [step(2), step(4), epochEnd(5, 1), step(6, 1), step(8, 1), epochEnd(10, 2)];

async function newRun(path = join(folder(), "a", "run")): Promise<RunDirectory> {
  return RunDirectory.create(path, { epochs: 3 }, initial);
}

/** The event file of these records: the version, then the scalars of each. */
function events(records: readonly (HistoryRecord & { wallTime: number })[]): Uint8Array {
  return Buffer.concat([
    encodeFileVersion(records[0]!.wallTime),
    ...records.map(({ wallTime, ...record }) => {
      const values: Record<string, number> =
        record.kind === "step"
          ? { "train/loss": record.loss, "train/learning_rate": record.learningRate }
          : {
              "train/epoch_loss": record.trainLoss,
              ...(record.validation && {
                "validation/loss": record.validation.loss,
                ...{ "validation/top1": record.validation.top1, "validation/top5": record.validation.top5 },
              }),
            };
      return encodeScalars({ step: record.step, wallTime, values });
    }),
  ]);
}

const lines = (run: RunDirectory) =>
  readFileSync(run.file("metrics.jsonl"), "utf8")
    .split("\n")
    .slice(0, -1)
    .map((line) => JSON.parse(line));

describe("a run's folder", () => {
  it("is made with its first model and its configuration; what an earlier run left is not gone on with", async () => {
    const path = join(folder(), "run");
    mkdirSync(path);
    writeFileSync(join(path, "last.safetensors"), "of an earlier run");
    const run = await newRun(path);
    expect(existsSync(run.file("last.safetensors"))).toBe(false);
    expect(run.path).toBe(path);
    expect(readFileSync(join(path, "config.json"), "utf8")).toBe('{\n  "epochs": 3\n}\n');
    expect(run.readConfig()).toEqual({ epochs: 3 });
    const model = await run.readModel("initial");
    expect(model.arrays.get("linear.bias")!.data).toEqual(Float32Array.of(1, 0));
    expect(model.metadata).toEqual(initial.metadata);
    expect(await run.readCheckpoint()).toBeUndefined();
    expect(run.readHistory()).toEqual([]);
  });

  it("is not begun where a run is, nor opened where none is", async () => {
    const run = await newRun();
    await expect(newRun(run.path)).rejects.toThrow(UserError);
    await expect(newRun(run.path)).rejects.toThrow(
      /a new folder for the run, received .*, which holds a run: go on with it/,
    );
    expect(() => RunDirectory.checkNew(run.path)).toThrow(UserError);
    const none = folder();
    RunDirectory.checkNew(none);
    expect(RunDirectory.exists(none)).toBe(false);
    expect(() => RunDirectory.open(none)).toThrow(/the folder of a run \(with config\.json\), received/);
    expect(RunDirectory.exists(run.path)).toBe(true);
    expect(RunDirectory.open(run.path).readConfig()).toEqual({ epochs: 3 });
  });

  it("is cleared of half-written files, and of nothing else, when it is opened", async () => {
    const run = await newRun();
    const kept = ["notes.tmp", ".hidden", ".x.tmp.png", "last.safetensors.tmp"];
    for (const name of [".last.safetensors.12.0.tmp", ...kept]) writeFileSync(run.file(name), "x");
    RunDirectory.open(run.path);
    expect(existsSync(run.file(".last.safetensors.12.0.tmp"))).toBe(false);
    for (const name of kept) expect(existsSync(run.file(name)), name).toBe(true);
    writeFileSync(run.file("config.json"), "{");
    expect(() => run.readConfig()).toThrow(/config\.json to be JSON, received/);
  });

  it("keeps models and the last checkpoint by their names", async () => {
    const run = await newRun();
    await run.writeModel("best", { arrays: arrays(7), metadata: {} });
    await run.writeModel("model", { arrays: arrays(8), metadata: {} });
    const value = async (name: "initial" | "best" | "model") =>
      Number((await run.readModel(name)).arrays.get("linear.bias")!.data[0]);
    expect([await value("initial"), await value("best"), await value("model")]).toEqual([1, 7, 8]);
    expect(existsSync(run.file("best.safetensors"))).toBe(true);
    const checkpoint: Checkpoint = {
      position: {
        step: 7,
        epoch: 1,
        stepInEpoch: 2,
        lossSum: 1.25,
        best: { epoch: 1, top1: 0.5, highest: { epoch: 1, top1: 0.5 } },
      },
      ...{ model: arrays(2), optimizer: arrays(3), average: new Map() },
    };
    await run.writeCheckpoint(checkpoint);
    expect(existsSync(run.file("last.safetensors"))).toBe(true);
    const read = (await run.readCheckpoint())!;
    expect(read.position).toEqual(checkpoint.position);
    expect(read.model.get("linear.bias")!.data).toEqual(Float32Array.of(2, 0));
    expect(read.optimizer.get("linear.bias")!.data).toEqual(Float32Array.of(3, 0));
    expect(read.average.size).toBe(0);
  });
});

describe("a run's log", () => {
  it("has each record once as a line and once as an event, with the time", async () => {
    const run = await newRun();
    const before = Date.now() / 1000;
    for (const record of history) run.append(record);
    expect(run.readHistory()).toEqual(history);
    const written = lines(run);
    expect(written.map(({ wallTime: _, ...record }) => record)).toEqual(history);
    for (const { wallTime } of written) {
      expect(wallTime).toBeGreaterThanOrEqual(before);
      expect(wallTime).toBeLessThanOrEqual(Date.now() / 1000);
    }
    expect(readFileSync(run.file("events.out.tfevents.repvgg")).equals(events(written))).toBe(true);
  });

  it("of which a line that a kill cut short does not count", async () => {
    const run = await newRun();
    for (const record of history) run.append(record);
    appendFileSync(run.file("metrics.jsonl"), '{"kind":"step","st');
    expect(run.readHistory()).toEqual(history);
  });

  it.each([
    ["in the middle of an epoch, with the record of its own step", { step: 6, epoch: 1 }, 4],
    ["between two records", { step: 7, epoch: 1 }, 4],
    ["at the end of an epoch", { step: 5, epoch: 1 }, 3],
    ["at an epoch's last step, before its evaluation", { step: 10, epoch: 1 }, 5],
    ["before the first epoch's end", { step: 3, epoch: 0 }, 1],
    ["at the end", { step: 10, epoch: 2 }, 6],
  ])("is cut back to a checkpoint %s", async (_, position, kept) => {
    const run = await newRun();
    for (const record of history) run.append(record);
    const before = lines(run);
    await run.cutHistory(position);
    expect(run.readHistory()).toEqual(history.slice(0, kept));
    expect(lines(run)).toEqual(before.slice(0, kept));
    expect(readFileSync(run.file("events.out.tfevents.repvgg")).equals(events(before.slice(0, kept)))).toBe(true);
    run.append(step(11, 2));
    expect(run.readHistory()).toEqual([...history.slice(0, kept), step(11, 2)]);
  });

  it("is empty again where there was no checkpoint, but for a first epoch's worth of time", async () => {
    const run = await newRun();
    for (const record of [step(1), epochEnd(1, 1)]) run.append(record);
    await run.cutHistory();
    expect(run.readHistory()).toEqual([]);
    expect(readFileSync(run.file("metrics.jsonl"), "utf8")).toBe("");
    const file = readFileSync(run.file("events.out.tfevents.repvgg"));
    const wallTime = file.readDoubleLE(13); // of the version record: 12 bytes of frame, a byte of field
    expect(Math.abs(wallTime - Date.now() / 1000)).toBeLessThan(100);
    expect(file.equals(encodeFileVersion(wallTime))).toBe(true);
  });

  it("that cannot be written is told", async () => {
    const run = await newRun();
    mkdirSync(run.file("metrics.jsonl"));
    expect(() => run.append(step(1))).toThrow(UserError);
    expect(() => run.append(step(1))).toThrow(/expected to write .*metrics\.jsonl/);
  });
});

describe("a checkpoint as a file", () => {
  const checkpoint: Checkpoint = {
    position: { step: 3, epoch: 0, stepInEpoch: 3, lossSum: 0.1 + 0.2, best: null },
    model: arrays(1),
    optimizer: new Map([["velocity.linear/bias", f32([1], Float32Array.of(4))]]),
    average: arrays(2),
  };

  it("is read as it was written", () => {
    const { arrays: stored, metadata } = encodeCheckpoint(checkpoint);
    expect([...stored.keys()]).toEqual(["model/linear.bias", "optimizer/velocity.linear/bias", "average/linear.bias"]);
    expect(decodeCheckpoint(stored, metadata, "file")).toEqual(checkpoint);
    expect(decodeCheckpoint(new Map([...stored, ["other", arrays(1).get("linear.bias")!]]), metadata, "file")).toEqual(
      checkpoint,
    );
  });

  it.each([
    ["of another format", { format: "repvgg-1" }],
    ["without a position", { position: "" }],
    ["with a position that is no JSON", { position: "{" }],
    ["with half a step", { position: JSON.stringify({ ...checkpoint.position, step: 1.5 }) }],
    ["with a negative epoch", { position: JSON.stringify({ ...checkpoint.position, epoch: -1 }) }],
    ["without the step in the epoch", { position: JSON.stringify({ ...checkpoint.position, stepInEpoch: undefined }) }],
    ["without the sum of losses", { position: JSON.stringify({ ...checkpoint.position, lossSum: null }) }],
    ["with null for a position", { position: "null" }],
  ])("%s is refused", (_, other) => {
    const { arrays: stored, metadata } = encodeCheckpoint(checkpoint);
    expect(() => decodeCheckpoint(stored, { ...metadata, ...other }, "x.safetensors")).toThrow(
      /the checkpoint of a run, received x\.safetensors, a safetensors file of another kind: name the run's own folder/,
    );
  });
});
