import { Command } from "commander";
import { evaluate } from "../api/evaluate.node.js";
import { loadModel } from "../api/model-files.node.js";
import { type ComputeOptions, withComputeOptions } from "./options.js";
import { percent, Terminal } from "./terminal.js";

interface Options extends ComputeOptions {
  readonly strict?: boolean;
}

export function evalCommand(): Command {
  return withComputeOptions(
    new Command("eval")
      .description("accuracy of a model on labelled pictures")
      .argument("<model>", "model file, either form")
      .argument("<data>", 'folder (its test split where it has one) or "fashion-mnist"')
      .option("--strict", "a broken picture is an error"),
  ).action(run);
}

async function run(path: string, data: string, options: Options): Promise<void> {
  const terminal = new Terminal(options);
  const model = await loadModel(path);
  let progress: ReturnType<Terminal["progress"]> | undefined;
  const result = await evaluate(model, data, {
    ...options,
    onImages: (done, total) => {
      progress ??= terminal.progress("eval", total, "img");
      progress.update(done);
    },
  });
  progress?.stop();
  terminal.sayEachSkipped(result.skipped);
  terminal.result(result, () =>
    [
      `${path} (${model.form} form) on ${result.images} pictures: top-1 ${percent(result.top1)}, top-5 ${percent(result.top5)}, loss ${result.loss.toFixed(4)}`,
      terminal.table(
        ["class", "recall", "most often taken for"],
        result.perClass.map(({ name, recall }, c) => [
          name,
          Number.isNaN(recall) ? "–" : percent(recall),
          mistake(result.confusion[c]!, c, model.metadata.classNames),
        ]),
      ),
    ].join("\n"),
  );
}

function mistake(row: readonly number[], own: number, names: readonly string[]): string {
  let worst = -1;
  row.forEach((count, c) => {
    if (c !== own && count > 0 && (worst < 0 || count > row[worst]!)) worst = c;
  });
  return worst < 0 ? "" : `${names[worst]} (${row[worst]})`;
}
