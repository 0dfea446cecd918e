// Chooses the subset of Fashion-MNIST that comes with this package and writes assets/fashion-mnist/*.gz.
//
//   node scripts/make-fashion-mnist-subset.mjs [FOLDER with the four official files]
//
// Class-balanced, chosen by a seed, in the order of the full set. Needs a build. The same zlib gives the same bytes; any
// gives the same pictures.
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { rngFor } from "../dist/core/rng.js";
import { fashionMnistIn, findFashionMnist, shippedFashionMnist } from "../dist/data/fashion-mnist.node.js";
import { indicesByClass } from "../dist/data/hold-out.js";
import { writeIdx } from "../dist/data/idx.js";
import { openDataset } from "../dist/data/open-dataset.node.js";

const seed = 1;
const perClass = { train: 700, test: 200 };
const [folder] = process.argv.slice(2);

mkdirSync(shippedFashionMnist, { recursive: true });
let total = 0;
for (const [split, prefix] of [
  ["train", "train"],
  ["test", "t10k"],
]) {
  const source = folder ? fashionMnistIn(folder, split) : await findFashionMnist(split);
  if (!source) throw new Error(`no Fashion-MNIST ${split} files in ${folder}`);
  const full = await openDataset(source);
  const chosen = indicesByClass(full)
    .flatMap((indices, label) => rngFor(seed, split, label).shuffle(indices).slice(0, perClass[split]))
    .sort((a, b) => a - b);
  const { height, width } = full.read(0);
  const pixels = new Uint8Array(chosen.length * height * width);
  chosen.forEach((index, i) => {
    pixels.set(full.read(index).data, i * height * width);
  });
  const labels = Uint8Array.from(chosen, (index) => full.label(index));
  write(`${prefix}-images-idx3-ubyte.gz`, writeIdx([chosen.length, height, width], pixels));
  write(`${prefix}-labels-idx1-ubyte.gz`, writeIdx([chosen.length], labels));
}
console.log(`${total} bytes in all`);

function write(name, bytes) {
  const packed = gzipSync(bytes, { level: 9, memLevel: 9 });
  total += packed.length;
  writeFileSync(join(shippedFashionMnist, name), packed);
  console.log(`${name}: ${bytes.length} → ${packed.length} bytes`);
}
