import { basename } from "node:path";
import { Command, Option } from "commander";
import { evaluate } from "../api/evaluate.node.js";
import { type EvaluationSplit, evaluationSet, evaluationSplits } from "../api/evaluation-set.node.js";
import { evaluationReport } from "../studies/training/evaluation-page.js";
import { mistakePictures } from "../studies/training/mistake-pictures.node.js";
import { epsilonOf, epsilonOption } from "./exchange-options.js";
import { percent, plural } from "./format.js";
import { htmlOption, writeReport } from "./html.js";
import { readModel } from "./net-facts.js";
import { type ComputeOptions, strictOption, withComputeOptions } from "./options.js";
import { askedPreprocessing, type PreprocessingOptions, withPreprocessingOptions } from "./preprocessing-options.js";
import { Terminal } from "./terminal.js";

interface Options extends ComputeOptions, PreprocessingOptions {
  readonly strict?: boolean;
  readonly split?: EvaluationSplit;
  readonly html?: string;
  readonly batchNormEpsilon?: number;
}

export function evalCommand(): Command {
  return withComputeOptions(
    withPreprocessingOptions(
      new Command("eval")
        .description("Accuracy of a model on labelled pictures: in all, by class, and what is taken for what.")
        .argument("<model>", "model file, either form")
        .argument("<data>", 'folder (its test split where it has one), "fashion-mnist" or "fashion-mnist-subset"')
        .optionsGroup("Data:")
        .addOption(
          new Option(
            "--split <which>",
            "pictures to score (default: the test split; without one all, or those held out from the net's training)",
          ).choices(evaluationSplits),
        )
        .addOption(strictOption())
        .optionsGroup("Source:")
        .addOption(epsilonOption())
        .optionsGroup("Report:")
        .addOption(htmlOption()),
    ),
  ).action(run);
}

async function run(path: string, data: string, options: Options): Promise<void> {
  const terminal = new Terminal(options);
  const { model, source } = await readModel(path, epsilonOf(options), terminal);
  const preprocessing = askedPreprocessing(options);
  const { dataset, notes } = await evaluationSet(model.metadata.provenance, data, options);
  for (const note of notes) terminal.say(`! ${note}`);
  const result = await evaluate(model, dataset, {
    ...options,
    preprocessing,
    onImages: terminal.counting("eval", "img"),
  });
  for (const file of result.skipped) terminal.saySkipped(file);
  for (const line of result.warnings) terminal.say(`! ${line}`);
  if (options.html !== undefined) {
    const about = {
      net: `${basename(path)} (${model.form === "train" ? "training" : "plain"} form)`,
      dataset: dataset.name,
    };
    const pictures = await mistakePictures(dataset, result.mistakes);
    await writeReport(options.html, evaluationReport(about, result, pictures, [`repvgg eval ${path} ${data}`]));
  }
  const warnings = [...notes, ...result.warnings];
  terminal.result(
    {
      data: dataset.name,
      ...result,
      warnings,
      notes: source.notes,
      ...(options.html !== undefined && { html: options.html }),
    },
    () =>
      [
        terminal.table(
          ["class", "recall", "most often taken for"],
          result.perClass.map(({ name, recall }, c) => [
            name,
            Number.isNaN(recall) ? "–" : percent(recall),
            mistake(result.confusion[c]!, c, model.metadata.classNames),
          ]),
        ),
        `${path} (${model.form} form) on ${plural(result.images, "picture")}: top-1 ${percent(result.top1)}, top-5 ${percent(result.top5)}, loss ${result.loss.toFixed(4)}`,
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
