import {
  appendFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmdirSync,
  rmSync,
} from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import { UserError } from "../core/errors.js";
import type { NamedArrays } from "../core/named-arrays.js";
import { writeFileAtomically } from "../formats/atomic-write.node.js";
import { explainFileError } from "../formats/file-errors.node.js";
import { readSafetensorsFile, writeSafetensorsFile } from "../formats/safetensors/file.node.js";
import type { Safetensors } from "../formats/safetensors/read.js";
import { type Checkpoint, decodeCheckpoint, encodeCheckpoint, type RunPosition } from "./checkpoint.js";
import { csvHeader, csvRow } from "./csv-log.js";
import type { EpochScore, HistoryRecord } from "./history.js";
import { encodeFileVersion, encodeScalars } from "./tensorboard.js";

/** A model file's contents. */
export interface ModelContents {
  readonly arrays: NamedArrays;
  readonly metadata: Readonly<Record<string, string>>;
}

/** Model files of a run. */
export type RunModel = "initial" | "best" | "model";

/**
 * The folder of one training run:
 *   config.json            what is trained on what, how
 *   initial.safetensors    the model file at the start
 *   last.safetensors       the state from which the run goes on (weights, optimizer, average, position)
 *   best.safetensors       while the run is under way: the model file of the best epoch so far by the validation pictures
 *   model.safetensors      at the end: the net that the run gives
 *   metrics.jsonl          one record a line (history.ts), and the same as TensorBoard events
 *   metrics.csv            one row an epoch
 *   curves.svg, curves.png pictures of them
 *   report.html            all of it to look at, at the end
 *   README.md              the model card of model.safetensors, at the end
 * Every file but the three logs is replaced as a whole or not at all; the logs are cut back to the checkpoint on resume.
 */
export class RunDirectory {
  readonly path: string;
  readonly #eventFile: string;
  /** Folders that this process made for the run, the innermost first. */
  #created: readonly string[] = [];

  private constructor(path: string) {
    this.path = path;
    this.#eventFile = join(path, "events.out.tfevents.repvgg");
  }

  /**
   * A new run. Its config.json is written last: a folder that has one can be resumed.
   * @param initial the model file at the start
   * @throws UserError when the folder holds a run already, or cannot be written.
   */
  static async create(path: string, config: unknown, initial: ModelContents): Promise<RunDirectory> {
    RunDirectory.checkNew(path);
    const run = new RunDirectory(path);
    run.#write(() => run.#makeFolder(), path);
    rmSync(run.file("last.safetensors"), { force: true });
    await run.writeModel("initial", initial);
    await run.writeConfig(config);
    return run;
  }

  /** @throws UserError when the folder holds a run already. */
  static checkNew(path: string): void {
    if (!RunDirectory.exists(path)) return;
    throw new UserError({
      expected: "a new folder for the run",
      received: `${path}, which holds a run`,
      remedy: "go on with it by --resume, or name another folder by --out",
    });
  }

  /** A run that exists; what a killed process left half written is removed. @throws UserError when the folder holds none. */
  static open(path: string): RunDirectory {
    if (!RunDirectory.exists(path)) {
      throw new UserError({
        expected: "the folder of a run (with config.json)",
        received: path,
        remedy: "start one with: repvgg train DATA --out FOLDER",
      });
    }
    for (const name of readdirSync(path)) if (isTemporary(name)) rmSync(join(path, name), { force: true });
    return new RunDirectory(path);
  }

