import { type Command, Option } from "commander";
import { augmentationPresets } from "../data/augmentation/config.js";
import type { Freeze } from "../runs/train.node.js";
import { aboveZeroTo, number, numberAbove, share, strictOption, wanted, wholeNumber, wholeNumbers } from "./options.js";

/** Options of the shape that a fresh net has, whatever its blocks. */
export interface NetOptions {
  readonly model?: string;
  readonly depths?: number[];
  readonly widths?: number[];
  readonly strides?: number[];
  readonly groups?: number;
  readonly size?: number;
}

/** @param model what happens where no net is named */
export function withNetOptions(command: Command, model: string): Command {
  return command
    .optionsGroup("Net:")
    .option("--model <name>", `net of the zoo (repvgg info lists them; default: ${model})`)
    .option("--depths <list>", "blocks of each stage, as 2,4,2", wholeNumbers(1))
    .option("--widths <list>", "channels of stage 0, 1, …, as 32,32,64,128", wholeNumbers(1))
    .option("--strides <list>", "stride of each stage's first block, as 1,2,2,2", wholeNumbers(1))
    .option("--groups <n>", "groups of every second layer", wholeNumber(1))
    .option(
      "--size <pixels>",
      "side of the input (default: that of small pictures, else by the pictures and the net)",
      wholeNumber(1, 4096),
    );
}

/** The options that are there, by the names that the functions which make nets have for them. */
export function netSettings({ depths, widths, strides, groups, size }: NetOptions) {
  return {
    ...(depths && { depths }),
    ...(widths && { widths }),
    ...(strides && { strides }),
    ...(groups !== undefined && { groups }),
    ...(size !== undefined && { inputSize: size }),
  };
}

/** Options of how any net is trained, and on which part of the data. */
/** @param defaults in words, where they differ between commands */
export function withTrainingOptions(
  command: Command,
  defaults: { readonly epochs: string; readonly batchSize: string; readonly learningRate: string },
): Command {
  return command
    .optionsGroup("Training:")
    .option("--epochs <n>", `passes over the data (default: ${defaults.epochs})`, wholeNumber(1))
    .option("--batch-size <n>", `pictures a step (default: ${defaults.batchSize})`, wholeNumber(1))
    .option("--accumulate <n>", "compute a batch in n parts, for less memory (default: 1)", wholeNumber(1))
    .addOption(
      new Option("--optimizer <name>", "how gradients change weights (default: sgd)").choices(["sgd", "adamw"]),
    )
    .option(
      "--learning-rate <x>",
      `after warm-up; falls to 0 along a cosine (default: ${defaults.learningRate})`,
      numberAbove(0),
    )
    .option("--warmup-epochs <x>", "epochs of rising learning rate (default: 0.5)", number(0))
    .option("--momentum <x>", "SGD's momentum or AdamW's β1 (default: 0.9)", share)
    .option("--weight-decay <x>", "on convolution and linear weights (default: 1e-4)", number(0))
    .option("--label-smoothing <x>", "share of the target spread over all classes (default: 0)", share)
    .option("--mixup <alpha>", "mix pictures in pairs by Beta(α, α) (default: 0, off)", number(0))
    .option("--cutmix <alpha>", "paste patches by Beta(α, α) (default: 0, off)", number(0))
    .option("--ema <decay>", "evaluate and keep a moving average of the weights (default: 0, off)", share)
    .optionsGroup("Data:")
    .addOption(
      new Option("--augmentation <preset>", "how pictures are varied (default: by the input's size)").choices(
        augmentationPresets,
      ),
    )
    .option("--erasing <p>", "erase a rectangle of a picture with this probability (default: 0, off)", number(0, 1))
    .option(
      "--hold-out <part>",
      "of each class for testing, where the data has no test split: from 0, none, to below 1 (default: 0.1, of fewer than 500 pictures 0.2)",
      share,
    )
    .addOption(strictOption());
}

/** Options of how a net that was trained before is trained on. */
export function withTuningOptions(command: Command): Command {
  return command
    .optionsGroup("Net that was trained before (--from):")
    .option(
      "--freeze <stages>",
      'stages from stage 0 on that stay as they are, or "all-but-head" (default: 0)',
      (text): Freeze => (text === "all-but-head" ? text : wholeNumberOr('or "all-but-head"')(text)),
    )
    .addOption(
      new Option(
        "--batch-norm <mode>",
        "statistics of the pictures of each step, or those that the net has (default: by the pictures)",
      ).choices(["live", "frozen"]),
    )
    .option(
      "--backbone-rate <x>",
      "learning rate of the last block as a part of the head's (default: by the pictures)",
      numberAbove(0),
    )
    .option(
      "--layer-decay <x>",
      "each block learns at this part of the next one's rate (default: by the net's depth)",
      aboveZeroTo(1),
    );
}

function wholeNumberOr(other: string): (text: string) => number {
  return (text) => {
    if (/^\d{1,3}$/.test(text)) return Number(text);
    throw wanted(`a whole number ≥ 0, ${other}`);
  };
}

/** Names of the options given on the command line, of those that are not in `allowed`. */
export function givenOptions(command: Command, allowed: readonly string[]): string[] {
  return given(command)
    .filter((option) => !allowed.includes(option.attributeName()))
    .map((option) => option.long!);
}

/** Names of the options given on the command line, of those that are in `some`. */
export function givenAmong(command: Command, some: readonly string[]): string[] {
  return given(command)
    .filter((option) => some.includes(option.attributeName()))
    .map((option) => option.long!);
}

function given(command: Command): readonly Option[] {
  return command.options.filter((option) => command.getOptionValueSource(option.attributeName()) === "cli");
}
