import { describe, expect, it } from "vitest";
import { reportMarkdown } from "#repvgg/report/markdown.js";
import { hostile, sample } from "./sample.js";

const markdown = reportMarkdown(sample, ({ kind }) => (kind === "lines" ? "lines.svg" : undefined));

describe("a report as Markdown", () => {
  it("shows text as text: no markup of it takes effect, in tables neither", () => {
    for (const line of markdown.split("\n").filter((one) => !one.startsWith("`"))) {
      expect(line.replaceAll(/\\[\\`*_[\]<>|#]/g, "")).not.toMatch(/<|>/);
    }
    expect(markdown.split("\n")[0]).toBe(`# A page with everything: ${escaped(hostile)}`);
  });

  it("has tables with as many cells in every row as there are columns", () => {
    const tables = sample.sections.filter((section) => section.kind === "table");
    const rows = markdown.split("\n").filter((line) => line.startsWith("| "));
    expect(rows).toHaveLength(tables.reduce((sum, { rows: own }) => sum + own.length + 2, 0));
    const cells = rows.map((row) => row.replaceAll(/\\./g, "").split("|").length - 2);
    const expected = tables.flatMap(({ columns, rows: own }) => Array(own.length + 2).fill(columns.length));
    expect(cells).toEqual(expected);
    // Numbers stand at the right, names at the left, as in the page.
    const rules = rows.filter((row) => /^[| :-]+$/.test(row));
    expect(rules).toEqual(
      tables.map(
        ({ columns }) =>
          `| ${columns.map(({ align }, i) => ((align ?? (i > 0 ? "right" : "left")) === "right" ? "---:" : "---")).join(" | ")} |`,
      ),
    );
  });

  it("has a chart's picture and what to see in it, and leaves out charts without one", () => {
    const charts = sample.sections.flatMap((section) => (section.kind === "chart" ? [section.chart] : []));
    const drawn = charts.filter(({ kind }) => kind === "lines");
    expect(markdown.match(/!\[/g)).toHaveLength(drawn.length);
    for (const chart of charts) {
      expect(markdown.includes(escaped(chart.description)), chart.title).toBe(
        drawn.includes(chart as (typeof drawn)[0]),
      );
    }
  });
});

function escaped(text: string): string {
  return text.replace(/[\\`*_[\]<>|#]/g, "\\$&");
}
