import type { Chart } from "./charts/chart.js";
import type { Cell, Report, Section, Table } from "./page/section.js";

/**
 * A report as Markdown (GitHub's tables), for a repository or a mail.
 * @param pictureOf a chart's picture, as an address; undefined: the chart is left out
 */
export function reportMarkdown(report: Report, pictureOf: (chart: Chart) => string | undefined): string {
  const { title, lead, sections, footer = [] } = report;
  const parts = [
    `# ${plainText(title)}`,
    ...(lead ? [plainText(lead)] : []),
    ...sections.flatMap((one) => part(one, pictureOf)),
  ];
  const end = footer.length > 0 ? ["---", footer.map((line) => `\`${line.replaceAll("`", "'")}\``).join("  \n")] : [];
  return `${[...parts, ...end].join("\n\n")}\n`;
}

function part(section: Section, pictureOf: (chart: Chart) => string | undefined): string[] {
  switch (section.kind) {
    case "heading":
      return [`${section.level === 3 ? "###" : "##"} ${plainText(section.text)}`];
    case "text":
      return [section.text].flat().map(plainText);
    case "figures":
      return [
        section.figures
          .map(
            ({ label, value, note }) =>
              `- **${plainText(value)}** ${plainText(label)}${note ? ` (${plainText(note)})` : ""}`,
          )
          .join("\n"),
      ];
    case "notes":
      return [section.notes.map(({ text }) => `- ${plainText(text)}`).join("\n")];
    case "table":
      return [`**${plainText(section.caption)}**`, table(section)];
    case "chart": {
      const picture = pictureOf(section.chart);
      const { title, description } = section.chart;
      return picture ? [`![${plainText(title)}](${picture})`, plainText(description)] : [];
    }
    case "pictures":
      return section.caption ? [plainText(section.caption)] : [];
  }
}

function table({ columns, rows }: Table): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(" | ")} |`;
  const rules = columns.map(({ align }, i) => ((align ?? (i === 0 ? "left" : "right")) === "left" ? "---" : "---:"));
  return [
    line(columns.map(({ label }) => plainText(label))),
    line(rules),
    ...rows.map((row) => line(row.map((cell) => plainText(cellText(cell))))),
  ].join("\n");
}

function cellText(cell: Cell): string {
  return typeof cell === "object" ? cell.text : String(cell);
}

/** Text that is shown as it stands. */
function plainText(text: string): string {
  return text.replace(/[\\`*_[\]<>|#]/g, "\\$&").replaceAll("\n", " ");
}
