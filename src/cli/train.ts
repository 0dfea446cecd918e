import { Command, Option } from "commander";
import type { TrainingSets } from "../api/training-sets.js";
import { trainingSets } from "../api/training-sets.node.js";
import { UserError } from "../core/errors.js";
import { chooseSettings, chooseTuning } from "../flags/chosen-settings.js";
import { configurationOf } from "../flags/configured.js";
import { epsilonOption } from "../flags/exchange-options.js";
import {
  aboveZeroTo,
  type ComputeOptions,
  number,
  share,
  wholeNumber,
  withColumnOptions,
  withComputeOptions,
} from "../flags/options.js";
import { ownCommand } from "../flags/own-command.js";
import {
  givenAmong,
  givenOptions,
  type NetOptions,
  netSettings,
  withNetOptions,
  withTrainingOptions,
  withTuningOptions,
} from "../flags/training-options.js";
import type { BlockKind } from "../nn/architecture.js";
import { blockKinds } from "../nn/blocks/registry.js";
import type { Model } from "../nn/model.js";
import type { RepvggOptions } from "../nn/repvgg.js";
import { balanceModes } from "../recipe/balance.js";
import { freshModel } from "../recipe/fresh-model.node.js";
import type { TrainFields } from "../recipe/training-setup.js";
import { checkNewFolds, type FoldsResult, holdsFolds, resumeFolds, trainFolds } from "../runs/folds.node.js";
import { resume, type TrainFrom, type TrainOptions, type TrainResult, train } from "../runs/train.node.js";
import { exitCodes } from "../terminal/exit-codes.js";
import { plural, wholeCount } from "../terminal/format.js";
import { interruptible } from "../terminal/interrupt.js";
import { freeFolder } from "../terminal/run-folder.js";
import { Terminal } from "../terminal/terminal.js";
import { sayLearningRate } from "./find-rate.js";
import { foldView, reportFolds } from "./folds.js";
import { readModel } from "./net-facts.js";
import { drawPreview, nameOfData, previewPath } from "./training-preview.js";
import { reportTraining } from "./training-result.js";
import { trainingView } from "./training-view.js";

/** Options that a fresh net is built from. */
interface FreshNetOptions extends NetOptions {
  readonly block?: BlockKind;
  readonly pointwise: boolean;
  readonly identity: boolean;
}

type TrainingOptions = Omit<
  TrainOptions,
  "command" | "backend" | "signal" | "onStep" | "onEpoch" | "onSkip" | "onProgress"
>;

interface Options extends ComputeOptions, FreshNetOptions, TrainingOptions {
  readonly from?: string;
  readonly batchNormEpsilon?: number;
  readonly findLr?: boolean;
  readonly folds?: number;
  readonly resume?: string;
  readonly config?: string;
  readonly preview?: string | true;
}

/** Options of the net, which a net that exists has already. */
const netFlags = ["model", "depths", "widths", "strides", "groups", "block", "pointwise", "identity"];

/** Options of a net that was trained before. */
const tuningFlags = ["batchNormEpsilon", "freeze", "batchNorm", "backboneRate", "layerDecay"];

/** Options that a run may be resumed with: but for its length they do not change its result. */
const processFlags = [
  "resume",
  "epochs",
  "threads",
  "kernels",
  "workers",
  "checkpointSeconds",
  "report",
  "strict",
  "json",
  "quiet",
];

const examples = `
Examples:
  repvgg train path/to/pictures --epochs 20           one folder a class, or train/ and test/ of such
  repvgg train fashion-mnist --model tiny
  repvgg train path/to/pictures --from timm/repvgg_a0.rvgg_in1k --freeze all-but-head
  repvgg train path/to/pictures --mixup 0.2 --preview sheet.png
  repvgg train path/to/pictures --find-lr             a drawing of the loss by learning rate, and one to begin with
  repvgg train path/to/few --folds 5                  how good it is, by every picture, and a net of them all
  repvgg train --config repvgg.config.json --epochs 40
  repvgg train --resume runs/pictures-nano            after Ctrl-C or a crash: same result as without it
  repvgg train --resume runs/pictures-nano --epochs 40   a run that was to have fewer goes on`;

