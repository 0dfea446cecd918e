import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { SplitOrigin } from "../api/training-sets.js";
import { FormatError, UserError } from "../core/errors.js";
import { writeFileAtomically } from "../formats/atomic-write.node.js";
import { makeFolder } from "../formats/make-folder.node.js";
import { readSafetensorsFile, writeSafetensorsFile } from "../formats/safetensors/file.node.js";
import type { Model } from "../nn/model.js";
import { decodeModel, encodeModel } from "../nn/model-file.js";
import type { InputSize } from "../nn/tuned-start.js";
import type { TrainFields } from "../recipe/training-setup.js";
import { RunDirectory } from "../train/run-directory.node.js";
import type { FoldScore } from "./fold-scores.js";

/** All that the nets of a cross-validation depend on, in folds.json. Plain JSON. */
export interface FoldsSetup {
  /** How many. */
  readonly folds: number;
  /** Null: data sets that the caller had open. */
  readonly data: SplitOrigin | null;
  readonly fields: TrainFields;
  /** Of a net that was trained before; null: a fresh one. */
  readonly from: { readonly name: string; readonly inputSize?: InputSize } | null;
  /** The fold of each picture, from 0. */
  readonly foldOf: readonly number[];
  /** The command line that began it; undefined where a program did. */
  readonly command?: string;
}

/**
 * The folder of a cross-validation and of the net that is trained on all pictures:
 *   folds.json               what is trained on what, how, and the fold of each picture
 *   start.safetensors        the net that every training begins with
 *   fold-1, fold-2, …        the run of each fold
 *   fold-1/score.json        what its net made of the pictures that it did not see
 *   cross-validation.json    all of them together
 *   and the files of the last run (RunDirectory), which sees all pictures
 */
export class FoldsDirectory {
  readonly path: string;

  constructor(path: string) {
    this.path = path;
  }

  static exists(path: string): boolean {
    return existsSync(join(path, "folds.json"));
  }

  /** @throws UserError when the folder holds a run, or the folds of one */
  static checkNew(path: string): void {
    RunDirectory.checkNew(path);
    if (!FoldsDirectory.exists(path)) return;
    throw new UserError({
      expected: "a new folder for the run",
      received: `${path}, which holds the folds of one`,
      remedy: "go on with it by --resume, or name another folder by --out",
    });
  }

  /** folds.json is written last: a folder that has one can be resumed. */
  static async create(path: string, setup: FoldsSetup, start: Model): Promise<FoldsDirectory> {
    FoldsDirectory.checkNew(path);
    makeFolder(path);
    const { arrays, metadata } = encodeModel(start);
    await writeSafetensorsFile(join(path, "start.safetensors"), arrays, metadata);
    await writeFileAtomically(join(path, "folds.json"), `${JSON.stringify(setup, null, 2)}\n`);
    return new FoldsDirectory(path);
  }

  runPath(fold: number): string {
    return join(this.path, `fold-${fold + 1}`);
  }

  /** @throws FormatError where folds.json holds something else */
  readSetup(): FoldsSetup {
    const file = join(this.path, "folds.json");
    const setup = readJson<Partial<FoldsSetup>>(file);
    const { folds, data, fields, from, foldOf } = setup ?? {};
    const whole =
      Number.isInteger(folds) &&
      isRecord(fields) &&
      (data === null || (isRecord(data) && typeof data.place === "string")) &&
      (from === null || (isRecord(from) && typeof from.name === "string")) &&
      Array.isArray(foldOf) &&
      foldOf.every((fold) => Number.isInteger(fold) && fold >= 0 && fold < folds!);
    if (whole) return setup as FoldsSetup;
    throw new FormatError({
      expected: "the setup of a cross-validation",
      received: `something else in ${file}`,
      remedy: "begin a new one",
    });
  }

  async readStart(): Promise<Model> {
    const file = join(this.path, "start.safetensors");
    const { arrays, metadata } = await readSafetensorsFile(file);
    return decodeModel(arrays, metadata, file);
  }

  /** Undefined: the fold is not done. */
  readScore(fold: number): FoldScore | undefined {
    return readJson<FoldScore>(join(this.runPath(fold), "score.json"));
  }

  async writeScore(fold: number, score: FoldScore): Promise<void> {
    await writeFileAtomically(join(this.runPath(fold), "score.json"), `${JSON.stringify(score)}\n`);
  }

  async writeSummary(summary: object): Promise<string> {
    const file = join(this.path, "cross-validation.json");
    await writeFileAtomically(file, `${JSON.stringify(summary, null, 2)}\n`);
    return file;
  }
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null;
}

/** Undefined where there is no such file. @throws FormatError where it is not JSON */
function readJson<T>(file: string): T | undefined {
  if (!existsSync(file)) return undefined;
  try {
    return JSON.parse(readFileSync(file, "utf8")) as T;
  } catch (cause) {
    throw new FormatError({ expected: "JSON", received: file, remedy: "begin a new run" }, { cause });
  }
}
