import { type Command, InvalidArgumentError, Option } from "commander";
import type { LoadOptions } from "../api/model-files.node.js";
import { wholeNumbers } from "./options.js";

export type SourceOptions = LoadOptions;

/** Options of commands that read nets of any kind. */
export function withSourceOptions(command: Command): Command {
  return command
    .optionsGroup("Source:")
    .addOption(new Option("--key <place>", "which weights of a checkpoint, as ema (default: the model's)"))
    .addOption(
      new Option(
        "--strides <list>",
        "of the first block of each stage, stem first, where the file does not say (default: the zoo's, else all 2)",
      ).argParser(wholeNumbers(1)),
    )
    .addOption(
      new Option("--input-size <n>", "side of the input, or HEIGHTxWIDTH, where the file does not say").argParser(
        parseSize,
      ),
    );
}

/** The option of every command that stores weights. */
export function precisionOption(): Option {
  return new Option("--precision <p>", "f32, or f16: kernels and matrices take half the space (default: f32)").choices([
    "f32",
    "f16",
  ]);
}

/** Parser of a side or HEIGHTxWIDTH. */
export function parseSize(text: string): readonly [number, number] {
  const match = /^([1-9]\d{0,4})(?:[x×]([1-9]\d{0,4}))?$/.exec(text);
  if (!match) throw new InvalidArgumentError("a size, as 224 or 192x320");
  return [Number(match[1]), Number(match[2] ?? match[1])];
}
