import { existsSync } from "node:fs";
import { join } from "node:path";
import type { EpochRecord, TrainResult } from "../runs/train.node.js";
import { percent, plural } from "../terminal/format.js";
import type { Terminal } from "../terminal/terminal.js";

/** What `train` says at its end. */
export function reportTraining(terminal: Terminal, result: TrainResult): void {
  const { out, epochs, chosen, test, interrupted, stoppedEarly, recalibration, skipped, warnings } = result;
  const html = out !== undefined && existsSync(join(out, "report.html")) ? join(out, "report.html") : null;
  const score = test && { images: test.images, top1: test.top1, top5: test.top5, loss: test.loss };
  const files = { report: html, recalibration, skipped, warnings };
  const run = { out: out ?? null, interrupted, stoppedEarly, last: epochs.at(-1) ?? null, chosen: chosen ?? null };
  terminal.result({ ...run, test: score, ...files }, () => {
    if (out === undefined) return "stopped before the training began; nothing was written";
    if (!chosen) return `stopped; go on with: repvgg train --resume ${out}`;
    return [
      accuracyLine(result, chosen),
      `Model   ${out}/model.safetensors   of epoch ${chosen.epoch} of ${epochs.at(-1)!.epoch}`,
      `Curves  ${out}/curves.png`,
      ...(html === null ? [] : [`Report  ${html}`]),
      `Next    repvgg fold ${out}/model.safetensors -o plain.safetensors`,
    ].join("\n");
  });
}

/** What was measured of the net that the run gives. */
function accuracyLine({ test, epochs }: TrainResult, { epoch, validation }: EpochRecord): string {
  const judged = validation && `validation top-1 ${percent(validation.top1)}`;
  const whose = `epoch ${epoch} of ${epochs.at(-1)!.epoch}${judged ? `, ${judged}` : ""}`;
  if (test) return `test top-1 ${percent(test.top1)} on ${plural(test.images, "picture")}, looked at once (${whose})`;
  return judged
    ? `${judged} (epoch ${epoch} of ${epochs.at(-1)!.epoch}): a little too good, for it judged the epochs; there is nothing to test on`
    : `no accuracy was measured: all pictures were trained on (${whose})`;
}
