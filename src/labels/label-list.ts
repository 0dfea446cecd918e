import { UserError } from "../core/errors.js";
import { findColumns, type LabelColumns, namesColumns } from "./columns.js";
import { type CsvTable, readCsv } from "./csv.js";
import { checkNoIndicatorColumns, checkSingleLabels } from "./label-kinds.js";

/** Part of a data set, as lists of labels name it. */
export type ListedSplit = "train" | "val" | "test";

/** Pictures and their classes, as a file lists them. */
export interface LabelList {
  /** As the file has them, each picture once. */
  readonly entries: readonly LabelEntry[];
  /** Sorted by code units, as folders are. */
  readonly classNames: readonly string[];
  /** The splits that rows name; undefined where the list divides nothing. */
  readonly splits: ReadonlySet<ListedSplit> | undefined;
  /** What was read how, in sentences. */
  readonly notes: readonly string[];
}

/** A row of a list of labels. */
export interface LabelEntry {
  readonly path: string;
  readonly label: string;
  readonly split: ListedSplit | undefined;
}

const splitNames: Readonly<Record<string, ListedSplit>> = {
  ...{ train: "train", training: "train", trn: "train" },
  ...{ val: "val", valid: "val", validation: "val", dev: "val" },
  ...{ test: "test", testing: "test", tst: "test" },
};

const separators = [",", ";", "\t"] as const;

/**
 * Reads a list of labels: a first line that names columns, then a line for each picture with its path, its class and, where there is such
 * a column, its split.
 * @param name of the file, for messages
 * @param identify what two paths of the same file have in common
 * @throws FormatError for a damaged table; UserError for one whose columns, labels or splits cannot be used, and for a picture with two
 *   labels or in two splits
 */
export async function readLabelList(
  text: string,
  name: string,
  options: LabelColumns,
  identify: (path: string) => string,
): Promise<LabelList> {
  const { table, separator } = await tableOf(text, name, options);
  if (!namesColumns(table.head, options)) checkNoIndicatorColumns(table.head, table.rows, name);
  const columns = findColumns(table.head, options, name);
  if (table.rows.length === 0) {
    throw new UserError({ expected: `a line for each picture in ${name}`, received: "only the names of columns" });
  }
  const seen = new Map<string, { entry: LabelEntry; row: number }>();
  const labels: string[] = [];
  let repeated = 0;
  table.rows.forEach((fields, row) => {
    const entry = entryOf(fields, columns, table, row, name);
    labels.push(entry.label);
    const key = identify(entry.path);
    const known = seen.get(key);
    if (!known) seen.set(key, { entry, row });
    else if (known.entry.label === entry.label && known.entry.split === entry.split) repeated++;
    else throw contradiction(known, entry, row, table, name);
  });
  checkSingleLabels(labels, table.head[columns.label]!, name);
  const classNames = [...new Set(labels)].sort();
  if (classNames.length < 2) {
    throw new UserError({
      expected: `at least two classes in column "${table.head[columns.label]}" of ${name}`,
      received: `one, "${classNames[0]}"`,
    });
  }
  const entries = Array.from(seen.values(), ({ entry }) => entry);
  const column = (at: number): string => `"${table.head[at]}"`;
  const split = columns.split === undefined ? "" : `, split in ${column(columns.split)}`;
  const between = separator === "," ? "" : ` (separated by ${separator === "\t" ? "tabs" : `"${separator}"`})`;
  return {
    entries,
    classNames,
    splits: columns.split === undefined ? undefined : new Set(entries.map((entry) => entry.split!)),
    notes: [
      `${name}${between}: path in column ${column(columns.path)}, class in ${column(columns.label)}${split}`,
      ...(repeated > 0 ? [`${name}: ${repeated.toLocaleString("en")} lines say again what an earlier one says`] : []),
    ],
  };
}

/** By the separator with which the first line names what is needed; else by the one that it has most of. */
async function tableOf(
  text: string,
  name: string,
  options: LabelColumns,
): Promise<{ table: CsvTable; separator: string }> {
  const [, first = ""] = /^\uFEFF?\s*(.*)/.exec(text) ?? [];
  const heads = await Promise.all(
    separators.map(async (separator) => {
      const { head } = await readCsv(first.slice(0, 65536), name, separator).catch(() => ({ head: [first] }));
      return { separator, head };
    }),
  );
  const telling = heads.find(({ head }) => namesColumns(head, options));
  const { separator } = telling ?? heads.reduce((most, one) => (one.head.length > most.head.length ? one : most));
  return { table: await readCsv(text, name, separator), separator };
}

function entryOf(
  fields: readonly string[],
  columns: ReturnType<typeof findColumns>,
  table: CsvTable,
  row: number,
  name: string,
): LabelEntry {
  const path = fields[columns.path]!;
  const label = fields[columns.label]!.trim();
  const empty = path.trim() === "" ? columns.path : label === "" ? columns.label : undefined;
  if (empty !== undefined) {
    throw new UserError({
      expected: `something in column "${table.head[empty]}" on each line of ${name}`,
      received: `nothing on line ${table.lineOf(row)}`,
      remedy: "fill it in, or take the line out",
    });
  }
  if (/^[a-z][a-z\d+.-]+:\/\//i.test(path.trim())) {
    throw new UserError({
      expected: `paths of files in ${name}`,
      received: `an address on line ${table.lineOf(row)}: ${path.trim().slice(0, 80)}`,
      remedy: "download the pictures, and list the files",
    });
  }
  if (columns.split === undefined) return { path, label, split: undefined };
  const said = fields[columns.split]!.trim();
  const split = Object.hasOwn(splitNames, said.toLowerCase()) ? splitNames[said.toLowerCase()] : undefined;
  if (split === undefined) {
    throw new UserError({
      expected: `train, val or test in column "${table.head[columns.split]}" of ${name}`,
      received: `"${said.slice(0, 60)}" on line ${table.lineOf(row)}`,
      remedy: "write one of these, or name another column (--split-column, splitColumn)",
    });
  }
  return { path, label, split };
}

function contradiction(
  known: { entry: LabelEntry; row: number },
  entry: LabelEntry,
  row: number,
  table: CsvTable,
  name: string,
): UserError {
  const [what, first, second] =
    known.entry.label === entry.label
      ? ["split", known.entry.split, entry.split]
      : ["label", known.entry.label, entry.label];
  return new UserError({
    expected: `one ${what} for ${entry.path} in ${name}`,
    received: `"${first}" on line ${table.lineOf(known.row)} and "${second}" on line ${table.lineOf(row)}`,
    remedy:
      what === "label"
        ? "nets are trained on one class a picture: take one of the lines out"
        : "take one of the lines out",
  });
}
