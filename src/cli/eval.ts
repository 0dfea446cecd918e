import { basename } from "node:path";
import { Command, Option } from "commander";
import type { LabelColumns } from "../api/datasets.node.js";
import { evaluate } from "../api/evaluate.node.js";
import { saysTop5 } from "../api/evaluation.js";
import { type EvaluationSplit, evaluationSet, evaluationSplits } from "../api/evaluation-set.node.js";
import type { Net } from "../exchange/net.js";
import { epsilonOf, epsilonOption } from "../flags/exchange-options.js";
import { type ComputeOptions, strictOption, withColumnOptions, withComputeOptions } from "../flags/options.js";
import {
  askedPictures,
  type ClassOptions,
  type PreprocessingOptions,
  withPictureOptions,
} from "../flags/preprocessing-options.js";
import { evaluationReport } from "../runs/evaluation-page.js";
import { mistakePictures } from "../runs/mistake-pictures.node.js";
import { percent, plural } from "../terminal/format.js";
import { Terminal } from "../terminal/terminal.js";
import { htmlOption, writeReport } from "./html.js";
import { readClassifier } from "./net-facts.js";

interface Options extends ComputeOptions, PreprocessingOptions, ClassOptions, LabelColumns {
  readonly strict?: boolean;
  readonly split?: EvaluationSplit;
  readonly flips?: boolean;
  readonly html?: string;
  readonly batchNormEpsilon?: number;
}

const examples = `
Examples:
  repvgg eval plain.safetensors path/to/pictures                                            its test/ where there is one, else the pictures that were held out
  repvgg eval plain.safetensors path/to/pictures --split all --html eval.html
  repvgg eval model.onnx path/to/pictures --mean 0.5,0.5,0.5 --std 0.5,0.5,0.5 --size 224   any classifier in ONNX`;

export function evalCommand(): Command {
  return withComputeOptions(
    withPictureOptions(
      withColumnOptions(
        new Command("eval")
          .description("Accuracy of a net on labelled pictures: in all, by class, and what is taken for what.")
          .addHelpText("after", examples)
          .argument("<net>", "model file in either form, PyTorch checkpoint, safetensors, or any classifier in ONNX")
          .argument(
            "<data>",
            'folder or list of labels (.csv), its test split where it has one; "fashion-mnist" or "fashion-mnist-subset"',
          )
          .optionsGroup("Data:")
          .addOption(
            new Option(
              "--split <which>",
              "pictures to score (default: the test split; without one all, or those held out from the net's training)",
            ).choices(evaluationSplits),
          )
          .option("--flips", "ask about each picture and its mirror image, and take the mean of both probabilities")
          .addOption(strictOption()),
      )
        .optionsGroup("Source:")
        .addOption(epsilonOption())
        .optionsGroup("Report:")
        .addOption(htmlOption()),
    ),
  ).action(run);
}

async function run(path: string, data: string, options: Options): Promise<void> {
  const terminal = new Terminal(options);
  const asked = askedPictures(options);
  const net = await readClassifier(path, asked, epsilonOf(options), terminal);
  const { dataset, notes } = await evaluationSet(net.model?.metadata.provenance ?? {}, data, options);
  for (const note of dataset.notes ?? []) terminal.say(note);
  for (const note of notes) terminal.say(`! ${note}`);
  const result = await evaluate(net, dataset, {
    ...options,
    ...asked,
    onImages: terminal.counting("eval", "img"),
  });
  for (const file of result.skipped) terminal.saySkipped(file);
  for (const line of result.assumed) if (!net.source.notes.includes(line)) terminal.say(line);
  for (const line of result.warnings) terminal.say(`! ${line}`);
  const form = formOf(net);
  if (options.html !== undefined) {
    const about = {
      net: form ? `${basename(path)} (${form})` : basename(path),
      dataset: dataset.name,
    };
    const pictures = await mistakePictures(dataset, result.mistakes);
    await writeReport(options.html, evaluationReport(about, result, pictures, [`repvgg eval ${path} ${data}`]));
  }
  const top5 = saysTop5(result.perClass.length) ? `top-5 ${percent(result.top5)}, ` : "";
  const warnings = [...notes, ...result.warnings];
  terminal.result(
    {
      data: dataset.name,
      ...result,
      warnings,
      notes: net.source.notes,
      ...(options.html !== undefined && { html: options.html }),
    },
    () =>
      [
        terminal.table(
          ["class", "recall", "most often taken for"],
          result.perClass.map(({ name, recall }, c) => [
            name,
            Number.isNaN(recall) ? "–" : percent(recall),
            mistake(result.confusion[c]!, c, dataset.classNames),
          ]),
        ),
        `${path}${form ? ` (${form})` : ""} on ${plural(result.images, "picture")}: top-1 ${percent(result.top1)}, balanced accuracy ${percent(result.balancedAccuracy)}, ${top5}loss ${result.loss.toFixed(4)}`,
      ].join("\n"),
  );
}

function formOf({ source: { form } }: Net): string | undefined {
  return form && `${form} form`;
}

function mistake(row: readonly number[], own: number, names: readonly string[]): string {
  let worst = -1;
  row.forEach((count, c) => {
    if (c !== own && count > 0 && (worst < 0 || count > row[worst]!)) worst = c;
  });
  return worst < 0 ? "" : `${names[worst]} (${row[worst]})`;
}
