import { existsSync } from "node:fs";
import { basename, resolve } from "node:path";
import type { TrainAndTest } from "../api/datasets.node.js";
import { evaluate } from "../api/evaluate.node.js";
import { saysBalanced } from "../api/evaluation.js";
import type { Backend } from "../backend/backend.js";
import type { CardFacts, CardResults } from "../cards/card-facts.js";
import { modelCard } from "../cards/model-card.js";
import type { Dataset } from "../data/dataset.js";
import { writeFileAtomically } from "../formats/atomic-write.node.js";
import type { RunDirectory } from "../train/run-directory.node.js";
import type { FinishedRun } from "./training-facts.js";

/** A run at its end, as its card tells it. */
export interface CardedRun extends Omit<FinishedRun, "train" | "test" | "evaluation" | "remarks"> {
  readonly sets: TrainAndTest;
  /** Of the net at the end; undefined where a run is resumed that was done. */
  readonly evaluation: FinishedRun["evaluation"] | undefined;
  /** The command line that began it. */
  readonly command: string | undefined;
}

/**
 * Writes README.md, the model card of model.safetensors, where the run has none: somebody may have added to it.
 * What is measured is called what it is: a test split, a part that was held out, or the training pictures.
 */
export async function writeCard(run: RunDirectory, finished: CardedRun, backend: Backend): Promise<void> {
  const file = run.file("README.md");
  if (existsSync(file)) return;
  const { model, sets } = finished;
  const evaluation = finished.evaluation ?? (await evaluate(model, sets.test, { backend }));
  await writeFileAtomically(file, modelCard(cardFacts(basename(resolve(run.path)), finished, evaluation)));
}

function cardFacts(
  name: string,
  { model, config, epochs, sets, warnings, command }: CardedRun,
  evaluation: FinishedRun["evaluation"],
): CardFacts {
  const { train, test, origin } = sets;
  const datasetId = idOnHub(train, origin?.place);
  const id = datasetId === undefined ? {} : { datasetId };
  const { images, top1, top5, balancedAccuracy, loss, perClass } = evaluation;
  const license = model.metadata.provenance["license"];
  const { auxiliaryWeight, ...settings } = config;
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
        epochs: epochs.at(-1)?.epoch ?? config.epochs,
        ...(origin && { holdOut: sets.heldOut ?? "none: the data has a test split" }),
      },
    },
    results: {
      pictures: measuredOn(sets),
      dataset: test.name,
      ...id,
      ...{ images, top1, top5, loss, perClass, warnings },
      ...(saysBalanced(evaluation) && { balancedAccuracy }),
    },
  };
}

function measuredOn({ heldOut }: TrainAndTest): CardResults["pictures"] {
  if (heldOut === undefined) return "test";
  return heldOut > 0 ? "held-out" : "training";
}

/** What the hub calls a data set that everybody knows; a folder of somebody's own pictures is on no hub. */
function idOnHub({ source }: Dataset, place: string | undefined): string | undefined {
  if (source?.kind === "cifar10") return "uoft-cs/cifar10";
  return source?.kind === "idx" && place?.startsWith("fashion-mnist") ? "zalando-datasets/fashion_mnist" : undefined;
}
