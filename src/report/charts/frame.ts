import { escapeXml } from "../svg.js";

/** Series are told apart by colour, and by mark and dash for who does not see colours; there are so many looks. */
export const seriesLooks = 6;

/** Average width of a character of 12-pixel text. */
const characterWidth = 6.6;

/** Marks in a box that begins at 0, 0 and is as wide as it was asked to be. */
export interface Drawing {
  readonly height: number;
  readonly body: string;
}

interface Frame {
  readonly id: string;
  readonly title: string;
  readonly description: string;
  readonly width: number;
  readonly height: number;
  readonly body: string;
}

export function frame({ id, title, description, width, height, body }: Frame): string {
  const size = `width="${width}" height="${round(height)}" viewBox="0 0 ${width} ${round(height)}"`;
  return `<svg class="chart" ${size} role="img" aria-labelledby="${id}-title ${id}-text"><title id="${id}-title">${escapeXml(title)}</title><desc id="${id}-text">${escapeXml(description)}</desc>${body}</svg>`;
}

interface TextLook {
  readonly anchor?: "start" | "middle" | "end";
  readonly look?: string;
  readonly turn?: number;
}

export function text(
  x: number,
  y: number,
  words: string,
  { anchor = "start", look = "", turn }: TextLook = {},
): string {
  const place = `x="${round(x)}" y="${round(y)}"`;
  const attributes = [
    anchor === "start" ? "" : ` text-anchor="${anchor}"`,
    look ? ` class="${look}"` : "",
    turn === undefined ? "" : ` transform="rotate(${turn} ${round(x)} ${round(y)})"`,
  ].join("");
  return `<text ${place}${attributes}>${escapeXml(words)}</text>`;
}

export function textWidth(words: string): number {
  return words.length * characterWidth;
}

/** Words that fit into so many pixels; the rest becomes an ellipsis. */
export function fitted(words: string, width: number): string {
  const room = Math.max(1, Math.floor(width / characterWidth));
  const characters = [...words];
  return characters.length <= room ? words : `${characters.slice(0, room - 1).join("")}…`;
}

/** A mark with what a pointer over it is told. */
export function told(mark: string, words: string): string {
  return `<g>${mark}<title>${escapeXml(words)}</title></g>`;
}

/** The mark that a series has beside its colour, around a point. */
export function marker(series: number, x: number, y: number, size = 4): string {
  const look = `class="f${series % seriesLooks}"`;
  const [cx, cy] = [round(x), round(y)];
  switch (series % seriesLooks) {
    case 0:
      return `<circle ${look} cx="${cx}" cy="${cy}" r="${size}"/>`;
    case 1:
      return `<path ${look} d="M${cx} ${round(y - size * 1.25)}l${size * 1.2} ${size * 2.1}h${-size * 2.4}z"/>`;
    case 2:
      return `<rect ${look} x="${round(x - size * 0.9)}" y="${round(y - size * 0.9)}" width="${size * 1.8}" height="${size * 1.8}"/>`;
    case 3:
      return `<path ${look} d="M${cx} ${round(y - size * 1.35)}l${size * 1.35} ${size * 1.35}l${-size * 1.35} ${size * 1.35}l${-size * 1.35} ${-size * 1.35}z"/>`;
    case 4:
      return `<path ${look} d="M${cx} ${round(y + size * 1.25)}l${size * 1.2} ${-size * 2.1}h${-size * 2.4}z"/>`;
    default:
      return `<circle class="s${series % seriesLooks}" cx="${cx}" cy="${cy}" r="${size - 0.5}"/>`;
  }
}

/** The names of the series in rows, each after its mark. Nothing where there is one series only. */
export function legend(
  names: readonly string[],
  width: number,
  mark: (series: number, x: number, y: number) => string,
): Drawing {
  if (names.length < 2) return { height: 0, body: "" };
  let [x, y] = [0, 12];
  const parts: string[] = [];
  for (const [series, name] of names.entries()) {
    const words = fitted(name, width - 24);
    const needed = 24 + textWidth(words) + 16;
    if (x > 0 && x + needed > width + 16) [x, y] = [0, y + 20];
    parts.push(mark(series, x + 8, y - 4), text(x + 22, y, words, { look: "name" }));
    x += needed;
  }
  return { height: y + 14, body: parts.join("") };
}

/** At most two decimals: a hundredth of a pixel shows on no screen. */
export function round(value: number): number {
  return Math.round(value * 100) / 100;
}
