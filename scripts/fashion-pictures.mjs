// Real pictures as PNG files in class folders, from the shipped Fashion-MNIST subset.
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import sharp from "sharp";
import { openDataset } from "../dist/data/open-dataset.node.js";

/**
 * Writes `folder/train/CLASS/i.png` and `folder/test/CLASS/i.png`, as many as asked for of each split, the classes in
 * equal parts.
 */
export async function writePictures(folder, counts) {
  for (const [split, count] of Object.entries(counts)) {
    const dataset = await openDataset("fashion-mnist-subset", split);
    const classes = dataset.classNames.length;
    const written = dataset.classNames.map(() => 0);
    const jobs = [];
    for (let i = 0; i < dataset.length && jobs.length < count; i++) {
      const label = dataset.label(i);
      if (written[label] >= Math.ceil(count / classes)) continue;
      const target = join(folder, split, dataset.classNames[label].replaceAll("/", "-"));
      mkdirSync(target, { recursive: true });
      const { data, width, height, channels } = await dataset.read(i);
      const picture = sharp(data, { raw: { width, height, channels } }).toColourspace("b-w");
      jobs.push(picture.png().toFile(join(target, `${written[label]++}.png`)));
    }
    await Promise.all(jobs);
  }
}
