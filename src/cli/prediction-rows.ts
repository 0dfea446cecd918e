import type { Prediction } from "../classifier/prediction.js";
import type { ErrorRecord } from "../terminal/error-json.js";
import { percent } from "../terminal/format.js";
import type { Explained } from "./explained-pictures.js";

/** The answer to one picture; plain JSON. */
export type PredictionRow =
  | {
      readonly file: string;
      /** The likeliest class; null where it is below the threshold: none of these. */
      readonly answer: string | null;
      readonly predictions: readonly Prediction[];
      /** Of an animation or a file of pages, of which the first was looked at. */
      readonly frames?: number;
      readonly explained?: Explained;
    }
  | { readonly file: string; readonly error: ErrorRecord };

/** How rows are written as they come. */
export interface RowFormat {
  readonly head: string;
  row(row: PredictionRow, index: number): string;
}

export const rowFormats = ["table", "jsonl", "csv"] as const;
export type RowFormatName = (typeof rowFormats)[number];

/** @param options.top classes of each row; @param options.columns letters that a line may have */
export function rowFormat(name: RowFormatName, options: { readonly top: number; readonly columns: number }): RowFormat {
  switch (name) {
    case "table":
      return { head: "", row: (row, index) => `${index > 0 ? "\n" : ""}${block(row, options.columns)}\n` };
    case "jsonl":
      return { head: "", row: (row) => `${JSON.stringify(row)}\n` };
    case "csv": {
      const classes = Array.from({ length: options.top }, (_, i) => [`class${i + 1}`, `probability${i + 1}`]).flat();
      return { head: line(["file", "answer", ...classes, "error"]), row: (row) => line(cells(row, options.top)) };
    }
  }
}

function block(row: PredictionRow, columns: number): string {
  if ("error" in row) return `${row.file}\n  not read: ${row.error.received}${remark(row.error.remedy)}`;
  const { file, answer, predictions, frames, explained } = row;
  return [
    frames === undefined ? file : `${file} (the first of ${frames} frames)`,
    ...(answer === null ? ["  none of these"] : []),
    ...predictions.map((prediction) => bar(prediction, columns)),
    ...(explained ? [`  where it sees ${explained.className}: ${explained.file}`] : []),
  ].join("\n");
}

function remark(remedy: string | null): string {
  return remedy === null ? "" : `; ${remedy}`;
}

/** Letters of a bar's line that are no bar and no name. */
const fixed = 13;

function bar({ name, probability }: Prediction, columns: number): string {
  const width = Math.max(8, Math.min(30, columns - fixed - Math.min(24, name.length)));
  const room = Math.max(8, columns - fixed - width);
  const shown = name.length <= room ? name : `${name.slice(0, room - 1)}…`;
  return `  ${"█".repeat(Math.round(probability * width)).padEnd(width, "·")} ${percent(probability).padStart(8)}  ${shown}`;
}

function cells(row: PredictionRow, top: number): string[] {
  const blank = (count: number): string[] => new Array<string>(count).fill("");
  if ("error" in row) return [row.file, ...blank(1 + 2 * top), row.error.received + remark(row.error.remedy)];
  const classes = row.predictions.flatMap(({ name, probability }) => [name, String(probability)]);
  return [row.file, row.answer ?? "", ...classes, ...blank(2 * top - classes.length), ""];
}

/** RFC 4180, with the line ends of this platform's tools. */
function line(values: readonly string[]): string {
  return `${values.map((value) => (/[",\r\n]/.test(value) ? `"${value.replaceAll('"', '""')}"` : value)).join(",")}\n`;
}
