import { Command } from "commander";
import { loadModel } from "../api/model-files.node.js";
import { predictAll } from "../api/predict.node.js";
import { type ComputeOptions, wholeNumber, withComputeOptions } from "./options.js";
import { percent, Terminal } from "./terminal.js";

interface Options extends ComputeOptions {
  readonly top: number;
}

export function predictCommand(): Command {
  return withComputeOptions(
    new Command("predict")
      .description("say what pictures show")
      .argument("<model>", "model file, either form")
      .argument("<pictures...>", "JPEG, PNG or WebP files")
      .option("--top <n>", "classes to show of each picture", wholeNumber(1), 5),
  ).action(run);
}

async function run(path: string, pictures: readonly string[], options: Options): Promise<void> {
  const terminal = new Terminal(options);
  const model = await loadModel(path);
  const results = await predictAll(model, pictures, options);
  terminal.result(
    pictures.map((file, i) => ({ file, predictions: results[i] })),
    () => pictures.map((file, i) => [file, ...results[i]!.map(bar)].join("\n")).join("\n\n"),
  );
}

function bar({ name, probability }: { name: string; probability: number }): string {
  const width = 30;
  return `  ${"█".repeat(Math.round(probability * width)).padEnd(width, "·")} ${percent(probability).padStart(8)}  ${name}`;
}