export function trainCommand(): Command {
  const command = new Command("train")
    .description("Train a multi-branch net on pictures; --resume goes on with a run that was stopped.")
    .argument(
      "[data]",
      'folder of pictures (class/x.jpg, or train/ and test/ of such) or list of them (.csv with path,label), folder of CIFAR-10 binary files or of idx files; "fashion-mnist" or "fashion-mnist-subset"',
    )
    .addHelpText("after", examples)
    .optionsGroup("Run:")
    .option("--out <folder>", "folder of the run (default: runs/DATA-MODEL, or -2, -3, … behind it)")
    .option(
      "--config <file>",
      "options by their names from a .json, .js or .ts file, or a run's config.json; flags win",
    )
    .addOption(
      new Option(
        "--preview [file.png]",
        "draw what the net would see, and stop: nothing is trained (default: DATA-preview.png)",
      ).conflicts(["findLr", "folds", "resume"]),
    )
    .addOption(
      new Option(
        "--find-lr",
        "train nothing: try learning rates in 150 steps, draw the loss by them and suggest one",
      ).conflicts(["resume", "learningRate", "folds"]),
    )
    .addOption(
      new Option(
        "--folds <k>",
        "for few pictures: first train k nets on all parts but one each and test them on that one, then a net on all pictures",
      )
        .argParser(wholeNumber(2, 1000))
        .conflicts(["holdOut", "validation", "patience"]),
    )
    .option(
      "--resume <folder>",
      "go on with the run in this folder; all its settings stay, but for --epochs where it is given",
    );
  const net = withNetOptions(command, "by the pictures: nano, or tiny for 20,000 and more")
    .addOption(new Option("--block <kind>", "what a block is in training form (default: repvgg)").choices(blockKinds))
    .option("--no-pointwise", "leave out the 1×1 branches")
    .option("--no-identity", "leave out the identity branches")
    .addOption(
      new Option(
        "--from <net>",
        "begin with this net (a file, or what a hub calls it) instead of a fresh one, also for other classes; its preprocessing stays",
      ).conflicts(netFlags),
    )
    .addOption(epsilonOption());
  withTuningOptions(net);
  const byPictures = {
    epochs: "by the pictures",
    batchSize: "by the pictures",
    learningRate: "by the batch, at most 0.1",
  };
  const training = withColumnOptions(withTrainingOptions(net, byPictures))
    .optionsGroup("Training:")
    .addOption(
      new Option(
        "--balance <how>",
        "make up for classes of different sizes in the loss: by their shares added to the logits, or by weights (default: logits where the largest class has three times the pictures of the smallest, else none)",
      ).choices(balanceModes),
    )
    .option(
      "--balance-strength <x>",
      "how much: 1 counts all classes the same, 0.5 halfway (default: 1)",
      aboveZeroTo(2),
    )
    .option("--custom-l2", "decay the equivalent kernels instead of the branches'")
    .option(
      "--validation <part>",
      "of each class's training pictures, to judge epochs by: from 0, none, to below 1 (default: a val/ folder beside train/; else 0.1 of 1,000 pictures and more, of fewer 0)",
      share,
    )
    .addOption(
      new Option(
        "--choose <epoch>",
        "whose net the run gives: the latest that the validation pictures cannot tell from the best, or the last one's (default: best)",
      ).choices(["best", "last"]),
    )
    .option(
      "--patience <n>",
      "stop when in so many epochs in a row no more validation pictures were right (default: 0, off)",
      wholeNumber(0),
    )
    .option("--seed <n>", "of weights, order and variation (default: 0)", wholeNumber(0, 2 ** 32 - 1))
    .optionsGroup("Process:")
    .option("--workers <n>", "threads that prepare pictures (default: by the data)", wholeNumber(0, 64))
    .option("--checkpoint-seconds <s>", "time between checkpoints inside an epoch (default: 60)", number(0))
    .option("--no-report", "make no report.html at the end");
  return withComputeOptions(training).action(run);
}

async function run(data: string | undefined, options: Options, command: Command): Promise<void> {
  const terminal = new Terminal(options);
  const result = await interruptible(terminal, async (signal) => {
    const process = { ...trainingView(terminal), signal, onRemark: (sentence: string) => terminal.say(sentence) };
    return options.resume === undefined
      ? begin(data, options, { ...process, onProgress: terminal.counting("download", "B") }, terminal, command)
      : goOn(options.resume, data, options, process, terminal, command);
  });
  if (!result) return; // a preview, or a test of learning rates
  if ("crossValidation" in result) reportFolds(terminal, result);
  else reportTraining(terminal, result);
  if (result.interrupted) process.exitCode = exitCodes.interrupted;
}

type Callbacks = ReturnType<typeof trainingView> & Pick<TrainOptions, "signal" | "onProgress" | "onRemark">;

