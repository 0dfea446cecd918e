import type { HeatMap, HeatPanel } from "./chart.js";
import { type Drawing, fitted, round, text, textWidth, told } from "./frame.js";
import { plain } from "./unit.js";

/** Steps of colour from neutral to full. */
export const heatLevels = 16;

/** More cells than this have no words for a pointer: a page shall stay light. */
const mostToldCells = 1024;

export function drawHeatMap(map: HeatMap, width: number): Drawing {
  const limit = map.limit ?? largest(map.panels);
  const labelled = map.rowLabels !== undefined || map.columnLabels !== undefined;
  const place = labelled ? labelledPlaces(map, width) : gridPlaces(map.panels, width);
  const panels = map.panels.map((panel, i) => drawPanel(map, panel, place.panels[i]!, limit));
  const scaleTop = place.height + 18;
  return {
    height: scaleTop + 34,
    body: [place.body, ...panels, colourScale(map, limit, scaleTop, Math.min(240, width))].join(""),
  };
}

interface PanelPlace {
  readonly x: number;
  readonly y: number;
  readonly cell: number;
}

interface Places {
  readonly height: number;
  readonly body: string;
  readonly panels: readonly PanelPlace[];
}

const panelGap = 16;

/** Panels in rows: as many as fit, or those that belong together. */
function gridPlaces(panels: readonly HeatPanel[], width: number): Places {
  const columns = Math.max(1, ...panels.map((panel) => panel.columns));
  const rows = Math.max(1, ...panels.map((panel) => panel.rows));
  const longest = Math.max(0, ...panels.map(({ title = "" }) => textWidth(title)));
  const together = Math.max(1, ...rowLengths(panels));
  const fitting = (width + panelGap) / together - panelGap;
  const wanted = Math.min(width, Math.max(columns * 22, Math.min(longest, width / 2)));
  const panelWidth = together > 1 ? Math.max(columns * 6, Math.min(wanted, fitting)) : wanted;
  const cell = Math.min(34, panelWidth / columns);
  const titleHeight = longest > 0 ? 18 : 0;
  const step = Math.max(cell * columns, panelWidth) + panelGap;
  const body: string[] = [];
  const places: PanelPlace[] = [];
  let [x, y] = [0, 0];
  for (const { row } of panels) {
    const begins = row !== undefined || x + panelWidth > width + 0.01;
    if (begins && places.length > 0) [x, y] = [0, y + titleHeight + cell * rows + panelGap];
    if (row !== undefined) {
      body.push(text(0, y + 12, fitted(row, width), { look: "axis" }));
      y += 20;
    }
    places.push({ x, y: y + titleHeight, cell });
    x += step;
  }
  return { height: y + titleHeight + cell * rows, body: body.join(""), panels: places };
}

/** Panels of each row that is asked for. */
function rowLengths(panels: readonly HeatPanel[]): number[] {
  const lengths: number[] = [];
  for (const { row } of panels) {
    if (row !== undefined) lengths.push(1);
    else if (lengths.length > 0) lengths[lengths.length - 1]!++;
  }
  return lengths;
}

/** Panels one below the other, with names of rows at the left and of columns above. */
function labelledPlaces(map: HeatMap, width: number): Places {
  const { rowLabels = [], columnLabels = [], panels, rowTitle, columnTitle } = map;
  const left = Math.min(width * 0.3, Math.max(0, ...rowLabels.map(textWidth)) + 8);
  const columns = Math.max(1, ...panels.map((panel) => panel.columns));
  const cell = Math.min(52, (width - left) / columns);
  const upright = columnLabels.every((label) => textWidth(label) <= cell);
  const longest = Math.min(110, Math.max(0, ...columnLabels.map(textWidth)));
  const head = columnLabels.length === 0 ? 0 : upright ? 18 : longest + 10;
  const titles = rowTitle || columnTitle ? 20 : 0;
  const body: string[] = [];
  let y = 0;
  const places = panels.map((panel): PanelPlace => {
    const words = [rowTitle && `rows: ${rowTitle}`, columnTitle && `columns: ${columnTitle}`]
      .filter(Boolean)
      .join("; ");
    if (words) body.push(text(0, y + 12, words, { look: "axis" }));
    const top = y + titles + (panel.title ? 18 : 0) + head;
    const labelEvery = Math.ceil(13 / cell);
    for (const [row, label] of rowLabels.entries()) {
      if (row % labelEvery > 0) continue;
      body.push(
        text(left - 6, top + row * cell + cell / 2 + 4, fitted(label, left - 8), { anchor: "end", look: "tick" }),
      );
    }
    for (const [column, label] of columnLabels.entries()) {
      if (column % labelEvery > 0) continue;
      const x = left + column * cell + cell / 2;
      body.push(
        upright
          ? text(x, top - 6, label, { anchor: "middle", look: "tick" })
          : text(x + 4, top - 6, fitted(label, longest), { look: "tick", turn: -90 }),
      );
    }
    y = top + panel.rows * cell + 16;
    return { x: left, y: top, cell };
  });
  return { height: y - 16, body: body.join(""), panels: places };
}

