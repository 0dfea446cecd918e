import { join } from "node:path";
import { UserError } from "../core/errors.js";
import { BrokenImageError } from "../data/broken-image.js";
import type { Dataset } from "../data/dataset.js";
import { loadSharp } from "../data/load-sharp.node.js";
import { isLenient } from "../data/read-all.js";
import type { PictureFacts } from "./training-defaults.js";

/** Pictures that are looked at for the median. */
const looked = 64;

type Size = Pick<PictureFacts, "width" | "height">;

/**
 * How many pictures there are and how large the median one is, by pictures spread evenly over the set; of files only the heads are read.
 * @throws UserError where no picture can be read, or one is broken in a strict set
 */
export async function pictureFacts(dataset: Dataset): Promise<PictureFacts> {
  const count = Math.min(looked, dataset.length);
  const found: Size[] = [];
  for (let i = 0; i < count; i++) {
    const size = await sizeOf(dataset, Math.floor((i * dataset.length) / count));
    if (size) found.push(size);
  }
  // Where all of the sample are broken, one of the others may not be.
  for (let index = 0; found.length === 0 && index < dataset.length; index++) {
    const size = await sizeOf(dataset, index);
    if (size) found.push(size);
  }
  if (found.length === 0) {
    throw new UserError({
      expected: `a readable picture in ${dataset.name}`,
      received: "only broken ones",
      remedy: "see what is wrong with them: repvgg data",
    });
  }
  const median = (side: keyof Size): number => {
    const sorted = found.map((size) => size[side]).sort((a, b) => a - b);
    return sorted[Math.floor(sorted.length / 2)]!;
  };
  return { pictures: dataset.length, width: median("width"), height: median("height") };
}

/** Of one picture, as it is seen upright; undefined where it is broken. */
async function sizeOf(dataset: Dataset, index: number): Promise<Size | undefined> {
  const { source } = dataset;
  if (source?.kind === "folder") {
    const sharp = await loadSharp();
    const head = await sharp(join(source.path, source.files[index]!))
      .metadata()
      .catch(() => undefined);
    if (head?.width && head.height) {
      // EXIF orientations 5 to 8 lie on their side.
      const turned = (head.orientation ?? 1) >= 5;
      return turned ? { width: head.height, height: head.width } : { width: head.width, height: head.height };
    }
  }
  try {
    const { width, height } = await dataset.read(index);
    return { width, height };
  } catch (error) {
    if (error instanceof BrokenImageError && isLenient(dataset)) return undefined;
    throw error;
  }
}
