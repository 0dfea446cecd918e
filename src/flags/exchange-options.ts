import { type Command, InvalidArgumentError, Option } from "commander";
import type { LoadOptions } from "../api/model-files.node.js";
import { restPolicies } from "../exchange/left-over.js";
import { number, wholeNumbers } from "./options.js";

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
    .addOption(epsilonOption())
    .addOption(
      new Option(
        "--rest <how>",
        "weights that the net has no place for: keep (write them back as they are) or drop (default: they are an error)",
      ).choices(restPolicies),
    )
    .addOption(
      new Option("--input-size <n>", "side of the input, or HEIGHTxWIDTH, where the file does not say").argParser(
        parseSize,
      ),
    );
}

/** An option whose value has another name in the program than on the command line. */
export class NamedOption extends Option {
  constructor(
    flags: string,
    description: string,
    readonly property: string,
  ) {
    super(flags, description);
  }

  override attributeName(): string {
    return this.property;
  }
}

/** The option of every command that reads nets: BatchNorm's ε, which weights by name do not hold. */
export function epsilonOption(): Option {
  const description = "ε of BatchNorm in weights by name (default: what pickled modules say, else 1e-5)";
  return new NamedOption("--bn-eps <x>", description, "batchNormEpsilon").argParser(number(0, 1));
}

/** What of {@link epsilonOption} was asked for. */
export function epsilonOf({ batchNormEpsilon }: Pick<LoadOptions, "batchNormEpsilon">): LoadOptions {
  return batchNormEpsilon === undefined ? {} : { batchNormEpsilon };
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
