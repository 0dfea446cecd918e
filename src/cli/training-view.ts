import type { TrainProcessOptions } from "../runs/train.node.js";
import { percent } from "../terminal/format.js";
import type { Progress } from "../terminal/progress.js";
import type { Terminal } from "../terminal/terminal.js";

/** What a reader sees of a training under way: a bar an epoch, a line for each that is done, files that are left out. */
export function trainingView(
  terminal: Terminal,
): Pick<TrainProcessOptions, "onDecode" | "onFeatures" | "onTest" | "onStep" | "onEpoch" | "onSkip"> {
  let bar: Progress | undefined;
  let current = -1;
  const counted = (label: string) => {
    let counting: ReturnType<Terminal["counting"]> | undefined;
    return (done: number, total: number): void => {
      if (done === 0) counting = terminal.counting(label, "pictures");
      counting?.(done, total);
    };
  };
  return {
    onDecode: counted("decode"),
    onFeatures: counted("features"),
    onTest: counted("test"),
    onStep: ({ epoch, stepInEpoch, lossSum }, loss, stepsPerEpoch) => {
      if (epoch !== current) {
        current = epoch;
        bar = terminal.progress(`epoch ${epoch + 1}`, stepsPerEpoch, "steps");
      }
      bar?.update(stepInEpoch, `loss ${(lossSum / stepInEpoch).toFixed(3)}, last ${loss.toFixed(3)}`);
    },
    onEpoch: ({ epoch, trainLoss, validation }) => {
      const score = validation
        ? `, validation loss ${validation.loss.toFixed(4)}, validation top-1 ${percent(validation.top1)}`
        : "";
      terminal.say(`epoch ${epoch}: train loss ${trainLoss.toFixed(4)}${score}`);
    },
    onSkip: (file) => terminal.saySkipped(file),
  };
}
