import { FormatError } from "../core/errors.js";

/** Letters of one field, beyond which something else than a table is read: the longest paths of file systems have 4,096. */
const longestField = 8192;

/** The lines of a table of values, the first one its head. */
export interface CsvTable {
  readonly head: readonly string[];
  /** Without empty lines. */
  readonly rows: readonly (readonly string[])[];
  /** The line of the file, from 1, on which a row begins. */
  lineOf(row: number): number;
}

/**
 * Values with separators between them (RFC 4180): fields in quotes with separators, quotes and line ends in them; lines that end in
 * LF, CR LF or CR; with or without a byte order mark.
 * @param name of the file, for messages
 * @param separator one of ",", ";" and tab
 * @throws FormatError for quotes that do not close or have letters behind them, rows of another length than the first, fields that
 *   no name has
 */
export async function readCsv(text: string, name: string, separator: string): Promise<CsvTable> {
  const { default: Papa } = await import("papaparse");
  const plain = text.replace(/^\uFEFF/, "").replace(/\r\n?/g, "\n");
  const { data, errors } = Papa.parse<string[]>(plain, { delimiter: separator, newline: "\n", quoteChar: '"' });
  // Asked for messages only: a row has a line, and those that its fields hold.
  const lineOf = (at: number): number =>
    data.slice(0, at).reduce((line, row) => line + row.join(separator).split("\n").length, 1);
  const damaged = (at: number, received: string, remedy: string): FormatError =>
    new FormatError({
      expected: "a table of values with separators",
      received: `${name}, line ${lineOf(at)}: ${received}`,
      remedy,
    });

  for (const { type, code, row = 0 } of errors) {
    if (type !== "Quotes") continue;
    throw code === "MissingQuotes"
      ? damaged(row, "a quote that is never closed", 'close it, or double quotes inside of fields ("")')
      : damaged(row, "letters behind a closed quote", 'double quotes inside of fields ("")');
  }
  const isEmpty = (row: readonly string[]): boolean => row.length === 1 && row[0]!.trim() === "";
  const places: number[] = [];
  for (let at = 0; at < data.length; at++) if (!isEmpty(data[at]!)) places.push(at);
  const head = data[places[0] ?? -1] ?? [];
  for (const at of places) {
    const row = data[at]!;
    const long = row.find((field) => field.length > longestField);
    if (long !== undefined)
      throw damaged(
        at,
        `a field of ${long.length.toLocaleString("en")} letters`,
        "look for a quote that is not closed",
      );
    if (row.length !== head.length)
      throw damaged(
        at,
        `${row.length} field${row.length === 1 ? "" : "s"}, where the first line has ${head.length}`,
        "put fields with separators in them into quotes",
      );
  }
  const rows = places.slice(1).map((at) => data[at]!);
  return { head: head.map((field) => field.trim()), rows, lineOf: (row) => lineOf(places[row + 1]!) };
}
