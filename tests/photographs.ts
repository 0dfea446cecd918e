import { mkdirSync } from "node:fs";
import { join } from "node:path";
import sharp from "sharp";
import { rngFor } from "#repvgg/core/rng.js";

type Drawing = (x: number, y: number, radius: number) => string;

const drawings = {
  disc: (x, y, r) => `<circle cx="${x}" cy="${y}" r="${r}" fill="#d02020"/>`,
  square: (x, y, r) => `<rect x="${x - r}" y="${y - r}" width="${2 * r}" height="${2 * r}" fill="#20a040"/>`,
  stripes: (x, y, r) =>
    [-1, -0.4, 0.2, 0.8]
      .map((at) => `<rect x="${x - r}" y="${y + at * r}" width="${2 * r}" height="${r / 3}" fill="#2040d0"/>`)
      .join(""),
  ring: (x, y, r) => `<circle cx="${x}" cy="${y}" r="${r}" fill="none" stroke="#d0a020" stroke-width="${r / 3}"/>`,
  bar: (x, y, r) => `<rect x="${x - r / 4}" y="${y - r}" width="${r / 2}" height="${2 * r}" fill="#8020c0"/>`,
} satisfies Record<string, Drawing>;

/**
 * What stands for a reader's photographs: `each` of every class, 640×480, of any place, size and ground.
 * @param classes default: disc, square and stripes
 */
export async function drawPhotographs(
  folder: string,
  each: number,
  classes: readonly (keyof typeof drawings)[] = ["disc", "square", "stripes"],
): Promise<void> {
  for (const name of classes) {
    mkdirSync(join(folder, name), { recursive: true });
    for (let i = 0; i < each; i++) {
      const rng = rngFor(0, "photographs", name, i);
      const ground = Math.floor(rng.uniform(90, 255));
      const drawn = drawings[name](rng.uniform(170, 470), rng.uniform(150, 330), rng.uniform(60, 140));
      const svg = `<svg xmlns="http://www.w3.org/2000/svg" width="640" height="480"><rect width="640" height="480" fill="rgb(${ground},${ground},${ground})"/>${drawn}</svg>`;
      await sharp(Buffer.from(svg))
        .jpeg()
        .toFile(join(folder, name, `${i}.jpg`));
    }
  }
}
