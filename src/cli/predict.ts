import { Command } from "commander";
import { predictAll } from "../api/predict.node.js";
import { UserError } from "../core/errors.js";
import { modelOf } from "../exchange/read-net.js";
import { epsilonOf, epsilonOption } from "./exchange-options.js";
import { type Explained, explainPictures } from "./explained-pictures.js";
import { percent } from "./format.js";
import { readClassifier } from "./net-facts.js";
import { type ComputeOptions, wholeNumber, withComputeOptions } from "./options.js";
import {
  askedPictures,
  type ClassOptions,
  type PreprocessingOptions,
  withPictureOptions,
} from "./preprocessing-options.js";
import { Terminal } from "./terminal.js";

interface Options extends ComputeOptions, PreprocessingOptions, ClassOptions {
  readonly top: number;
  readonly explain?: true | string;
  readonly class?: string;
  readonly stage?: number;
  readonly batchNormEpsilon?: number;
}

const examples = `
Examples:
  repvgg predict model.safetensors cat.jpg
  repvgg predict model.safetensors cat.jpg --explain                     where it sees that: cat.explained.png
  repvgg predict model.safetensors *.jpg --class Dog --explain folder    where it sees a dog in each`;

export function predictCommand(): Command {
  return withComputeOptions(
    withPictureOptions(
      new Command("predict")
        .summary("say what pictures show")
        .description("Say what pictures show, by a model in either form, and on request where.")
        .argument("<net>", "model file in either form, PyTorch checkpoint, safetensors, or any classifier in ONNX")
        .argument("<pictures...>", "JPEG, PNG or WebP files")
        .addHelpText("after", examples)
        .optionsGroup("Answer:")
        .option("--top <n>", "classes to show of each picture", wholeNumber(1), 5)
        .option(
          "--explain [folder]",
          "draw where the class is seen (Grad-CAM): a PNG beside each picture, or in a folder",
        )
        .option("--class <name>", "with --explain: the class, by name or number (default: the likeliest)")
        .option(
          "--stage <n>",
          "with --explain: the stage that is looked at (default: the last; earlier: finer)",
          wholeNumber(0),
        )
        .optionsGroup("Source:")
        .addOption(epsilonOption()),
    ),
  ).action(run);
}

async function run(path: string, files: readonly string[], options: Options): Promise<void> {
  const terminal = new Terminal(options);
  if (options.explain === undefined && (options.class !== undefined || options.stage !== undefined)) {
    throw new UserError({ expected: "--explain with --class and --stage", received: "no --explain" });
  }
  const asked = askedPictures(options);
  const net = await readClassifier(path, asked, epsilonOf(options), terminal);
  const predictions = await predictAll(net, files, { ...options, ...asked });
  const explained =
    options.explain === undefined
      ? undefined
      : await explainPictures(modelOf(net, path), files, options.explain, options);
  const pictures = files.map((file, i) => ({
    file,
    predictions: predictions[i]!,
    ...(explained && { explained: explained[i]! }),
  }));
  terminal.result({ model: path, notes: net.source.notes, pictures }, () =>
    pictures
      .map(({ file, predictions, explained }) =>
        [file, ...predictions.map(bar), ...(explained ? [where(explained)] : [])].join("\n"),
      )
      .join("\n\n"),
  );
}

function bar({ name, probability }: { name: string; probability: number }): string {
  const width = 30;
  return `  ${"█".repeat(Math.round(probability * width)).padEnd(width, "·")} ${percent(probability).padStart(8)}  ${name}`;
}

function where({ className, file }: Explained): string {
  return `  where it sees ${className}: ${file}`;
}