  /**
   * Removes what {@link create} and the logs wrote, and the folders that are empty then, unless there is a checkpoint: for a run that
   * failed before it had come to anything.
   */
  discardWithoutCheckpoint(): void {
    if (existsSync(this.file("last.safetensors"))) return;
    for (const name of [
      "config.json",
      "initial.safetensors",
      "metrics.jsonl",
      "metrics.csv",
      basename(this.#eventFile),
    ]) {
      rmSync(this.file(name), { force: true });
    }
    for (const folder of this.#created) {
      if (readdirSync(folder).length > 0) return;
      rmdirSync(folder);
    }
  }

  static exists(path: string): boolean {
    return existsSync(join(path, "config.json"));
  }

  file(name: string): string {
    return join(this.path, name);
  }

  /** config.json as it was written last. */
  readConfig(): unknown {
    try {
      return JSON.parse(readFileSync(this.file("config.json"), "utf8"));
    } catch (cause) {
      throw new UserError({ expected: "config.json to be JSON", received: this.file("config.json") }, { cause });
    }
  }

  async writeConfig(config: unknown): Promise<void> {
    await writeFileAtomically(this.file("config.json"), `${JSON.stringify(config, null, 2)}\n`);
  }

  /**
   * Of a run that ended and is to go on: what tells of that end no longer stands where a reader looks. The card, which somebody may have
   * added to, becomes README.EPOCHS-epochs.md; the report is made again.
   * @param chosen its net was the best epoch's, and is the best so far
   */
  setEndAside(epochs: number, chosen: boolean): void {
    const move = (from: string, to: string): void => {
      if (existsSync(this.file(from))) this.#write(() => renameSync(this.file(from), this.file(to)), this.file(to));
    };
    if (chosen && !this.hasModel("best")) move("model.safetensors", "best.safetensors");
    move("README.md", `README.${epochs}-epochs.md`);
    rmSync(this.file("report.html"), { force: true });
  }

  async writeCheckpoint(checkpoint: Checkpoint): Promise<void> {
    const { arrays, metadata } = encodeCheckpoint(checkpoint);
    await writeSafetensorsFile(this.file("last.safetensors"), arrays, metadata);
  }

  /** The last checkpoint; undefined when the run was stopped before its first. */
  async readCheckpoint(): Promise<Checkpoint | undefined> {
    const path = this.file("last.safetensors");
    if (!existsSync(path)) return undefined;
    const { arrays, metadata } = await readSafetensorsFile(path);
    return decodeCheckpoint(arrays, metadata, path);
  }

  async writeModel(name: RunModel, { arrays, metadata }: ModelContents): Promise<void> {
    await writeSafetensorsFile(this.file(`${name}.safetensors`), arrays, metadata);
  }

  async readModel(name: RunModel): Promise<Safetensors> {
    return readSafetensorsFile(this.file(`${name}.safetensors`));
  }

  hasModel(name: RunModel): boolean {
    return existsSync(this.file(`${name}.safetensors`));
  }

  removeModel(name: RunModel): void {
    rmSync(this.file(`${name}.safetensors`), { force: true });
  }

  /** Appends to metrics.jsonl, metrics.csv and the event file. @throws UserError where they cannot be written. */
  append(record: HistoryRecord): void {
    const wallTime = Date.now() / 1000;
    this.#append(this.file("metrics.jsonl"), `${JSON.stringify({ ...record, wallTime })}\n`);
    if (!existsSync(this.#eventFile)) this.#append(this.#eventFile, encodeFileVersion(wallTime));
    this.#append(this.#eventFile, encodeScalars({ step: record.step, wallTime, values: scalars(record) }));
    if (record.kind !== "epoch") return;
    const table = this.file("metrics.csv");
    this.#append(table, `${existsSync(table) ? "" : csvHeader}${csvRow({ ...record, wallTime })}`);
  }

  /** All records, in order. A last line that a kill cut short is left out. */
  readHistory(): HistoryRecord[] {
    return this.#records().map(({ wallTime: _, ...record }) => record as HistoryRecord);
  }

  /** Drops what was logged after a checkpoint (by a process that was killed before its next one); all without one. */
  async cutHistory(position: Pick<RunPosition, "step" | "epoch"> = { step: 0, epoch: 0 }): Promise<void> {
    const kept = this.#records().filter((record) =>
      record.kind === "epoch" ? record.epoch <= position.epoch : record.step <= position.step,
    );
    await writeFileAtomically(this.file("metrics.jsonl"), kept.map((r) => `${JSON.stringify(r)}\n`).join(""));
    const events = kept.map((r) => encodeScalars({ step: r.step, wallTime: r.wallTime, values: scalars(r) }));
    const first = encodeFileVersion(kept[0]?.wallTime ?? Date.now() / 1000);
    await writeFileAtomically(this.#eventFile, Buffer.concat([first, ...events]));
    const rows = kept.flatMap((record) => (record.kind === "epoch" ? [csvRow(record)] : []));
    await writeFileAtomically(this.file("metrics.csv"), `${csvHeader}${rows.join("")}`);
  }

  #makeFolder(): void {
    const outermost = mkdirSync(this.path, { recursive: true });
    if (outermost === undefined) return;
    const created = [resolve(this.path)];
    while (created.at(-1) !== resolve(outermost)) created.push(dirname(created.at(-1)!));
    this.#created = created;
  }

  #append(path: string, content: string | Uint8Array): void {
    this.#write(() => appendFileSync(path, content), path);
  }

  #write(work: () => void, path: string): void {
    try {
      work();
    } catch (error) {
      throw explainFileError("write", path, error);
    }
  }

  #records(): (HistoryRecord & { wallTime: number })[] {
    const path = this.file("metrics.jsonl");
    if (!existsSync(path)) return [];
    const text = readFileSync(path, "utf8");
    return text
      .slice(0, text.lastIndexOf("\n") + 1)
      .split("\n")
      .filter((line) => line !== "")
      .map((line) => withoutTest(JSON.parse(line)));
  }
}

/** Names that atomic writing gives to files that are not whole yet. */
function isTemporary(name: string): boolean {
  return /^\..+\.tmp$/.test(name);
}

function scalars(record: HistoryRecord): Record<string, number> {
  return record.kind === "step"
    ? { "train/loss": record.loss, "train/learning_rate": record.learningRate }
    : { "train/epoch_loss": record.trainLoss, ...(record.validation && validationScalars(record.validation)) };
}

function validationScalars({ loss, top1, top5 }: EpochScore): Record<string, number> {
  return { "validation/loss": loss, "validation/top1": top1, "validation/top5": top5 };
}

/** Epochs of runs that older versions began were judged by the test pictures: what they say of them is not a curve to go on with. */
function withoutTest<T extends HistoryRecord>(record: T): T {
  if (record.kind !== "epoch" || "validation" in record) return record;
  const { testLoss: _, testTop1: __, testTop5: ___, ...kept } = record as T & Record<string, unknown>;
  return { ...kept, validation: null } as unknown as T;
}
