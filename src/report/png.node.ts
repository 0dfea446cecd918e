import sharp from "sharp";

/** An SVG drawn as PNG at `scale` × its size (2: sharp on screens of high density). */
export function svgToPng(svg: string, scale = 2): Promise<Buffer> {
  return sharp(Buffer.from(svg), { density: 72 * scale })
    .png()
    .toBuffer();
}
