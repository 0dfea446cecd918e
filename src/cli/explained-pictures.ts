import { existsSync, mkdirSync, statSync } from "node:fs";
import { dirname, join, parse } from "node:path";
import { type Explanation, explainAll } from "../api/explain.node.js";
import { UserError } from "../core/errors.js";
import { writeFileAtomically } from "../formats/atomic-write.node.js";
import type { Model } from "../nn/model.js";
import { percent } from "./format.js";
import type { ComputeOptions } from "./options.js";

/** Where a picture shows a class; plain JSON. */
export interface Explained {
  /** The picture that was drawn. */
  readonly file: string;
  readonly className: string;
  readonly probability: number;
  readonly stage: number;
  /** [height][width], in units of the logit. */
  readonly cells: Explanation["cells"];
}

/** About how many pixels the longer side of a drawn picture has. */
const drawnSide = 640;

/**
 * Draws where each picture shows a class, as `NAME.explained.png`.
 * @param place a folder, or true: beside the picture
 */
export async function explainPictures(
  model: Model,
  files: readonly string[],
  place: true | string,
  options: ComputeOptions & { readonly class?: string; readonly stage?: number },
): Promise<Explained[]> {
  if (place !== true) makeFolder(place);
  const scale = Math.max(1, Math.round(drawnSide / Math.max(...model.metadata.preprocessing.size)));
  const explanations = await explainAll(model, files, { ...options, scale });
  // sharp takes a moment to load: only where something is drawn.
  const { explanationPng } = await import("../report/explanation.node.js");
  const taken = new Set<string>();
  const results: Explained[] = [];
  for (const [i, { name, probability, stage, cells, picture, overlay }] of explanations.entries()) {
    const file = freeName(join(place === true ? dirname(files[i]!) : place, parse(files[i]!).name), taken);
    const method = `Grad-CAM, stage ${stage} (${cells.height}×${cells.width} places)`;
    await writeFileAtomically(
      file,
      await explanationPng({ title: `${name}, ${percent(probability)}`, method, picture, overlay }),
    );
    results.push({ file, className: name, probability, stage, cells });
  }
  return results;
}

function makeFolder(path: string): void {
  if (existsSync(path) && !statSync(path).isDirectory()) {
    throw new UserError({
      expected: "--explain to name a folder, or nothing",
      received: `${path}, a file`,
      remedy: "put --explain after the pictures",
    });
  }
  mkdirSync(path, { recursive: true });
}

/** Two pictures of one name, as cat.jpg and cat.png, must not write to one file. */
function freeName(stem: string, taken: Set<string>): string {
  let file = `${stem}.explained.png`;
  for (let i = 2; taken.has(file); i++) file = `${stem}-${i}.explained.png`;
  taken.add(file);
  return file;
}
