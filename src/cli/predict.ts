import { Command } from "commander";
import { loadModel } from "../api/model-files.node.js";
import { predictAll } from "../api/predict.node.js";
import { percent } from "./format.js";
import { type ComputeOptions, wholeNumber, withComputeOptions } from "./options.js";
import { Terminal } from "./terminal.js";

interface Options extends ComputeOptions {
  readonly top: number;
}

export function predictCommand(): Command {
  return withComputeOptions(
    new Command("predict")
      .summary("say what pictures show")
      .description("Say what pictures show, by a model in either form.")
      .argument("<model>", "model file, either form")
      .argument("<pictures...>", "JPEG, PNG or WebP files")
      .optionsGroup("Answer:")
      .option("--top <n>", "classes to show of each picture", wholeNumber(1), 5),
  ).action(run);
}

async function run(path: string, files: readonly string[], options: Options): Promise<void> {
  const terminal = new Terminal(options);
  const model = await loadModel(path);
  const predictions = await predictAll(model, files, options);
  const pictures = files.map((file, i) => ({ file, predictions: predictions[i]! }));
  terminal.result({ model: path, pictures }, () =>
    pictures.map((picture) => [picture.file, ...picture.predictions.map(bar)].join("\n")).join("\n\n"),
  );
}

function bar({ name, probability }: { name: string; probability: number }): string {
  const width = 30;
  return `  ${"█".repeat(Math.round(probability * width)).padEnd(width, "·")} ${percent(probability).padStart(8)}  ${name}`;
}
