import { existsSync } from "node:fs";
import { basename, resolve } from "node:path";
import type { CardFacts, CardResults } from "../cards/card-facts.js";
import { modelCard } from "../cards/model-card.js";
import type { Dataset } from "../data/dataset.js";
import { writeFileAtomically } from "../formats/atomic-write.node.js";
import type { RunDirectory } from "../train/run-directory.node.js";
import { describeChoice, type Measured } from "./measured.js";
import type { ChangedLength } from "./run-setup.node.js";
import type { FinishedRun } from "./training-facts.js";

/**
 * Writes README.md, the model card of model.safetensors, where the run has none: somebody may have added to it.
 * What was measured is called what it is: a test split, a part that was held out, or the pictures that chose the epoch.
 * @param begun by which command line, and how its length was changed
 */
export async function writeCard(run: RunDirectory, finished: FinishedRun, begun: BeginningOfRun): Promise<void> {
  const file = run.file("README.md");
  if (existsSync(file)) return;
  await writeFileAtomically(file, modelCard(cardFacts(basename(resolve(run.path)), finished, begun)));
}

function cardFacts(
  name: string,
  { model, config, epochs, chosen, sets, measured, warnings }: FinishedRun,
  { command, changedLengths }: BeginningOfRun,
): CardFacts {
  const { train, validation, origin } = sets;
  const datasetId = idOnHub(train, origin?.place);
  const id = datasetId === undefined ? {} : { datasetId };
  const license = model.metadata.provenance["license"];
  const { auxiliaryWeight, choose, patience, ...settings } = config;
  const done = epochs.at(-1)!.epoch;
  return {
    name,
    model,
    ...(license !== undefined && { license }),
    training: {
      ...(command !== undefined && { command }),
      dataset: train.name,
      ...id,
      pictures: train.length,
      settings: {
        ...settings,
        ...(model.architecture.family === "repvggplus" && { auxiliaryWeight }),
        epochs: done,
        ...(changedLengths.length > 0 && { "epochs, changed": changedLengths.map(describeLength).join("; ") }),
        net: describeChoice(chosen, done, config, sets),
        ...(validation && { validation: sets.validationPart ?? `${validation.name}, ${validation.length} pictures` }),
        ...(validation && { choose, patience }),
        ...(origin && { holdOut: sets.heldOut ?? "none: the data has a test split" }),
      },
    },
    ...(measured && { results: resultsOf(measured, id, warnings) }),
  };
}

/** What a card says of how a run began and was gone on with. */
interface BeginningOfRun {
  readonly command: string | undefined;
  readonly changedLengths: readonly ChangedLength[];
}

function describeLength({ from, to, atEpoch }: ChangedLength): string {
  return `${to} instead of ${from} after epoch ${atEpoch}`;
}

function resultsOf(
  { pictures, dataset, evaluation }: Measured,
  id: Pick<CardResults, "datasetId">,
  warnings: readonly string[],
): CardResults {
  const { images, top1, top5, loss, perClass } = evaluation;
  return { pictures, dataset: dataset.name, ...id, images, top1, top5, loss, perClass, warnings };
}

/** What the hub calls a data set that everybody knows; a folder of somebody's own pictures is on no hub. */
function idOnHub({ source }: Dataset, place: string | undefined): string | undefined {
  if (source?.kind === "cifar10") return "uoft-cs/cifar10";
  return source?.kind === "idx" && place?.startsWith("fashion-mnist") ? "zalando-datasets/fashion_mnist" : undefined;
}
