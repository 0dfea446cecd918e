import { FormatError } from "../core/errors.js";
import type { NamedArray, NamedArrays } from "../core/named-arrays.js";

/** Where a run stands. Plain JSON. */
export interface RunPosition {
  /** Optimizer steps done. */
  readonly step: number;
  /** Epochs done. */
  readonly epoch: number;
  /** Optimizer steps done of the epoch under way. */
  readonly stepInEpoch: number;
  /** Sum of the step losses of the epoch under way. */
  readonly lossSum: number;
  /** The epoch whose net is taken so far, by the validation pictures (see `isTaken`); null where there are none, or no epoch is done. */
  readonly best: BestEpoch | null;
}

/** The epoch whose net is taken. Shares are of validation pictures right, or the mean recall of their classes (see `judgementOf`). */
export interface BestEpoch {
  /** Epochs done then. */
  readonly epoch: number;
  /** Its share, in [0, 1]. */
  readonly top1: number;
  /** The first epoch with the highest share: what patience counts from. */
  readonly highest: {
    /** Epochs done then. */
    readonly epoch: number;
    /** Its share, in [0, 1]. */
    readonly top1: number;
  };
}

/** All that a run needs to go on bit for bit: random numbers are a function of seed and position, so they need no state. */
export interface Checkpoint {
  readonly position: RunPosition;
  /** Official names; BatchNorm statistics included. */
  readonly model: NamedArrays;
  /** Optimizer state: `velocity.<parameter>` (SGD), `mean.<parameter>` and `square.<parameter>` (AdamW). */
  readonly optimizer: NamedArrays;
  /** Moving average of the weights; empty when it is off. */
  readonly average: NamedArrays;
}

const sections = ["model", "optimizer", "average"] as const;
const formatName = "repvgg-checkpoint-1";

/** Checkpoint → the arrays and metadata of a safetensors file. */
export function encodeCheckpoint(checkpoint: Checkpoint): { arrays: NamedArrays; metadata: Record<string, string> } {
  const arrays = new Map<string, NamedArray>();
  for (const section of sections) {
    for (const [name, array] of checkpoint[section]) arrays.set(`${section}/${name}`, array);
  }
  return { arrays, metadata: { format: formatName, position: JSON.stringify(checkpoint.position) } };
}

/** @throws FormatError when the file is not a checkpoint; `file` names it. */
export function decodeCheckpoint(
  arrays: NamedArrays,
  metadata: Readonly<Record<string, string>>,
  file: string,
): Checkpoint {
  const position = metadata["format"] === formatName ? parsePosition(metadata["position"]) : undefined;
  if (!position) {
    throw new FormatError({
      expected: "the checkpoint of a run",
      received: `${file}, a safetensors file of another kind`,
      remedy: "name the run's own folder",
    });
  }
  const checkpoint = {
    position,
    model: new Map<string, NamedArray>(),
    optimizer: new Map<string, NamedArray>(),
    average: new Map<string, NamedArray>(),
  };
  for (const [key, array] of arrays) {
    const section = sections.find((name) => key.startsWith(`${name}/`));
    if (section) checkpoint[section].set(key.slice(section.length + 1), array);
  }
  return checkpoint;
}

function parsePosition(text: string | undefined): RunPosition | undefined {
  try {
    const value = JSON.parse(text ?? "") as RunPosition;
    const counts = [value.step, value.epoch, value.stepInEpoch];
    if (!counts.every((n) => Number.isInteger(n) && n >= 0) || typeof value.lossSum !== "number") return undefined;
    const { best } = value;
    // Older checkpoints name the highest epoch alone.
    return { ...value, best: best && { ...best, highest: best.highest ?? { epoch: best.epoch, top1: best.top1 } } };
  } catch {
    return undefined;
  }
}
