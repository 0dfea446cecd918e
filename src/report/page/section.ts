import type { Chart } from "../charts/chart.js";

/** A page to look at, as data. All of its text is text: what looks like markup is shown as it stands. */
export interface Report {
  /** What made it, small above the title: "repvgg profile". */
  readonly kind: string;
  /** The page's heading. */
  readonly title: string;
  /** The result in a sentence or two. */
  readonly lead?: string;
  /** In their order on the page. */
  readonly sections: readonly Section[];
  /** At the page's end: the command, the machine, the day. */
  readonly footer?: readonly string[];
}

/** A part of a report, as data: heading, text, key figures, notes, table, chart or pictures, told apart by `kind`. */
export type Section = Heading | Text | KeyFigures | Notes | Table | ChartSection | Pictures;

/** A heading of level 2 begins a part of the page, with a place in its contents; one of level 3 divides a part. */
export interface Heading {
  readonly kind: "heading";
  readonly text: string;
  /** Default 2. */
  readonly level?: 2 | 3;
}

/** Paragraphs. */
export interface Text {
  readonly kind: "text";
  readonly text: string | readonly string[];
}

/** The few numbers that a reader came for, large. */
export interface KeyFigures {
  readonly kind: "figures";
  readonly figures: readonly { readonly label: string; readonly value: string; readonly note?: string }[];
}

/** Findings, each on a line of its own. */
export interface Notes {
  readonly kind: "notes";
  readonly notes: readonly { readonly level: "good" | "info" | "warning" | "error"; readonly text: string }[];
}

export interface Column {
  readonly label: string;
  /** Default: "left" for the first column, "right" for the others. */
  readonly align?: "left" | "right";
}

/** Text or a number (written as it is); with `share` a bar of that part of the cell's width lies under it. */
export type Cell =
  | string
  | number
  | { readonly text: string; readonly share?: number; readonly look?: "good" | "bad" | "muted" | "strong" };

/** The first cell of each row is its header. */
export interface Table {
  readonly kind: "table";
  readonly caption: string;
  readonly columns: readonly Column[];
  readonly rows: readonly (readonly Cell[])[];
  /** The last row is a sum (default false). */
  readonly total?: boolean;
  /** Shown only when asked for (default false): long tables. On paper it is shown. */
  readonly folded?: boolean;
}

export interface ChartSection {
  readonly kind: "chart";
  readonly chart: Chart;
}

/** Pictures in rows. */
export interface Pictures {
  readonly kind: "pictures";
  readonly caption?: string;
  readonly pictures: readonly Picture[];
  /** Width of each in CSS pixels (default 128). On a narrower screen they are smaller. */
  readonly width?: number;
  /** Enlarged pixels stay squares (default false): for small pictures. */
  readonly pixelated?: boolean;
}

export interface Picture {
  /** `data:image/png;base64,…` (or jpeg, webp, gif): a page loads nothing. */
  readonly source: string;
  /** What is to be seen, for who does not see it; "" where the caption says it all. */
  readonly alternative: string;
  /** Lines below it; the first is strong. */
  readonly lines?: readonly string[];
  readonly look?: "good" | "bad";
}
