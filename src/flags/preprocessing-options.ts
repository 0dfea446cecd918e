import { readFileSync, statSync } from "node:fs";
import { type Command, Option } from "commander";
import { UserError } from "../core/errors.js";
import type { PartialPreprocessing } from "../core/preprocessing.js";
import { parseClassNames } from "../exchange/class-names.js";
import { imagenet1kClasses } from "../exchange/imagenet-1k.js";
import { explainFileError } from "../formats/file-errors.node.js";
import { NamedOption, parseSize } from "./exchange-options.js";
import { number, numbers } from "./options.js";

export interface PreprocessingOptions {
  readonly size?: readonly [height: number, width: number];
  readonly mean?: number[];
  readonly std?: number[];
  readonly cropRatio?: number;
}

export interface ClassOptions {
  /** A file of names, or "imagenet-1k". */
  readonly classes?: string;
}

/** Options of commands that may prepare pictures otherwise than the net's file says. */
export function withPreprocessingOptions(command: Command): Command {
  const crop = "the part of the resized picture's shorter side that is kept";
  return command
    .optionsGroup("Pictures (default: as the net's file says):")
    .addOption(new Option("--size <n>", "side of the input, or HEIGHTxWIDTH").argParser(parseSize))
    .addOption(new NamedOption("--crop <x>", crop, "cropRatio").argParser(number(0, 1)))
    .addOption(new NamedOption("--crop-ratio <x>", crop, "cropRatio").argParser(number(0, 1)).hideHelp())
    .option("--mean <list>", "subtracted from each channel, of values in [0, 1]", numbers)
    .option("--std <list>", "by which each channel is divided then", numbers);
}

/** {@link withPreprocessingOptions} of commands that ask nets for classes. */
export function withPictureOptions(command: Command): Command {
  return withPreprocessingOptions(command).option(
    "--classes <file>",
    "names of the net's classes in their order: one a line, or JSON; or imagenet-1k",
  );
}

/** What of it was asked for. */
export function askedPreprocessing({ size, mean, std, cropRatio }: PreprocessingOptions): PartialPreprocessing {
  return {
    ...(size && { size }),
    ...(mean && { mean }),
    ...(std && { std }),
    ...(cropRatio !== undefined && { cropRatio }),
  };
}

/** A list of names has less than that, of any data set. */
const mostBytes = 16e6;

/**
 * What was asked for, of preprocessing and class names.
 * @throws UserError for a file of class names that cannot be read or is none.
 */
export function askedPictures(options: PreprocessingOptions & ClassOptions): {
  readonly preprocessing: PartialPreprocessing;
  readonly classNames?: readonly string[];
} {
  const { classes } = options;
  return {
    preprocessing: askedPreprocessing(options),
    ...(classes !== undefined && {
      classNames: /^imagenet(-1k)?$/i.test(classes) ? imagenet1kClasses : classNamesIn(classes),
    }),
  };
}

function classNamesIn(file: string): readonly string[] {
  try {
    if (statSync(file).size > mostBytes) {
      throw new UserError({
        expected: "a file of class names",
        received: `${file}, of more than ${mostBytes / 1e6} MB`,
        remedy: "name a text file with a class a line",
      });
    }
    return parseClassNames(readFileSync(file, "utf8"), file);
  } catch (error) {
    throw explainFileError("read", file, error);
  }
}
