import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { TrainAndTest } from "../api/datasets.node.js";
import type { TrainingSets } from "../api/training-sets.js";
import { trainingSets } from "../api/training-sets.node.js";
import { usingBackend } from "../backend/using-backend.node.js";
import { UserError } from "../core/errors.js";
import { percent, plural } from "../core/format.js";
import type { Dataset } from "../data/dataset.js";
import { foldsOfClasses, stratifiedFolds } from "../data/folds.js";
import { inMemoryIfSmall } from "../data/in-memory.js";
import { writeFileAtomically } from "../formats/atomic-write.node.js";
import type { Model } from "../nn/model.js";
import { batchFor, type TrainFields } from "../recipe/training-setup.js";
import { findAlike } from "../survey/alike.node.js";
import { RunDirectory } from "../train/run-directory.node.js";
import { type CrossValidation, crossValidation, foldScore } from "./fold-scores.js";
import { FoldsDirectory, type FoldsSetup } from "./folds-directory.node.js";
import { readTraining } from "./prepare.node.js";
import {
  fieldsOf,
  resume,
  type TrainFrom,
  type TrainOptions,
  type TrainProcessOptions,
  type TrainResult,
  train,
} from "./train.node.js";

export type { CrossValidation, FoldScore, Spread } from "./fold-scores.js";

/** What does not change the result. */
export interface FoldsProcessOptions extends TrainProcessOptions {
  /** Told of each fold that begins, and at the end of the net of all pictures (undefined). */
  readonly onFold?: (fold: number | undefined, trainedOn: number) => void;
}

export interface FoldsOptions
  extends Omit<TrainOptions, "out" | "holdOut" | "validation" | "patience">,
    FoldsProcessOptions {
  /** Folder of everything: see `FoldsDirectory`. */
  readonly out: string;
  /** From 2 to the number of pictures. */
  readonly folds: number;
}

/** What a cross-validation gave. */
export interface FoldsResult {
  /** Undefined: interrupted before the last fold was done. */
  readonly crossValidation: CrossValidation | undefined;
  /** Of the net that is trained on all pictures; undefined: interrupted before. */
  readonly final: TrainResult | undefined;
  /** Stopped by the signal: go on with {@link resumeFolds}. */
  readonly interrupted: boolean;
  /** The folder. */
  readonly out: string;
}

/** All pictures are dealt out: none is kept from the nets to test the last one or to judge its epochs. */
const undivided = { holdOut: 0, validation: 0 } as const;

/** Pictures up to which look-alikes are looked for: each is decoded once more. */
const mostCompared = 10_000;

/**
 * Cross-validation for small sets, and a net of all pictures: `folds` nets, each trained on all parts but one and tested on that one, so that
 * every picture is judged by a net that did not see it; then one net with the same settings on everything. Nothing is chosen by the folds.
 * Parts are stratified by class; pictures that look the same stay in one. Where the place has test pictures of its own, they are left to the
 * last net. A run that is killed goes on in the fold that it was in, with the same bits.
 * @param start a net of these classes, or a net to begin from
 * @param data a folder, a known name ("fashion-mnist"), or data sets, of which the training pictures are divided
 * @throws UserError as `train`, and where a class would be in one part as a whole
 */
export async function trainFolds(
  start: Model | TrainFrom,
  data: string | TrainAndTest | TrainingSets,
  options: FoldsOptions,
): Promise<FoldsResult> {
  const { folds, onFold: _, ...others } = options;
  const { out, command, onRemark } = others;
  const fields = fieldsOf(others);
  FoldsDirectory.checkNew(out);
  const training = await readTraining(start, fields);
  const sets = await trainingSets(data, { ...options, ...undivided, seed: training.asked.seed });
  const foldOf = await dealtOut(sets.train, folds, training.asked.seed, onRemark);
  const fresh = "metadata" in training.start;
  const smallest = sets.train.length - largest(foldOf, folds);
  const whole: TrainFields = fresh
    ? { ...fields, batchSize: fields.batchSize ?? batchFor(smallest, training.asked) }
    : fields;
  const setup: FoldsSetup = {
    ...{ folds, data: sets.origin ?? null, fields: whole, foldOf },
    from: "metadata" in training.start ? null : startOf(training.start),
    ...(command !== undefined && { command }),
  };
  const model = "metadata" in training.start ? training.start : training.start.model;
  const directory = await FoldsDirectory.create(out, setup, model);
  const ofRun = ["out", "folds", ...Object.keys(fields)];
  const process = Object.fromEntries(Object.entries(options).filter(([name]) => !ofRun.includes(name)));
  return conduct(directory, setup, model, sets, process);
}

/**
 * Goes on with {@link trainFolds} where it was stopped or killed.
 * @param data only where it was begun with data sets instead of a place
 * @throws UserError where the pictures are others
 */
export async function resumeFolds(
  out: string,
  options: FoldsProcessOptions = {},
  data?: TrainAndTest | TrainingSets,
): Promise<FoldsResult> {
  const directory = new FoldsDirectory(out);
  const setup = directory.readSetup();
  if (!data && !setup.data) {
    throw new UserError({
      expected: "the data sets of the run",
      received: "none",
      remedy: "give them to resumeFolds()",
    });
  }
  const sets = await trainingSets(data ?? setup.data!.place, { ...options, ...setup.data, ...undivided });
  if (sets.train.length !== setup.foldOf.length) {
    throw new UserError({
      expected: `the ${plural(setup.foldOf.length, "picture")} that were dealt out`,
      received: `${sets.train.length} in ${sets.train.name}`,
      remedy: "put them back, or begin a new run",
    });
  }
  return conduct(directory, setup, await directory.readStart(), sets, options);
}

