import { FormatError } from "../../core/errors.js";
import { partName, type StudyPart } from "./plan.js";

/** What a net makes of pictures, in inference mode. */
export interface Judgement {
  readonly pictures: number;
  /** Mean cross-entropy. */
  readonly loss: number;
  /** Share of right answers. */
  readonly top1: number;
}

/** What one part gave: a line of results.jsonl. */
export interface StudyRun {
  readonly part: StudyPart;
  readonly parameters: { readonly train: number; readonly plain: number };
  /** By the test pictures (a result) or the held-out ones (a choice), after the last epoch, once. Null: the training diverged. */
  readonly judged: Judgement | null;
  /** By the training pictures themselves, without variation: what it could fit. */
  readonly fitted: Judgement | null;
  /** Mean of each epoch's step losses, as trained: pictures varied, custom L2 included. */
  readonly epochLosses: readonly number[];
  /** L2 norm of the loss's gradient by each layer's 3×3 kernel, stage 0 first, at the first and after the last step. */
  readonly gradients: { readonly start: readonly number[]; readonly end: readonly number[] };
  /** Processor time of a training step, mean. */
  readonly stepSeconds: number;
  /** Peak of kernel memory in training. */
  readonly peakBytes: number;
  /** SHA-256 of the net's weights at the end: who trains it again on kernels of the same arithmetic gets the same ones. */
  readonly weights: string;
  readonly arithmetic: string;
}

export function encodeRun(run: StudyRun): string {
  return `${JSON.stringify(run)}\n`;
}

/**
 * The runs of a results file, each part once: a later line of the same name counts. A last line without its end is left out: the process
 * that wrote it was killed.
 * @throws FormatError for a line that is no run
 */
export function decodeRuns(text: string, file: string): StudyRun[] {
  const lines = text.split("\n").slice(0, -1);
  const runs = lines.map((line, i) => {
    const run = parsed(line);
    if (run) return run;
    throw new FormatError({
      expected: "one run of a depth study a line",
      received: `something else in line ${i + 1} of ${file}`,
      remedy: "remove the line: its part is trained again",
    });
  });
  return [...new Map(runs.map((run) => [partName(run.part), run])).values()];
}

function parsed(line: string): StudyRun | undefined {
  try {
    const run = JSON.parse(line) as StudyRun;
    return isRun(run) ? run : undefined;
  } catch {
    return undefined;
  }
}

function isRun({
  part,
  judged,
  fitted,
  epochLosses,
  gradients,
  stepSeconds,
  peakBytes,
  parameters,
}: StudyRun): boolean {
  const numbers = [part.layers, part.seed, part.epochs, part.learningRate, part.warmupEpochs];
  const sizes = [stepSeconds, peakBytes, parameters.train, parameters.plain];
  const lists = [epochLosses, gradients.start, gradients.end];
  return (
    (part.kind === "result" || part.kind === "choice") &&
    typeof part.variant === "string" &&
    [...numbers, ...sizes].every(isNumber) &&
    [judged, fitted].every((one) => one === null || [one.pictures, one.loss, one.top1].every(isNumber)) &&
    lists.every((list) => Array.isArray(list) && list.every(isNumber))
  );
}

function isNumber(value: unknown): boolean {
  return typeof value === "number" && Number.isFinite(value);
}
