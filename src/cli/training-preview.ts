import { basename, resolve } from "node:path";
import type { TrainingSets } from "../api/training-sets.js";
import { UserError } from "../core/errors.js";
import { writeFileAtomically } from "../formats/atomic-write.node.js";
import type { Model } from "../nn/model.js";
import { previewTraining } from "../runs/preview.node.js";
import type { TrainFrom, TrainOptions } from "../runs/train.node.js";
import { plural } from "../terminal/format.js";
import type { Terminal } from "../terminal/terminal.js";

/** What folders and files that the data has none for are named by. */
export function nameOfData(data: string): string {
  return basename(resolve(data)).replace(/\.(csv|tsv)$/i, "");
}

/** @throws UserError for another file than a PNG: the data, where it stands behind --preview */
export function previewPath(given: string | true, data: string | undefined): string {
  if (given === true) return `${nameOfData(data ?? "data")}-preview.png`;
  if (/\.png$/i.test(given)) return given;
  throw new UserError({
    expected: "a file named .png after --preview",
    received: given,
    remedy: data === undefined ? `the data comes first: repvgg train ${given} --preview` : `for example ${given}.png`,
  });
}

/** `train --preview`: what the net would see. */
export async function drawPreview(
  file: string,
  start: Model | TrainFrom,
  sets: TrainingSets,
  options: TrainOptions,
  sentence: string,
  terminal: Terminal,
): Promise<undefined> {
  for (const note of sets.train.notes ?? []) terminal.say(note);
  if (sentence) terminal.say(sentence);
  const { png, ...shown } = await previewTraining(start, sets, options);
  await writeFileAtomically(file, png);
  terminal.result(
    { preview: file, ...shown },
    () => `${file}: ${plural(shown.pictures.length, "picture")} as the net would see them; nothing was trained`,
  );
}