function drawPanel(map: HeatMap, panel: HeatPanel, { x, y, cell }: PanelPlace, limit: number): string {
  const format = (map.unit ?? plain).format;
  const tell = map.panels.reduce((sum, { rows, columns }) => sum + rows * columns, 0) <= mostToldCells;
  const cells: string[] = panel.title ? [text(x, y - 6, panel.title, { look: "name" })] : [];
  for (let row = 0; row < panel.rows; row++) {
    for (let column = 0; column < panel.columns; column++) {
      const value = panel.values[row * panel.columns + column]!;
      const [left, top] = [x + column * cell, y + row * cell];
      const uncoloured = map.plainDiagonal === true && row === column;
      const coloured = uncoloured ? 0 : value;
      const rect = `<rect class="${cellLook(coloured, limit)}" x="${round(left)}" y="${round(top)}" width="${round(cell + 0.3)}" height="${round(cell + 0.3)}"/>`;
      const words = format(value);
      const shown = map.showValues && textWidth(words) <= cell - 2 && cell >= 14;
      const ink = level(coloured, limit) > heatLevels / 2 ? "on" : "off";
      const edge = uncoloured
        ? `<rect class="edge" x="${round(left + 1)}" y="${round(top + 1)}" width="${round(cell - 2)}" height="${round(cell - 2)}"/>`
        : "";
      const number = shown ? text(left + cell / 2, top + cell / 2 + 4, words, { anchor: "middle", look: ink }) : "";
      const where = `${map.rowLabels?.[row] ?? `row ${row + 1}`}, ${map.columnLabels?.[column] ?? `column ${column + 1}`}`;
      cells.push(tell ? told(rect + edge + number, `${where}: ${words}`) : rect + edge + number);
    }
  }
  cells.push(
    `<rect class="edge" x="${round(x)}" y="${round(y)}" width="${round(cell * panel.columns)}" height="${round(cell * panel.rows)}"/>`,
  );
  return cells.join("");
}

function colourScale(map: HeatMap, limit: number, top: number, width: number): string {
  const diverging = map.scale === "diverging";
  const from = diverging ? -heatLevels : 0;
  const steps = heatLevels - from + 1;
  const step = width / steps;
  const cells = Array.from({ length: steps }, (_, i) => {
    const look = lookOf(from + i);
    return `<rect class="${look}" x="${round(i * step)}" y="${top}" width="${round(step + 0.3)}" height="10"/>`;
  });
  const format = (map.unit ?? plain).format;
  return [
    ...cells,
    text(0, top + 26, format(diverging ? -limit : 0), { look: "tick" }),
    ...(diverging ? [text(width / 2, top + 26, "0", { anchor: "middle", look: "tick" })] : []),
    text(width, top + 26, format(limit), { anchor: "end", look: "tick" }),
  ].join("");
}

function cellLook(value: number, limit: number): string {
  if (!Number.isFinite(value)) return "h-none";
  return lookOf(Math.sign(value) * level(value, limit));
}

function lookOf(signedLevel: number): string {
  return signedLevel < 0 ? `hm${-signedLevel}` : `hp${signedLevel}`;
}

/** 0 … {@link heatLevels}. */
function level(value: number, limit: number): number {
  if (!(limit > 0) || !Number.isFinite(value)) return 0;
  return Math.min(heatLevels, Math.round((Math.abs(value) / limit) * heatLevels));
}

function largest(panels: readonly HeatPanel[]): number {
  let most = 0;
  for (const { values } of panels) {
    for (let i = 0; i < values.length; i++) {
      if (Number.isFinite(values[i])) most = Math.max(most, Math.abs(values[i]!));
    }
  }
  return most;
}
