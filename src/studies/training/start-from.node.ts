import { evaluationLoader, type TrainAndTest } from "../../api/datasets.node.js";
import { tunedStart } from "../../api/fine-tune.js";
import { type LoadOptions, loadModel, type NetFile } from "../../api/model-files.node.js";
import { pictureFacts } from "../../api/picture-facts.node.js";
import { spreadOver } from "../../api/spread-over.js";
import type { TrainFields } from "../../api/training-setup.js";
import { tuningSettings } from "../../api/tuning-defaults.js";
import type { Backend } from "../../backend/backend.js";
import { nameOfSource } from "../../exchange/load-net.node.js";
import { withStatistics } from "../../nn/branches-again.js";
import { isModel } from "../../nn/is-model.js";
import type { Model } from "../../nn/model.js";
import { inputTensor } from "../../train/loss.js";

/** A net that was trained before, to be trained on other pictures, also of other classes. */
export interface TrainFrom extends Omit<LoadOptions, "inputSize"> {
  /** A model, a file, or what a hub calls it (`timm/repvgg_a0.rvgg_in1k`). Either form. */
  readonly from: Model | NetFile;
  /** Height and width of the input, or one number for both. Default: the net's own. */
  readonly inputSize?: InputSize;
}

type InputSize = number | readonly [height: number, width: number];

/** A start whose net is read, and not yet fitted to data. */
export interface ReadStart {
  readonly model: Model;
  readonly name: string;
  readonly inputSize: InputSize | undefined;
}

/** Training pictures that new BatchNorms take their statistics from. */
const statisticsPictures = 2_000;

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
  /** Gives new BatchNorms the statistics of the training pictures, where there are any. */
  complete(backend: Backend): Promise<Model>;
}

/**
 * The net with the pictures' classes, its branches, and the settings that suit so many pictures.
 * @throws UserError for a data set of fewer than two classes, or without a readable picture
 */
export async function prepareStart(
  { model: read, name, inputSize }: ReadStart,
  { train }: TrainAndTest,
  given: TrainFields,
): Promise<PreparedStart> {
  const { model, plain, remarks } = tunedStart(read, name, train, given.seed ?? 0, inputSize);
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
      if (!plain) return model;
      const batch = { batchSize: 64, shuffle: true, dropLast: false };
      const loader = evaluationLoader(spreadOver(train, statisticsPictures), model, batch);
      try {
        return await withStatistics(backend, model, plain, loader.epoch(0), (tape, pictures) =>
          inputTensor(tape, pictures, model.metadata.preprocessing),
        );
      } finally {
        await loader.dispose();
      }
    },
  };
}
