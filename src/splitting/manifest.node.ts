import { existsSync } from "node:fs";
import { basename, dirname, relative, resolve, sep } from "node:path";
import { UserError } from "../core/errors.js";
import { writeFileAtomically } from "../formats/atomic-write.node.js";
import { readLabelList } from "../labels/label-list.js";
import { csvText } from "../labels/write-csv.js";
import type { PlacedPicture } from "./copy.node.js";

/** @throws UserError for a file that is there, or one that nobody would read as a list of labels */
export function checkNewManifest(path: string): void {
  if (!/\.csv$/i.test(path)) {
    throw new UserError({
      expected: "a manifest that is named .csv",
      received: path,
      remedy: `for example ${path}.csv`,
    });
  }
  if (!existsSync(path)) return;
  throw new UserError({
    expected: "a manifest that is not there yet",
    received: path,
    remedy: "nothing is overwritten: name another one, or remove it",
  });
}

/**
 * Writes the list of labels of pictures, in their order: path (from the list's folder on, with "/"), class and split.
 * @param folder from which the pictures' paths go on
 * @throws UserError where a class or a path would not be read back as it is, or the file cannot be written
 */
export async function writeManifest(folder: string, placed: readonly PlacedPicture[], path: string): Promise<void> {
  const own = dirname(resolve(path));
  const rows = placed.map(({ file, className, part }) => {
    const way = relative(own, resolve(folder, file));
    return [sep === "/" ? way : way.replaceAll(sep, "/"), className, part];
  });
  const text = csvText([["path", "class", "split"], ...rows]);
  await checkReadable(text, rows, path);
  checkNewManifest(path);
  await writeFileAtomically(path, text);
}

async function checkReadable(text: string, rows: readonly (readonly string[])[], path: string): Promise<void> {
  const refused = (received: string, cause?: unknown): UserError =>
    new UserError(
      {
        expected: "classes and paths that a list of labels can hold",
        received,
        remedy: "copy the pictures into folders (--out)",
      },
      { cause },
    );
  const list = await readLabelList(text, basename(path), {}, (file) => file).catch((error: unknown) => {
    throw error instanceof UserError ? refused(error.message, error) : error;
  });
  const at = rows.findIndex((row, i) => {
    const entry = list.entries[i];
    return entry?.path !== row[0] || entry?.label !== row[1] || entry?.split !== row[2];
  });
  if (at >= 0) throw refused(`${JSON.stringify(rows[at]![0])} of class ${JSON.stringify(rows[at]![1])}`);
}
