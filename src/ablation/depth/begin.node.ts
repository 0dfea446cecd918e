import { trainAndTest } from "../../api/datasets.node.js";
import { UserError } from "../../core/errors.js";
import { freshModel } from "../../recipe/fresh-model.node.js";
import { configFor, type TrainFields } from "../../recipe/training-setup.js";
import { studyPictures } from "./pictures.js";
import { partName, resultParts, type StudyChoices, type StudyPlan, studyNet } from "./plan.js";
import type { StudyRun } from "./results.js";
import { StudyDirectory } from "./study-directory.node.js";
import { allBranches, noBranches, studyVariant, studyVariants } from "./variants.js";

export interface BeginStudyOptions {
  /** Folder of the study; see StudyDirectory. */
  readonly out: string;
  /** Depths, in the order in which they are trained. */
  readonly layers: readonly number[];
  readonly widths: readonly number[];
  readonly strides: readonly number[];
  /** Default: all that are not for choosing. */
  readonly pictures?: number;
  readonly choicePictures: number;
  /** "table6" or names of variants, each with a number of seeds or without. Default: table 6. */
  readonly variants?: readonly { readonly name: string; readonly seeds?: number }[];
  readonly choices: StudyChoices;
  readonly training: Pick<
    TrainFields,
    "epochs" | "batchSize" | "learningRate" | "warmupEpochs" | "weightDecay" | "augmentation"
  >;
  readonly learningRates?: StudyPlan["learningRates"];
  readonly command?: string;
}

/** Seeds where nobody says how many: the two variants that the claim compares need the most. */
const defaultSeeds = { claim: 5, other: 3 };

/**
 * Plans a study in a new folder; nothing is trained yet.
 * @param place a folder of pictures or a known name
 * @throws UserError for options that make no study, and for too few pictures
 */
export async function beginStudy(place: string, options: BeginStudyOptions): Promise<StudyPlan> {
  const { out, layers, widths, strides, choicePictures, choices, training, learningRates = {}, command } = options;
  StudyDirectory.checkNew(out);
  const sets = await trainAndTest(place, { seed: 0 });
  const nets = layers.map(studyNet);
  const { depths } = nets[0]!;
  const config = configFor(await freshModel({ depths, widths, strides }, sets.train, { seed: 0 }), training);
  const plan: StudyPlan = {
    data: sets.origin!,
    ...{ nets, widths, strides, choicePictures, config, choices },
    pictures: options.pictures ?? sets.train.length - choicePictures,
    learningRates: checkedRates(learningRates),
    seeds: chooseStudySeeds(options.variants),
    ...(command !== undefined && { command }),
  };
  const { train } = studyPictures(sets, plan);
  if (train.length < config.batchSize) {
    throw new UserError({
      expected: `at least ${config.batchSize} pictures to train on, a batch`,
      received: String(train.length),
      remedy: "use a smaller batch (--batch-size) or more pictures (--pictures)",
    });
  }
  await StudyDirectory.create(out, plan);
  return plan;
}

/** Seeds of each variant, by name. @throws UserError for an unknown name */
export function chooseStudySeeds(
  chosen: BeginStudyOptions["variants"] = [{ name: "table6" }],
): Readonly<Record<string, number>> {
  const seeds: Record<string, number> = {};
  for (const { name, seeds: own } of chosen) {
    const variants = name === "table6" ? studyVariants.filter(({ claim }) => claim) : [studyVariant(name)];
    for (const variant of variants) {
      const usual = [allBranches, noBranches].includes(variant.name) ? defaultSeeds.claim : defaultSeeds.other;
      seeds[variant.name] = Math.max(seeds[variant.name] ?? 0, own ?? usual);
    }
  }
  return seeds;
}

/** What a study that was begun may still be told. */
export interface StudyChanges {
  /** More variants, or more seeds: none is taken away. */
  readonly variants?: BeginStudyOptions["variants"];
  /** Beside those that it has, where nothing has been trained with others: see the choices. */
  readonly learningRates?: StudyPlan["learningRates"];
  /** Learning rates that choices try. */
  readonly triedRates?: readonly number[];
  /** Learning rates of variants without a result become those that their choices found best. */
  readonly useChoices?: boolean;
}

/** @throws UserError for learning rates that results have been trained without */
export async function changeStudy(folder: string, changes: StudyChanges): Promise<void> {
  const directory = StudyDirectory.open(folder);
  const plan = directory.readPlan();
  const more = changes.variants ? chooseStudySeeds(changes.variants) : {};
  const names = [...new Set([...Object.keys(plan.seeds), ...Object.keys(more)])];
  const runs = directory.readRuns();
  const chosen = changes.useChoices ? chosenRates(runs) : {};
  const changed: StudyPlan = {
    ...plan,
    seeds: Object.fromEntries(names.map((name) => [name, Math.max(plan.seeds[name] ?? 0, more[name] ?? 0)])),
    learningRates: { ...plan.learningRates, ...chosen, ...checkedRates(changes.learningRates ?? {}) },
    choices: { ...plan.choices, learningRates: changes.triedRates ?? plan.choices.learningRates },
  };
  const rates = new Map(resultParts(changed).map((part) => [partName(part), part.learningRate]));
  for (const { part } of runs) {
    const rate = part.kind === "result" ? rates.get(partName(part)) : undefined;
    if (rate === undefined || rate === part.learningRate) continue;
    throw new UserError({
      expected: "the learning rate of what is trained already to stay",
      received: `${rate} for ${partName(part)}, which has a result with ${part.learningRate}`,
      remedy: "begin a new study",
    });
  }
  await directory.writePlan(changed);
}

/** By layers and variant: the learning rate with the highest accuracy on pictures held out, of equals the lower. */
export function chosenRates(runs: readonly StudyRun[]): StudyPlan["learningRates"] {
  const places = new Set(runs.map(({ part }) => `${part.layers}/${part.variant}`));
  const decided = new Set(
    runs.filter(({ part }) => part.kind === "result").map(({ part }) => `${part.layers}/${part.variant}`),
  );
  return Object.fromEntries(
    [...places].flatMap((place) => {
      const tried = runs
        .filter(({ part, judged }) => part.kind === "choice" && `${part.layers}/${part.variant}` === place && judged)
        .sort((a, b) => b.judged!.top1 - a.judged!.top1 || a.part.learningRate - b.part.learningRate);
      return tried[0] && !decided.has(place) ? [[place, tried[0].part.learningRate]] : [];
    }),
  );
}

function checkedRates(rates: StudyPlan["learningRates"]): StudyPlan["learningRates"] {
  for (const place of Object.keys(rates)) {
    const variant = place.split("/")[1];
    if (variant !== undefined) studyVariant(variant);
  }
  return rates;
}
