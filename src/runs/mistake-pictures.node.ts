import sharp from "sharp";
import type { NamedMistake } from "../api/evaluation.js";
import type { Dataset } from "../data/dataset.js";
import type { Section } from "../report/report-page.js";

type Pictures = Extract<Section, { kind: "pictures" }>;

/** Sides of pictures that are kept as they are, and to which larger ones are brought. */
const [small, most] = [64, 192];

/** The mistakes as pictures with what was answered and what is right; none where there are no mistakes. */
export async function mistakePictures(dataset: Dataset, mistakes: readonly NamedMistake[]): Promise<Pictures[]> {
  if (mistakes.length === 0) return [];
  const drawn = await Promise.all(
    mistakes.map(async ({ index, picture, truth, predicted, probability, truthProbability }) => ({
      source: await dataUri(dataset, index),
      alternative: `${picture}: ${truth}, taken for ${predicted}`,
      lines: [`${predicted} ${wholePercent(probability)}`, `is: ${truth} (${wholePercent(truthProbability)})`, picture],
      look: "bad" as const,
    })),
  );
  const sides = await Promise.all(mistakes.map(({ index }) => dataset.read(index)));
  const pixelated = sides.every(({ width, height }) => Math.max(width, height) <= small);
  return [
    { kind: "pictures", caption: "The mistakes of which the net was surest", pictures: drawn, width: 110, pixelated },
  ];
}

/** Without a place for a line to break. */
function wholePercent(share: number): string {
  return `${Math.round(100 * share)}\u00a0%`;
}

/** Small pictures without loss, larger ones as a small JPEG. */
async function dataUri(dataset: Dataset, index: number): Promise<string> {
  const { data, width, height, channels } = await dataset.read(index);
  const raw = sharp(data, { raw: { width, height, channels } });
  if (Math.max(width, height) <= small)
    return `data:image/png;base64,${(await raw.png().toBuffer()).toString("base64")}`;
  const jpeg = await raw
    .resize(most, most, { fit: "inside", withoutEnlargement: true })
    .jpeg({ quality: 80 })
    .toBuffer();
  return `data:image/jpeg;base64,${jpeg.toString("base64")}`;
}
