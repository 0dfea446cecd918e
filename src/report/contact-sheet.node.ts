import sharp from "sharp";
import type { Pixels } from "./heat-overlay.js";
import { svgToPng } from "./png.node.js";
import { escapeXml } from "./svg.js";

/** Pictures in rows and columns under a title. */
export interface ContactSheet {
  readonly title: string;
  /** One for each column. */
  readonly head: readonly string[];
  readonly rows: readonly {
    readonly name: string;
    /** A picture fills its place as far as its shape allows. */
    readonly tiles: readonly { readonly pixels: Pixels; readonly captions?: readonly string[] | undefined }[];
  }[];
}

/** Side of a place, space between places, width of the names, height of a line: in units of the drawing, of which a PNG has 2 pixels each way. */
const [side, gap, names, line] = [112, 8, 118, 14];

/** Letters that fit into the width of a place, and of the names. */
const [captionLetters, nameLetters] = [20, 15];

/** The sheet as a PNG, on white. */
export async function contactSheet({ title, head, rows }: ContactSheet): Promise<Buffer> {
  const lines = Math.max(0, ...rows.flatMap(({ tiles }) => tiles.map(({ captions }) => captions?.length ?? 0)));
  const pitch = side + gap + lines * line;
  const top = 24 + 2 * line;
  const width = names + head.length * (side + gap) + gap;
  const height = top + rows.length * pitch + gap;
  const left = (column: number): number => names + column * (side + gap);
  const text = (x: number, y: number, size: number, words: string, more = ""): string =>
    `<text x="${x}" y="${y}" font-size="${size}" ${more}>${escapeXml(words)}</text>`;
  const parts = [
    text(gap, 20, 13, title, 'font-weight="bold"'),
    ...head.map((words, column) => text(left(column), top - 6, 11, words)),
  ];
  for (const [r, { name, tiles }] of rows.entries()) {
    const y = top + r * pitch;
    parts.push(text(gap, y + side / 2, 12, shortened(name, nameLetters)));
    for (const [column, { pixels, captions = [] }] of tiles.entries()) {
      const scale = side / Math.max(pixels.width, pixels.height);
      const [w, h] = [pixels.width * scale, pixels.height * scale];
      const at = `x="${left(column) + (side - w) / 2}" y="${y + (side - h) / 2}" width="${w}" height="${h}"`;
      parts.push(`<image ${at} href="data:image/png;base64,${(await asPng(pixels, 2 * scale)).toString("base64")}"/>`);
      for (const [i, caption] of captions.entries()) {
        parts.push(text(left(column), y + side + (i + 1) * line - 3, 9, shortened(caption, captionLetters)));
      }
    }
  }
  return svgToPng(
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" font-family="system-ui, 'DejaVu Sans', sans-serif" fill="#222"><rect width="100%" height="100%" fill="#fff"/>${parts.join("")}</svg>`,
  );
}

/** At the size at which it is seen: small pictures keep their pixels' edges. */
async function asPng({ width, height, channels, data }: Pixels, scale: number): Promise<Buffer> {
  const raw = sharp(data, { raw: { width, height, channels } });
  const fit = { fit: "fill", kernel: scale > 1 ? "nearest" : "lanczos3" } as const;
  return raw
    .resize(Math.max(1, Math.round(width * scale)), Math.max(1, Math.round(height * scale)), fit)
    .png()
    .toBuffer();
}

function shortened(text: string, letters: number): string {
  const all = Array.from(text);
  return all.length <= letters ? text : `${all.slice(0, letters - 1).join("")}…`;
}
