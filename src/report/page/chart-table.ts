import type { BarChart, Chart, DotChart, LineChart, Timeline } from "../charts/chart.js";
import { plain } from "../charts/unit.js";
import type { Table } from "./section.js";

/** More rows than this help nobody. */
const mostRows = 400;

/** The numbers of a chart as a table, for readers who do not see it; none for heat maps and for very many numbers. */
export function chartTable(chart: Chart): Table | undefined {
  const table = tableOf(chart);
  return table && table.rows.length <= mostRows ? table : undefined;
}

function tableOf(chart: Chart): Table | undefined {
  switch (chart.kind) {
    case "lines":
      return ofLines(chart);
    case "bars":
      return ofBars(chart);
    case "dots":
      return ofDots(chart);
    case "timeline":
      return ofTimeline(chart);
    case "heat-map":
      return undefined;
  }
}

function ofLines({ title, x, y, series }: LineChart): Table {
  const rows = series.flatMap(({ name, points }) =>
    points.map((point) => [
      point.label ? `${name}, ${point.label}` : name,
      (x.unit ?? plain).format(point.x),
      `${(y.unit ?? plain).format(point.y)}${point.spread ? ` ± ${(y.unit ?? plain).format(point.spread)}` : ""}`,
    ]),
  );
  return {
    kind: "table",
    caption: title,
    columns: [{ label: "series" }, { label: x.label }, { label: y.label }],
    rows,
  };
}

function ofBars({ title, value, categories, series }: BarChart): Table {
  const format = (value.unit ?? plain).format;
  const rows = categories.map((category, i) => [
    category,
    ...series.map(({ values, ranges }) => {
      const [number, range] = [values[i], ranges?.[i]];
      if (number === undefined) return "–";
      return range ? `${format(number)} (${format(range[0])} to ${format(range[1])})` : format(number);
    }),
  ]);
  const columns = [{ label: "" }, ...series.map(({ name }) => ({ label: name || value.label }))];
  return { kind: "table", caption: title, columns: [{ ...columns[0]!, label: "what" }, ...columns.slice(1)], rows };
}

function ofDots({ title, value, rows }: DotChart): Table {
  const format = (value.unit ?? plain).format;
  return {
    kind: "table",
    caption: title,
    columns: [{ label: "what" }, { label: "mean" }, { label: "single values", align: "left" }],
    rows: rows.map(({ name, values, mean }) => [
      name,
      mean === undefined ? "–" : format(mean),
      values.map(format).join(", "),
    ]),
  };
}

function ofTimeline({ title, y, series }: Timeline): Table {
  const rows = series.flatMap(({ name, spans }) =>
    spans.map(({ label, value }) => [`${name}, ${label}`, (y.unit ?? plain).format(value)]),
  );
  return { kind: "table", caption: title, columns: [{ label: "step" }, { label: y.label }], rows };
}
