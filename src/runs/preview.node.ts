import type { TrainAndTest } from "../api/datasets.node.js";
import type { TrainingSets } from "../api/training-sets.js";
import { trainingSets } from "../api/training-sets.node.js";
import { UserError } from "../core/errors.js";
import { BrokenImageError } from "../data/broken-image.js";
import type { Dataset } from "../data/dataset.js";
import { frameForEvaluation } from "../data/evaluation-transform.js";
import { indicesByClass } from "../data/hold-out.js";
import { pictureName } from "../data/picture-name.js";
import { isLenient } from "../data/read-all.js";
import type { Model } from "../nn/model.js";
import { configFor } from "../recipe/training-setup.js";
import type { TrainConfig } from "../train/config.js";
import { type Shown, shares, variantsIn } from "./preview-variants.js";
import { prepareStart, readStart, type TrainFrom } from "./start-from.node.js";
import { fieldsOf, type TrainOptions } from "./train.node.js";

/** Pictures that are shown: of more classes some, of fewer several of each. */
const mostRows = 12;
const fewestRows = 6;

/** Epochs that are shown. */
const shownEpochs = 6;

/** What a training would show its net. */
export interface Preview {
  /** The sheet: a row for each picture, first as it is, then as it is evaluated, then as the first epochs vary it. */
  readonly png: Uint8Array;
  /** The pictures of the rows: their files (or indices with "#") and classes. */
  readonly pictures: readonly { readonly picture: string; readonly className: string }[];
  /** Height and width of the net's input. */
  readonly size: readonly [height: number, width: number];
  /** The settings by which the pictures are varied and mixed. */
  readonly config: Pick<TrainConfig, "augmentation" | "mixup" | "cutmix" | "seed" | "epochs">;
}

/**
 * Draws what a training would show its net, without training: the variants are those of the first epochs, pixel for pixel (the same picture,
 * epoch and seed give the same one). With mixup or CutMix the pictures of the sheet are mixed among themselves, by the law by which a step
 * mixes its batch; the share of each class stands below.
 * @param start a net of these classes, or a net to begin from
 * @param data a folder, a list of labels, a known name, or data sets
 * @throws UserError for wrong options or data, as `train` has them
 */
export async function previewTraining(
  start: Model | TrainFrom,
  data: string | TrainAndTest | TrainingSets,
  options: TrainOptions = {},
): Promise<Preview> {
  const fields = fieldsOf(options);
  const sets = await trainingSets(data, { ...options, seed: fields.seed ?? 0 });
  const prepared =
    "from" in start ? await prepareStart(await readStart(start), sets, fields) : { model: start, fields };
  const config = configFor(prepared.model, prepared.fields);
  const { size, channels, cropRatio } = prepared.model.metadata.preprocessing;
  const framing = { size, channels, cropRatio };
  const rows = await chosenPictures(sets.train);
  const epochs = Math.min(shownEpochs, config.epochs);
  const variants = Array.from({ length: epochs }, (_, epoch) => variantsIn(epoch, rows, config, framing));
  const names = sets.train.classNames;
  const className = (row: number): string => names[sets.train.label(rows[row]!.index)]!;
  // Drawing loads sharp, which importing the library does not.
  const { contactSheet } = await import("../report/contact-sheet.node.js");
  const png = await contactSheet({
    title: `${sets.train.name}, as a net of ${size.join("×")} sees it: ${lawOf(config)}`,
    head: ["the picture", "evaluated", ...variants.map((_, epoch) => `epoch ${epoch + 1}`)],
    rows: rows.map(({ image }, row) => ({
      name: className(row),
      tiles: [
        { pixels: image },
        { pixels: frameForEvaluation(image, framing) },
        ...variants.map(({ images, mixing }) => ({
          pixels: images[row]!,
          captions: mixing && shares(mixing.lambda, className(row), className(mixing.partner[row]!)),
        })),
      ],
    })),
  });
  const { augmentation, mixup, cutmix, seed } = config;
  return {
    png,
    pictures: rows.map(({ index }, row) => ({ picture: pictureName(sets.train, index), className: className(row) })),
    size,
    config: { augmentation, mixup, cutmix, seed, epochs: config.epochs },
  };
}

/** Of classes spread over all, the first pictures that can be read. */
async function chosenPictures(dataset: Dataset): Promise<Shown[]> {
  const classes = indicesByClass(dataset);
  const count = Math.min(mostRows, classes.length);
  const each = Math.max(1, Math.ceil(fewestRows / count));
  const found: Shown[] = [];
  for (let i = 0; i < count; i++) {
    let wanted = each;
    for (const index of classes[Math.floor((i * classes.length) / count)]!) {
      if (wanted === 0) break;
      try {
        found.push({ index, image: await dataset.read(index) });
        wanted--;
      } catch (error) {
        if (!(error instanceof BrokenImageError) || !isLenient(dataset)) throw error;
      }
    }
  }
  if (found.length > 0) return found;
  throw new UserError({
    expected: `a readable picture in ${dataset.name}`,
    received: "only broken ones",
    remedy: "see what is wrong with them: repvgg data",
  });
}

/** What is done to pictures, in words. */
function lawOf({ augmentation, mixup, cutmix }: TrainConfig): string {
  const { crop, flip, randAugment, colorJitter, erasing } = augmentation;
  const steps = [
    crop &&
      (crop.kind === "pad"
        ? `shifts of ${crop.padding} pixels`
        : `crops of ${crop.scale.map((x) => `${Math.round(100 * x)}%`).join(" to ")}`),
    flip && "mirror images",
    randAugment && "RandAugment",
    colorJitter && "colours",
    erasing && "erasing",
    mixup > 0 && `mixup ${mixup}`,
    cutmix > 0 && `CutMix ${cutmix}`,
  ].filter(Boolean);
  return steps.length > 0 ? steps.join(", ") : "not varied";
}