async function begin(
  data: string | undefined,
  options: Options,
  callbacks: Callbacks,
  terminal: Terminal,
  command: Command,
): Promise<TrainResult | FoldsResult | undefined> {
  const previewFile = options.preview && previewPath(options.preview, data);
  if (data === undefined) {
    throw new UserError({
      expected: "data to train on, or --resume",
      received: "neither",
      remedy: "for example: repvgg train fashion-mnist-subset",
    });
  }
  const { model: _name, depths, widths, strides, groups, block, pointwise, identity, size, ...others } = options;
  const {
    from,
    batchNormEpsilon,
    findLr,
    folds,
    resume: _,
    config: __,
    preview: ___,
    json,
    quiet,
    ...training
  } = others;
  checkTuning(command, from);
  if (options.out !== undefined && !findLr) checkNewFolds(options.out);
  // What the folds divide is neither held out nor judged by, and that is no choice of anybody.
  const given = folds === undefined ? options : { ...options, holdOut: 0, validation: 0 };
  const sets = await trainingSets(data, { ...given, ...callbacks });
  const uses = folds === undefined ? `to train on, ${othersOf(sets)}` : `in ${folds} folds`;
  const runFolder = (name: string): string =>
    options.out ?? freeFolder(`runs/${nameOfData(data)}-${name}${findLr ? "-learning-rate" : ""}`);
  const begins = (model: Model, out: string, sentence: string): void => {
    terminal.say(
      `RepVGG ${model.architecture.name} on ${sets.train.name}: ${plural(sets.train.length, "picture")} ${uses}; run folder ${out}`,
    );
    if (sentence) terminal.say(sentence);
  };
  const go = async (
    start: Model | TrainFrom,
    out: string,
    chosen: TrainFields,
    settings: TrainOptions["settings"],
  ): Promise<TrainResult | FoldsResult | undefined> => {
    const whole = { ...training, ...chosen, ...callbacks, out, ...(settings && { settings }), command: ownCommand() };
    if (findLr) return sayLearningRate(terminal, start, sets, whole);
    if (folds !== undefined) return trainFolds(start, sets, { ...whole, folds, onFold: foldView(terminal, folds) });
    return train(start, sets, whole);
  };
  if (from === undefined) {
    const { sentence, model: name, inputSize, ...chosen } = await chooseSettings(sets, given);
    const model = await freshModel(name, sets.train, { ...netOptions(options), inputSize });
    if (previewFile) return drawPreview(previewFile, model, sets, { ...training, ...chosen }, sentence, terminal);
    const out = runFolder(name.toLowerCase());
    begins(model, out, sentence);
    const settings = configurationOf(command, data, { ...chosen, model: name, inputSize });
    return go(model, out, chosen, settings);
  }
  const { model } = await readModel(from, batchNormEpsilon === undefined ? {} : { batchNormEpsilon }, terminal);
  const { sentence, ...chosen } = await chooseTuning(sets, given, model);
  const start = { from: model, name: from, ...(size !== undefined && { inputSize: size }) };
  if (previewFile) return drawPreview(previewFile, start, sets, { ...training, ...chosen }, sentence, terminal);
  const out = runFolder("finetuned");
  begins(model, out, sentence);
  return go(start, out, chosen, configurationOf(command, data, chosen));
}

/** "1,000 to judge epochs by, 500 to test on, once" */
function othersOf({ validation, test }: TrainingSets): string {
  const judging = validation ? `${wholeCount(validation.length)} to judge epochs by, ` : "";
  return `${judging}${test ? `${wholeCount(test.length)} to test on, once` : "none to test on"}`;
}

/** @throws UserError for options of a net that was trained before where there is none */
function checkTuning(command: Command, from: string | undefined): void {
  const [flag] = from === undefined ? givenAmong(command, tuningFlags) : [];
  if (flag === undefined) return;
  throw new UserError({
    expected: `--from beside ${flag}, which is for nets that were trained before`,
    received: "a fresh net",
    remedy: "name the net to begin with, or leave the option out",
  });
}

function goOn(
  folder: string,
  data: string | undefined,
  options: Options,
  callbacks: Callbacks,
  terminal: Terminal,
  command: Command,
): Promise<TrainResult | FoldsResult> {
  const given = givenOptions(command, processFlags);
  if (data !== undefined) given.unshift("data");
  if (given.length > 0) {
    throw new UserError({
      expected: "a resumed run to keep its data and all settings but --epochs",
      received: given.join(", "),
      remedy: "leave them out, or begin a new run",
    });
  }
  // Settings that the command has by default are not those of the run.
  const { threads, kernels, workers, checkpointSeconds, report, strict, epochs } = options;
  const named = { threads, kernels, workers, checkpointSeconds, report, strict };
  const process = Object.fromEntries(Object.entries(named).filter(([, value]) => value !== undefined));
  if (!holdsFolds(folder)) return resume(folder, { ...process, ...(epochs !== undefined && { epochs }), ...callbacks });
  if (epochs !== undefined) {
    throw new UserError({
      expected: "the folds of one run to be trained for the same time",
      received: `--epochs ${epochs} beside --resume ${folder}, which holds folds`,
      remedy: "leave it out, or begin a new run",
    });
  }
  return resumeFolds(folder, { ...process, ...callbacks, onFold: foldView(terminal) });
}

function netOptions(options: Options): RepvggOptions {
  const { block, pointwise, identity, seed } = options;
  return {
    ...netSettings(options),
    ...(block && { block }),
    ...((!pointwise || !identity) && {
      branches: { ...(!pointwise && { pointwise }), ...(!identity && { identity }) },
    }),
    ...(seed !== undefined && { seed }),
  };
}
