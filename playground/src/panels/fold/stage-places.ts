import type { BranchName } from "repvgg/browser";

/** Where things stand on the stage, in pixels: the same picture for wide and narrow screens. */
export interface StagePlaces {
  readonly cell: number;
  /** Half a kernel's side. */
  readonly half: number;
  readonly centre: number;
  readonly columns: Readonly<Record<BranchName, number>>;
  /** Heights of the rows, from the input down to the ReLU. */
  readonly input: number;
  readonly name: number;
  readonly kernel: number;
  readonly norm: number;
  readonly sum: number;
  readonly output: number;
  readonly height: number;
}

export function placeStage(width: number): StagePlaces {
  const cell = Math.max(27, Math.min(40, Math.round(width * 0.062)));
  const half = 1.5 * cell;
  const centre = width / 2;
  const spread = Math.min(225, width / 2 - half - 12);
  const name = 78;
  const kernel = name + 22 + half;
  const norm = kernel + half + 52;
  const sum = norm + 62;
  const output = sum + 44;
  return {
    cell,
    half,
    centre,
    columns: { pointwise: centre - spread, dense: centre, identity: centre + spread },
    input: 16,
    name,
    kernel,
    norm,
    sum,
    output,
    height: output + 20,
  };
}
