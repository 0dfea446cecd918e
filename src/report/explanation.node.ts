import sharp from "sharp";
import { cssColor, heatColor } from "./color-map.js";
import type { Pixels } from "./heat-overlay.js";
import { svgToPng } from "./png.node.js";
import { escapeXml } from "./svg.js";

/** A prediction and where in the picture it comes from. */
export interface ExplainedPicture {
  /** "Sneaker, 93.1 %" */
  readonly title: string;
  /** How it was found: "Grad-CAM of stage 4, 7×7 places". */
  readonly method: string;
  /** What the net saw. */
  readonly picture: Pixels;
  /** The same with heat over it. */
  readonly overlay: Pixels;
}

/** Sides of the pictures and the space around them, in pixels before the doubling for sharp screens. */
const longest = 320;
const gap = 16;
const [top, bottom] = [44, 66];

/** The picture beside its overlay, with a legend, as a PNG. */
export async function explanationPng({ title, method, picture, overlay }: ExplainedPicture): Promise<Buffer> {
  const shrink = longest / Math.max(picture.width, picture.height);
  const [width, height] = [Math.round(picture.width * shrink), Math.round(picture.height * shrink)];
  // Narrow pictures still leave room for the legend's words.
  const column = Math.max(width, 240);
  const [left, right] = [gap + (column - width) / 2, 2 * gap + column + (column - width) / 2];
  const total = [3 * gap + 2 * column, top + height + bottom] as const;
  const legend = { x: 2 * gap + column, y: top + height + 14, width: column };
  const steps = Array.from({ length: 17 }, (_, i) => i / 16);
  const image = async (x: number, pixels: Pixels) =>
    `<image x="${x}" y="${top}" width="${width}" height="${height}" href="${await dataUri(pixels)}"/>`;
  const text = (x: number, y: number, size: number, words: string, more = "") =>
    `<text x="${x}" y="${y}" font-size="${size}" ${more}>${escapeXml(words)}</text>`;
  return svgToPng(`<svg xmlns="http://www.w3.org/2000/svg" width="${total[0]}" height="${total[1]}" viewBox="0 0 ${total.join(" ")}" font-family="system-ui, 'DejaVu Sans', sans-serif" fill="#222">
<rect width="100%" height="100%" fill="white"/>
<linearGradient id="heat">${steps.map((share) => `<stop offset="${share}" stop-color="${cssColor(heatColor(share))}"/>`).join("")}</linearGradient>
${text(gap, 28, 16, title, 'font-weight="600"')}
${await image(left, picture)}
${await image(right, overlay)}
<rect x="${legend.x}" y="${legend.y}" width="${legend.width}" height="10" fill="url(#heat)"/>
${text(legend.x, legend.y + 24, 11, "nothing for it")}
${text(legend.x + legend.width, legend.y + 24, 11, "most for it", 'text-anchor="end"')}
${text(gap, legend.y + 9, 11, "what the net saw")}
${text(gap, legend.y + 24, 11, method, 'fill="#666"')}
</svg>`);
}

async function dataUri({ data, width, height, channels }: Pixels): Promise<string> {
  const png = await sharp(data, { raw: { width, height, channels } }).png().toBuffer();
  return `data:image/png;base64,${png.toString("base64")}`;
}
