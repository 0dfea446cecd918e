import { type Command, Option } from "commander";
import type { Preprocessing } from "../core/preprocessing.js";
import { parseSize } from "./exchange-options.js";
import { number, numbers } from "./options.js";

export interface PreprocessingOptions {
  readonly size?: readonly [height: number, width: number];
  readonly mean?: number[];
  readonly std?: number[];
  readonly cropRatio?: number;
}

/** Options of commands that may prepare pictures otherwise than the model file says. */
export function withPreprocessingOptions(command: Command): Command {
  return command
    .optionsGroup("Pictures (default: as the model file says):")
    .addOption(new Option("--size <n>", "side of the input, or HEIGHTxWIDTH").argParser(parseSize))
    .option("--crop-ratio <x>", "the part of the resized picture's shorter side that is kept", number(0, 1))
    .option("--mean <list>", "subtracted from each channel, of values in [0, 1]", numbers)
    .option("--std <list>", "by which each channel is divided then", numbers);
}

/** What of it was asked for. */
export function askedPreprocessing({ size, mean, std, cropRatio }: PreprocessingOptions): Partial<Preprocessing> {
  return {
    ...(size && { size }),
    ...(mean && { mean }),
    ...(std && { std }),
    ...(cropRatio !== undefined && { cropRatio }),
  };
}
