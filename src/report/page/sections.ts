import { chartSvg } from "../charts/draw.js";
import { escapeXml } from "../svg.js";
import { chartTable } from "./chart-table.js";
import type { Cell, ChartSection, KeyFigures, Notes, Picture, Pictures, Section, Table } from "./section.js";

/** Widths that charts are drawn for: the page shows one or the other. */
const chartWidths = { wide: 920, narrow: 336 } as const;

/** @param id unique in the page */
export function renderSection(section: Section, id: string): string {
  switch (section.kind) {
    case "heading":
      return `<h3>${escapeXml(section.text)}</h3>`;
    case "text":
      return [section.text]
        .flat()
        .map((paragraph) => `<p>${escapeXml(paragraph)}</p>`)
        .join("\n");
    case "figures":
      return keyFigures(section);
    case "notes":
      return notes(section);
    case "table":
      return table(section, id);
    case "chart":
      return chart(section, id);
    case "pictures":
      return pictures(section, id);
  }
}

function keyFigures({ figures }: KeyFigures): string {
  const items = figures.map(({ label, value, note }) => {
    const small = note ? `<dd class="note">${escapeXml(note)}</dd>` : "";
    return `<div><dt>${escapeXml(label)}</dt><dd>${escapeXml(value)}</dd>${small}</div>`;
  });
  return `<dl class="figures">${items.join("")}</dl>`;
}

const noteWords = { good: "Good", info: "Note", warning: "Warning", error: "Error" } as const;

function notes({ notes: all }: Notes): string {
  const items = all.map(
    ({ level, text }) => `<li class="${level}"><strong>${noteWords[level]}:</strong> ${escapeXml(text)}</li>`,
  );
  return `<ul class="notes">${items.join("")}</ul>`;
}

function table(section: Table, id: string): string {
  const { caption, folded } = section;
  const body = tableElement(section, id);
  if (!folded) return body;
  return `<details><summary>${escapeXml(caption)}</summary>${body}</details>`;
}

/** A table in a box that scrolls where the screen is too narrow, also by keyboard. */
function tableElement({ caption, columns, rows, total, folded }: Table, id: string): string {
  const side = columns.map(({ align }, i) => (align ?? (i === 0 ? "left" : "right")) === "right" && ' class="n"');
  const head = columns.map(({ label }, i) =>
    label === "" ? "<td></td>" : `<th scope="col"${side[i] || ""}>${escapeXml(label)}</th>`,
  );
  const body = rows.map((row, r) => {
    if (row.length !== columns.length)
      throw new Error(`row ${r} of "${caption}" has ${row.length} cells, not ${columns.length}`);
    const cells = row.map((cell, i) => tableCell(cell, i === 0, side[i] !== false));
    return `<tr${total && r === rows.length - 1 ? ' class="total"' : ""}>${cells.join("")}</tr>`;
  });
  return `<div class="scroll" role="group" aria-labelledby="${id}-caption" tabindex="0"><table><caption id="${id}-caption"${folded ? ' class="unseen"' : ""}>${escapeXml(caption)}</caption><thead><tr>${head.join("")}</tr></thead><tbody>
${body.join("\n")}
</tbody></table></div>`;
}

function tableCell(cell: Cell, header: boolean, right: boolean): string {
  const { text, share, look } = typeof cell === "object" ? cell : { text: String(cell) };
  const looks = [right && "n", look, share !== undefined && "share"].filter(Boolean).join(" ");
  const bar = share === undefined ? "" : ` style="--part:${(100 * Math.min(1, Math.max(0, share))).toFixed(1)}%"`;
  const attributes = `${looks ? ` class="${looks}"` : ""}${bar}`;
  return header && text !== ""
    ? `<th scope="row"${attributes}>${escapeXml(text)}</th>`
    : `<td${attributes}>${escapeXml(text)}</td>`;
}

function chart({ chart: drawn }: ChartSection, id: string): string {
  const numbers = chartTable(drawn);
  return `<figure class="chart">
<figcaption><strong>${escapeXml(drawn.title)}</strong><span>${escapeXml(drawn.description)}</span></figcaption>
<div class="wide">${chartSvg(drawn, chartWidths.wide, `${id}-wide`)}</div>
<div class="narrow">${chartSvg(drawn, chartWidths.narrow, `${id}-narrow`)}</div>
${numbers ? `<details class="numbers"><summary>The numbers<span class="unseen"> of: ${escapeXml(drawn.title)}</span></summary>${tableElement({ ...numbers, folded: true }, `${id}-numbers`)}</details>` : ""}
</figure>`;
}

function pictures({ caption, pictures: all, width = 128, pixelated }: Pictures, id: string): string {
  const items = all.map((picture) => `<li>${onePicture(picture, width)}</li>`).join("");
  const label = caption ? ` aria-labelledby="${id}-caption"` : "";
  const heading = caption ? `<p class="caption" id="${id}-caption">${escapeXml(caption)}</p>` : "";
  return `${heading}<ul class="pictures${pixelated ? " pixelated" : ""}"${label} style="--picture:${width}px">${items}</ul>`;
}

function onePicture({ source, alternative, lines = [], look }: Picture, width: number): string {
  if (!/^data:image\/(png|jpeg|webp|gif);base64,[A-Za-z0-9+/]+=*$/.test(source)) {
    throw new Error(`a report's picture must be a data URI of an image, not ${source.slice(0, 40)}`);
  }
  const image = `<img src="${source}" alt="${escapeXml(alternative)}" width="${width}">`;
  const words = lines.map((line, i) =>
    i === 0 ? `<strong>${escapeXml(line)}</strong>` : `<span>${escapeXml(line)}</span>`,
  );
  const below = words.length > 0 ? `<figcaption>${words.join("")}</figcaption>` : "";
  return `<figure${look ? ` class="${look}"` : ""}>${image}${below}</figure>`;
}
