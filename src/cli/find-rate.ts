import type { TrainingSets } from "../api/training-sets.js";
import { makeFolder } from "../formats/make-folder.node.js";
import type { Model } from "../nn/model.js";
import { drawRateTest, type FindRateOptions, findLearningRate, type RateTest } from "../runs/find-rate.node.js";
import type { TrainFrom } from "../runs/train.node.js";
import { exitCodes } from "../terminal/exit-codes.js";
import { shortNumber } from "../terminal/format.js";
import type { Progress } from "../terminal/progress.js";
import type { Terminal } from "../terminal/terminal.js";

/** `train --find-lr`: tries learning rates on the training that was asked for, draws what came of it, and suggests one. */
export async function sayLearningRate(
  terminal: Terminal,
  start: Model | TrainFrom,
  sets: TrainingSets,
  options: Omit<FindRateOptions, "onStep"> & { readonly out: string },
): Promise<undefined> {
  const { out } = options;
  makeFolder(out); // before there is work that could be lost
  let bar: Progress | undefined;
  const test = await findLearningRate(start, sets, {
    ...options,
    onStep: (done, total, loss) => {
      bar ??= terminal.progress("learning rate", total, "steps");
      bar.update(done, `loss ${loss.toFixed(3)}`);
    },
  });
  if (options.signal?.aborted) {
    terminal.result({ interrupted: true }, () => "stopped; nothing was drawn");
    process.exitCode = exitCodes.interrupted;
    return undefined;
  }
  const name = "metadata" in start ? `RepVGG ${start.architecture.name}` : (start.name ?? "the net");
  const files = await drawRateTest(out, `${name} on ${sets.train.name}: loss by learning rate`, test);
  terminal.result({ ...test, files }, () => [describe(test), ...files.map((file) => `Drawn   ${file}`)].join("\n"));
  return undefined;
}

function describe({ steps, diverged, lowest, suggestion }: RateTest): string {
  const tried = `${steps.length} steps, learning rates ${shortNumber(steps[0]?.learningRate ?? 0)} to ${shortNumber(steps.at(-1)?.learningRate ?? 0)}${diverged ? ", where the loss diverged" : ""}`;
  if (suggestion === null || lowest === null)
    return `${tried}: the loss never fell; more pictures, or smaller batches (--batch-size), may tell more`;
  return `${tried}; the smoothed loss was lowest at ${shortNumber(lowest)}\nSuggested, a tenth of it: --learning-rate ${suggestion}`;
}
