import type { Unit } from "./unit.js";

/** What every chart has. A reader who does not see it reads `title` and `description`. */
interface ChartText {
  readonly title: string;
  /** What the chart shows, and what to see in it, in a sentence or two. */
  readonly description: string;
}

/** A quantity along an axis. */
export interface Axis {
  readonly label: string;
  readonly unit?: Unit;
  /** Default linear. A logarithmic axis shows positive numbers only. */
  readonly scale?: "linear" | "log";
  /** Default: what the data need; linear axes of quantities begin at 0 with `zero`. */
  readonly zero?: boolean;
  readonly domain?: readonly [low: number, high: number];
}

export interface LineSeries {
  readonly name: string;
  readonly points: readonly LinePoint[];
  /** Default "line"; "points" draws no line between them, "both" a line with dots. */
  readonly draw?: "line" | "points" | "both";
}

export interface LinePoint {
  readonly x: number;
  readonly y: number;
  /** Half-width of a whisker, as of a standard deviation. */
  readonly spread?: number;
  readonly label?: string;
}

/** Curves over a quantity, or points in a plane. */
export interface LineChart extends ChartText {
  readonly kind: "lines";
  readonly x: Axis;
  readonly y: Axis;
  readonly series: readonly LineSeries[];
}

export interface BarSeries {
  readonly name: string;
  /** One a category; undefined: there is none. */
  readonly values: readonly (number | undefined)[];
  /** Ends of whiskers, as quartiles. */
  readonly ranges?: readonly (readonly [low: number, high: number] | undefined)[];
}

/** Horizontal bars from 0, one for each series in each category. */
export interface BarChart extends ChartText {
  readonly kind: "bars";
  /** What the bars' length is. */
  readonly value: Axis;
  readonly categories: readonly string[];
  readonly series: readonly BarSeries[];
}

/** Single measurements, and what is made of them. */
export interface DotRow {
  readonly name: string;
  readonly values: readonly number[];
  readonly mean?: number;
  /** Ends of the whisker, as mean ± standard deviation. */
  readonly range?: readonly [low: number, high: number];
  /** Which of the series' colours and marks the dots have. Default 0. */
  readonly look?: number;
}

/** Rows of single measurements along one axis: every value is seen, not only their mean. */
export interface DotChart extends ChartText {
  readonly kind: "dots";
  readonly value: Axis;
  readonly rows: readonly DotRow[];
  /** A number that the rows are compared with. */
  readonly reference?: { readonly value: number; readonly label: string };
}

export interface HeatPanel {
  readonly title?: string;
  readonly rows: number;
  readonly columns: number;
  /** The panel begins a new row, under this title. Not with labels of rows and columns. */
  readonly row?: string;
  /** [rows][columns] */
  readonly values: ArrayLike<number>;
}

/** Matrices as coloured cells, all on one scale. */
export interface HeatMap extends ChartText {
  readonly kind: "heat-map";
  readonly panels: readonly HeatPanel[];
  /** "diverging": 0 is neutral, sign is hue (kernels); "sequential": 0 is nothing (counts). */
  readonly scale: "diverging" | "sequential";
  /** The size that has the full colour. Default: the largest. */
  readonly limit?: number;
  readonly rowLabels?: readonly string[];
  readonly columnLabels?: readonly string[];
  readonly rowTitle?: string;
  readonly columnTitle?: string;
  /** Cells of the diagonal have an edge and no colour: they are of another kind than the others, as right answers among mistakes. */
  readonly plainDiagonal?: boolean;
  /** Write the numbers into the cells, where there is room (default false). */
  readonly showValues?: boolean;
  readonly unit?: Unit;
}

/** What holds from one place of the x-axis to another. */
export interface TimeSpan {
  readonly from: number;
  readonly to: number;
  readonly value: number;
  readonly label: string;
}

/** A quantity that is constant for a while and then another, as memory in use. */
export interface Timeline extends ChartText {
  readonly kind: "timeline";
  readonly x: { readonly label: string };
  readonly y: Axis;
  /** Named stretches of the x-axis, in order. */
  readonly bands?: readonly { readonly from: number; readonly to: number; readonly label: string }[];
  readonly series: readonly { readonly name: string; readonly spans: readonly TimeSpan[] }[];
}

/** A chart of a report, as data: `kind` is "line", "bar", "dot", "heat" or "timeline". */
export type Chart = LineChart | BarChart | DotChart | HeatMap | Timeline;
