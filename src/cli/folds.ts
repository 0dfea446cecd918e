import { join } from "node:path";
import type { FoldsProcessOptions, FoldsResult } from "../runs/folds.node.js";
import { percent, plural } from "../terminal/format.js";
import type { Terminal } from "../terminal/terminal.js";

/** A line for each net of a cross-validation that begins. */
export function foldView(terminal: Terminal, folds?: number): NonNullable<FoldsProcessOptions["onFold"]> {
  return (fold, trainedOn) => {
    terminal.say(
      fold === undefined
        ? `all pictures: a net on ${plural(trainedOn, "picture")}, with the settings of the folds`
        : `fold ${fold + 1}${folds === undefined ? "" : ` of ${folds}`}: a net on the ${plural(trainedOn, "picture")} of the others`,
    );
  };
}

/** What `train --folds` says at its end. */
export function reportFolds(
  terminal: Terminal,
  { crossValidation: found, final, interrupted, out }: FoldsResult,
): void {
  const model = interrupted ? null : join(out, "model.safetensors");
  terminal.result({ out, interrupted, crossValidation: found ?? null, model, warnings: final?.warnings ?? [] }, () => {
    if (interrupted || !found) return `stopped; go on with: repvgg train --resume ${out}`;
    const { folds, top1, balancedAccuracy, loss, pooled } = found;
    const parts = folds.map((fold, i) => [
      `fold ${i + 1}`,
      fold.images,
      percent(fold.top1),
      percent(fold.balancedAccuracy),
      fold.loss.toFixed(4),
    ]);
    const spread = ({ mean, deviation }: typeof top1): string => `${percent(mean)} ± ${percent(deviation)}`;
    return [
      terminal.table(
        ["tested on", "pictures", "top-1", "balanced", "loss"],
        [
          ...parts,
          [
            "mean",
            "",
            spread(top1),
            spread(balancedAccuracy),
            `${loss.mean.toFixed(4)} ± ${loss.deviation.toFixed(4)}`,
          ],
          ["together", pooled.images, percent(pooled.top1), percent(pooled.balancedAccuracy), ""],
        ],
      ),
      terminal.table(
        ["class", "recall", "taken for"],
        pooled.perClass.map(({ name, recall }, c) => [
          name,
          Number.isNaN(recall) ? "–" : percent(recall),
          pooled.confusion[c]!.flatMap((count, answer) =>
            answer !== c && count > 0 ? [`${pooled.perClass[answer]!.name} (${count})`] : [],
          ).join(", "),
        ]),
      ),
      `Folds   ${join(out, "cross-validation.json")}   every picture judged by a net that did not see it`,
      `Model   ${model}   trained on all pictures; the folds say how good such a net is`,
      `Next    repvgg fold ${model} -o plain.safetensors`,
    ].join("\n");
  });
}
