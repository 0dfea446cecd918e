import { evaluationLoader } from "../api/datasets.node.js";
import { type LoadOptions, loadModel, type NetFile } from "../api/model-files.node.js";
import type { TrainingSets } from "../api/training-sets.js";
import type { Backend } from "../backend/backend.js";
import type { Dataset } from "../data/dataset.js";
import { nameOfSource } from "../exchange/load-net.node.js";
import { withStatistics } from "../nn/branches-again.js";
import { isModel } from "../nn/is-model.js";
import type { Model } from "../nn/model.js";
import { type InputSize, tunedStart } from "../nn/tuned-start.js";
import { hasClassesOf } from "../recipe/classes.js";
import { pictureFacts } from "../recipe/picture-facts.node.js";
import { spreadOver } from "../recipe/spread-over.js";
import type { TrainFields } from "../recipe/training-setup.js";
import { headRateFor, tuningSettings } from "../recipe/tuning-defaults.js";
import { computeFeatures } from "../train/features.js";
import { inputTensor } from "../train/loss.js";

/** A net that was trained before, to be trained on other pictures, also of other classes. */
export interface TrainFrom extends Omit<LoadOptions, "inputSize"> {
  /** A model, a file, or what a hub calls it (`timm/repvgg_a0.rvgg_in1k`). Either form. */
  readonly from: Model | NetFile;
  /** Height and width of the input, or one number for both. Default: the net's own. */
  readonly inputSize?: InputSize;
}

/** A start whose net is read, and not yet fitted to data. */
export interface ReadStart {
  readonly model: Model;
  readonly name: string;
  readonly inputSize: InputSize | undefined;
}

/** Training pictures that new BatchNorms take their statistics from. */
const statisticsPictures = 2_000;

/** Training pictures by whose features a head's learning rate is chosen. */
const ratePictures = 256;

/** @throws UserError for what is no net with weights by name */
export async function readStart({ from, inputSize, ...loading }: TrainFrom): Promise<ReadStart> {
  if (isModel(from)) return { model: from, name: loading.name ?? `RepVGG ${from.architecture.name}`, inputSize };
  return { model: await loadModel(from, loading), name: nameOfSource(from, loading.name), inputSize };
}

/** A net ready to be trained on pictures, and how. */
export interface PreparedStart {
  /** But for what {@link complete} does. */
  readonly model: Model;
  readonly fields: TrainFields;
  readonly remarks: readonly string[];
  /** The net with the training pictures' statistics in new BatchNorms, and the settings that the net itself decides. */
  complete(backend: Backend): Promise<Pick<PreparedStart, "model" | "fields" | "remarks">>;
}

/**
 * The net with the pictures' classes, its branches, and the settings that suit so many pictures.
 * @throws UserError for a data set of fewer than two classes, or without a readable picture
 */
export async function prepareStart(
  { model: read, name, inputSize }: ReadStart,
  { train }: Pick<TrainingSets, "train">,
  given: TrainFields,
): Promise<PreparedStart> {
  const { model, plain, remarks } = tunedStart(read, train.classNames, {
    ...{ name, inputSize, seed: given.seed ?? 0 },
    keepHead: hasClassesOf(read, train),
  });
  const facts = await pictureFacts(train);
  const chosen = tuningSettings(facts, model.architecture, model.metadata.preprocessing.size, given);
  const own = Object.entries(chosen).filter(([field]) => given[field as keyof TrainFields] === undefined);
  const list = own.map(([field, value]) => `${field} ${typeof value === "object" ? "by the pictures" : value}`);
  const sentence = `chosen for ${facts.pictures} pictures and weights trained before: ${list.join(", ")}`;
  return {
    model,
    fields: { ...given, ...chosen },
    remarks: own.length === 0 ? remarks : [...remarks, sentence],
    complete: async (backend) => {
      const fields = { ...given, ...chosen };
      const begun = plain ? await measured(backend, model, plain, train) : model;
      if (chosen.learningRate !== undefined) return { model: begun, fields, remarks: [] };
      const learningRate = await headRate(backend, begun, train);
      const rate = `chosen for the size of the features: learningRate ${learningRate}`;
      return { model: begun, fields: { ...fields, learningRate }, remarks: [rate] };
    },
  };
}

/** Shuffled: folders lie sorted by class, and a batch of one class has other statistics. */
const looking = { batchSize: 64, shuffle: true, dropLast: false };

async function measured(backend: Backend, model: Model, plain: Model, train: Dataset): Promise<Model> {
  const loader = evaluationLoader(spreadOver(train, statisticsPictures), model, looking);
  try {
    return await withStatistics(backend, model, plain, loader.epoch(0), (tape, pictures) =>
      inputTensor(tape, pictures, model.metadata.preprocessing),
    );
  } finally {
    await loader.dispose();
  }
}

async function headRate(backend: Backend, model: Model, train: Dataset): Promise<number> {
  const some = spreadOver(train, ratePictures);
  const loader = evaluationLoader(some, model, looking);
  try {
    const head = { freeze: "all-but-head", batchNorm: "frozen" } as const;
    const features = await computeFeatures(backend, model, head, loader, { pictures: some.length });
    return headRateFor(features!.values, features!.labels.length);
  } finally {
    await loader.dispose();
  }
}
