import sharp from "sharp";
import { escapeXml, palette } from "./svg.js";

/** A picture and what the net said of it. */
export interface PredictedPicture {
  readonly width: number;
  readonly height: number;
  readonly channels: 1 | 3;
  /** [height][width][channels] */
  readonly data: Uint8Array;
  readonly truth: string;
  readonly predicted: string;
  readonly probability: number;
}

const cell = { width: 132, picture: 100, height: 148, columns: 8 } as const;

/** Pictures in rows under a title, each with the net's answer: blue where it is right, orange with the truth where not. */
export async function predictionsSvg(title: string, pictures: readonly PredictedPicture[]): Promise<string> {
  const rows = Math.ceil(pictures.length / cell.columns);
  const width = cell.columns * cell.width + 16;
  const height = rows * cell.height + 44;
  const cells = await Promise.all(pictures.map(drawCell));
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" font-family="system-ui, 'DejaVu Sans', sans-serif" role="img">
<title>${escapeXml(title)}</title>
<rect width="100%" height="100%" fill="white"/>
<text x="16" y="28" font-size="16" font-weight="600" fill="#222">${escapeXml(title)}</text>
${cells.join("\n")}
</svg>
`;
}

async function drawCell(picture: PredictedPicture, index: number): Promise<string> {
  const { width, height, channels, data, truth, predicted, probability } = picture;
  const png = await sharp(data, { raw: { width, height, channels } })
    .resize(cell.picture * 2, cell.picture * 2, { kernel: "nearest", fit: "contain", background: "white" })
    .png()
    .toBuffer();
  const x = 16 + (index % cell.columns) * cell.width;
  const y = 44 + Math.floor(index / cell.columns) * cell.height;
  const right = truth === predicted;
  const color = right ? palette[0] : palette[1];
  const lines = [`${predicted} ${Math.round(probability * 100)} %`, right ? "" : `is: ${truth}`];
  return `<g transform="translate(${x},${y})">
<image width="${cell.picture}" height="${cell.picture}" href="data:image/png;base64,${png.toString("base64")}"/>
<rect width="${cell.picture}" height="${cell.picture}" fill="none" stroke="${color}" stroke-width="2"/>
${lines.map((line, i) => `<text y="${cell.picture + 16 + i * 14}" font-size="11" fill="${color}">${escapeXml(line)}</text>`).join("")}
</g>`;
}
