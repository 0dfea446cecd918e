import { createHash } from "node:crypto";
import { readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import type { Dataset, FolderSource } from "./dataset.js";
import type { DataWarning } from "./description.js";
import { indicesByClass } from "./hold-out.js";
import { balanceWarnings, ignoredWarnings, leakWarnings } from "./warnings.js";

/** Bytes that are read at most in search of equal pictures: a second or two. */
const maxBytes = 2 ** 28;

/** Pictures of a training by what they are for. */
export interface CheckedParts {
  readonly train: Dataset;
  readonly validation?: Dataset | undefined;
  readonly test?: Dataset | undefined;
}

/**
 * What can be seen of the parts of a data set without decoding pictures: classes that are badly unbalanced, and pictures that are in two
 * parts byte for byte. `describeDataset` sees more.
 */
export async function quickChecks({ train, validation, test }: CheckedParts): Promise<DataWarning[]> {
  const classes = indicesByClass(train).map((indices, label) => ({
    name: train.classNames[label]!,
    pictures: indices.length,
  }));
  // Parts of one folder know the same of it.
  const others = [validation, test].filter((set) => set !== undefined);
  const apart = others.filter(
    ({ source }) => train.source?.kind === "folder" && source?.kind === "folder" && train.source.path !== source.path,
  );
  return [
    ...balanceWarnings(train.name, classes),
    ...[train, ...apart].flatMap(({ name, ignored }) => ignoredWarnings(name, ignored)),
    ...(await leaks({ train, validation, test })),
  ];
}

async function leaks({ train, validation, test }: CheckedParts): Promise<DataWarning[]> {
  const pictures = new PictureHashes();
  return [
    ...(test ? leakWarnings(await equalPictures(train, test, pictures)) : []),
    ...(test && validation ? leakWarnings(await equalPictures(validation, test, pictures), "test", "validation") : []),
    ...(validation ? leakWarnings(await equalPictures(train, validation, pictures), "validation") : []),
  ];
}

/** Pictures of the second set that the first has too. Sets of more bytes than can be read quickly give 0. */
async function equalPictures(first: Dataset, second: Dataset, pictures: PictureHashes): Promise<number> {
  if (first.source?.kind === "folder" && second.source?.kind === "folder") {
    return equalFiles(first.source, second.source);
  }
  const picture = await first.read(0);
  if (picture.data.length * (first.length + second.length) > maxBytes) return 0;
  const known = new Set(await pictures.of(first));
  return (await pictures.of(second)).filter((found) => known.has(found)).length;
}

/** Hashes of the pixels of data sets, each read once. */
class PictureHashes {
  readonly #known = new Map<Dataset, string[]>();

  async of(dataset: Dataset): Promise<readonly string[]> {
    const known = this.#known.get(dataset) ?? [];
    this.#known.set(dataset, known);
    while (known.length < dataset.length) known.push(hash((await dataset.read(known.length)).data));
    return known;
  }
}

/** Only files of a size that both sets have are read. */
function equalFiles(train: FolderSource, test: FolderSource): number {
  const sized = ({ path, files }: FolderSource) =>
    files.map((file) => join(path, file)).map((file) => ({ file, size: statSync(file).size }));
  const [ours, theirs] = [sized(train), sized(test)];
  const [sizes, others] = [ours, theirs].map((list) => new Set(list.map(({ size }) => size))) as [
    Set<number>,
    Set<number>,
  ];
  const [first, second] = [ours.filter(({ size }) => others.has(size)), theirs.filter(({ size }) => sizes.has(size))];
  if ([...first, ...second].reduce((sum, { size }) => sum + size, 0) > maxBytes) return 0;
  const known = new Set(first.map(({ file }) => hash(readFileSync(file))));
  return second.filter(({ file }) => known.has(hash(readFileSync(file)))).length;
}

function hash(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("base64");
}
