import { existsSync, mkdirSync, statSync } from "node:fs";
import { dirname, join, parse } from "node:path";
import { type Explanation, explain } from "../api/explain.node.js";
import { UserError } from "../core/errors.js";
import type { Image } from "../data/dataset.js";
import { isAddress } from "../data/find-pictures.node.js";
import type { ComputeOptions } from "../flags/options.js";
import { writeFileAtomically } from "../formats/atomic-write.node.js";
import type { Model } from "../nn/model.js";
import { percent } from "../terminal/format.js";

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

/** Draws where pictures show a class, one after another, as `NAME.explained.png`. */
export class PictureExplainer {
  readonly #model: Model;
  readonly #place: true | string;
  readonly #options: ComputeOptions & { readonly class?: string; readonly stage?: number; readonly scale: number };
  readonly #taken = new Set<string>();

  /**
   * @param place a folder, or true: beside the picture (of the web and of standard input: here)
   * @throws UserError where the folder cannot be made
   */
  constructor(
    model: Model,
    place: true | string,
    options: ComputeOptions & { readonly class?: string; readonly stage?: number },
  ) {
    if (place !== true) makeFolder(place);
    this.#model = model;
    this.#place = place;
    this.#options = {
      ...options,
      scale: Math.max(1, Math.round(drawnSide / Math.max(...model.metadata.preprocessing.size))),
    };
  }

  /** @throws UserError for a class or stage that the model does not have. */
  async draw({ place, image }: { readonly place: string; readonly image: Image }): Promise<Explained> {
    const explanation = await explain(this.#model, image, this.#options);
    // What draws takes a moment to load: only where something is drawn.
    const { explanationPng } = await import("../report/explanation.node.js");
    const { name, probability, stage, cells, picture, overlay } = explanation;
    const { folder, stem } = placeOf(place);
    const file = freeName(join(this.#place === true ? folder : this.#place, stem), this.#taken);
    const method = `Grad-CAM, stage ${stage} (${cells.height}×${cells.width} places)`;
    const title = `${name}, ${percent(probability)}`;
    await writeFileAtomically(file, await explanationPng({ title, method, picture, overlay }));
    return { file, className: name, probability, stage, cells };
  }
}

/** Where a picture lies and its name without the ending. */
function placeOf(place: string): { readonly folder: string; readonly stem: string } {
  if (place === "-") return { folder: ".", stem: "standard-input" };
  if (!isAddress(place)) return { folder: dirname(place), stem: parse(place).name };
  return { folder: ".", stem: parse(new URL(place).pathname).name.replace(/[^\w.-]+/g, "-") || "picture" };
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