/** @throws UserError when the folder holds a run, or the folds of one */
export function checkNewFolds(out: string): void {
  FoldsDirectory.checkNew(out);
}

/** Whether a folder is one of {@link trainFolds}. */
export function holdsFolds(out: string): boolean {
  return FoldsDirectory.exists(out);
}

function startOf({ name, inputSize }: { readonly name: string; readonly inputSize: TrainFrom["inputSize"] }) {
  return { name, ...(inputSize !== undefined && { inputSize }) };
}

async function conduct(
  directory: FoldsDirectory,
  setup: FoldsSetup,
  model: Model,
  sets: TrainingSets,
  options: FoldsProcessOptions,
): Promise<FoldsResult> {
  const { folds, fields, from, foldOf, command } = setup;
  const { onFold, ...training } = options;
  const out = directory.path;
  const start = from === null ? model : { from: model, ...from };
  const said = new Set<string>();
  // Every fold would say the same of the data.
  const onRemark = (sentence: string): void => {
    if (!said.has(sentence)) options.onRemark?.(sentence);
    said.add(sentence);
  };
  return usingBackend(options, async (backend) => {
    const process: TrainProcessOptions = { ...training, backend, onRemark };
    const all = await inMemoryIfSmall(sets.train, options.signal ? { signal: options.signal } : {});
    for (let fold = 0; fold < folds; fold++) {
      if (directory.readScore(fold)) continue;
      const parts = { train: partOf(all, foldOf, fold, false), test: partOf(all, foldOf, fold, true) };
      onFold?.(fold, parts.train.length);
      const path = directory.runPath(fold);
      const apart = { ...process, report: false };
      const { test, interrupted } = RunDirectory.exists(path)
        ? await resume(path, apart, parts)
        : await train(start, parts, { ...fields, ...apart, out: path, validation: 0 });
      if (interrupted) return { crossValidation: undefined, final: undefined, interrupted, out };
      await directory.writeScore(fold, foldScore(parts.train.length, test!));
    }
    const scores = Array.from({ length: folds }, (_, fold) => directory.readScore(fold)!);
    const found = crossValidation(scores, all.classNames);
    await directory.writeSummary(found);
    onFold?.(undefined, all.length);
    const named = command === undefined ? process : { ...process, command };
    const final = RunDirectory.exists(out)
      ? await resume(out, process, setup.data ? undefined : sets)
      : await train(start, sets, { ...fields, ...named, out, validation: 0 });
    if (!final.interrupted) await tellOnCard(out, found);
    return { crossValidation: found, final, interrupted: final.interrupted, out };
  });
}

/** The pictures of one fold, or all others. */
function partOf(all: Dataset, foldOf: readonly number[], fold: number, own: boolean): Dataset {
  const indices = foldOf.flatMap((of, index) => ((of === fold) === own ? [index] : []));
  return all.select(indices, `${all.name}/${own ? "" : "all but "}fold ${fold + 1}`);
}

function largest(foldOf: readonly number[], folds: number): number {
  const sizes = new Array<number>(folds).fill(0);
  for (const fold of foldOf) sizes[fold]!++;
  return sizes.reduce((a, b) => Math.max(a, b));
}

/** The fold of each picture; what may surprise is told. */
async function dealtOut(
  dataset: Dataset,
  folds: number,
  seed: number,
  onRemark: ((sentence: string) => void) | undefined,
): Promise<number[]> {
  stratifiedFolds(dataset, folds, seed); // throws before anything is decoded
  const compared = dataset.length <= mostCompared;
  const together = compared ? (await findAlike(dataset)).groups : [];
  const foldOf = stratifiedFolds(dataset, folds, seed, together);
  if (together.length > 0) {
    onRemark?.(`${plural(together.flat().length, "picture")} that look like others stay in one fold with them`);
  }
  if (!compared) {
    onRemark?.(`pictures that look the same may be in several folds: they are looked for among up to ${mostCompared}`);
  }
  const missing = foldsOfClasses(dataset, foldOf).flatMap(({ size }, label) =>
    size > 0 && size < folds ? [`${dataset.classNames[label]} (in ${size} of ${folds})`] : [],
  );
  if (missing.length > 0) {
    onRemark?.(
      `! folds that test no picture of a class, which has too few: ${missing.join(", ")}; the pooled figures have all`,
    );
  }
  return foldOf;
}

/** Adds what the folds say of the net to its card, once. */
async function tellOnCard(out: string, { folds, top1, balancedAccuracy, pooled }: CrossValidation): Promise<void> {
  const file = join(out, "README.md");
  const heading = "## Cross-validation";
  const card = existsSync(file) ? readFileSync(file, "utf8") : undefined;
  if (card === undefined || card.includes(heading)) return;
  const row = (label: string, { mean, deviation }: { mean: number; deviation: number }, together: number): string =>
    `| ${label} | ${percent(mean)} ± ${percent(deviation)} | ${percent(together)} |`;
  const section = [
    heading,
    `${folds.length} nets with the same settings, each trained on all parts of the pictures but one and tested on that one; this net was trained on all of them afterwards, and is none of those. Mean and standard deviation of the parts, and of all ${plural(pooled.images, "picture")} together, each judged by a net that did not see it:`,
    [
      "| | parts | together |\n|---|---|---|",
      row("top-1 accuracy", top1, pooled.top1),
      row("balanced accuracy", balancedAccuracy, pooled.balancedAccuracy),
    ].join("\n"),
  ].join("\n\n");
  await writeFileAtomically(file, `${card.trimEnd()}\n\n${section}\n`);
}
