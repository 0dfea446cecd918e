import { existsSync } from "node:fs";
import { basename, join, resolve } from "node:path";
import { Command, Option } from "commander";
import type { TrainingSets } from "../api/training-sets.js";
import { trainingSets } from "../api/training-sets.node.js";
import { UserError } from "../core/errors.js";
import type { BlockKind } from "../nn/architecture.js";
import { blockKinds } from "../nn/blocks/registry.js";
import type { Model } from "../nn/model.js";
import type { RepvggOptions } from "../nn/repvgg.js";
import { freshModel } from "../recipe/fresh-model.node.js";
import {
  checkNewRun,
  type EpochRecord,
  resume,
  type TrainOptions,
  type TrainResult,
  train,
} from "../runs/train.node.js";
import { exitCodes } from "../terminal/exit-codes.js";
import { percent, plural, wholeCount } from "../terminal/format.js";
import { interruptible } from "../terminal/interrupt.js";
import { freeFolder } from "../terminal/run-folder.js";
import { Terminal } from "../terminal/terminal.js";
import { chooseSettings, chooseTuning } from "./chosen-settings.js";
import { epsilonOption } from "./exchange-options.js";
import { readModel } from "./net-facts.js";
import { type ComputeOptions, number, share, wholeNumber, withComputeOptions } from "./options.js";
import { ownCommand } from "./own-command.js";
import {
  givenAmong,
  givenOptions,
  type NetOptions,
  netSettings,
  withNetOptions,
  withTrainingOptions,
  withTuningOptions,
} from "./training-options.js";
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
  readonly resume?: string;
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
  repvgg train --resume runs/pictures-nano            after Ctrl-C or a crash: same result as without it
  repvgg train --resume runs/pictures-nano --epochs 40   a run that was to have fewer goes on`;

export function trainCommand(): Command {
  const command = new Command("train")
    .description("Train a multi-branch net on pictures; --resume goes on with a run that was stopped.")
    .argument(
      "[data]",
      'folder of pictures (class/x.jpg, or train/ and test/ of such), of CIFAR-10 binary files or of idx files; "fashion-mnist" or "fashion-mnist-subset"',
    )
    .addHelpText("after", examples)
    .optionsGroup("Run:")
    .option("--out <folder>", "folder of the run (default: runs/DATA-MODEL, or -2, -3, … behind it)")
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
  const training = withTrainingOptions(net, byPictures)
    .optionsGroup("Training:")
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
  const result = await interruptible(terminal, (signal) => {
    const process = { ...trainingView(terminal), signal, onRemark: (sentence: string) => terminal.say(sentence) };
    return options.resume === undefined
      ? begin(data, options, { ...process, onProgress: terminal.counting("download", "B") }, terminal, command)
      : goOn(options.resume, data, options, process, command);
  });
  report(terminal, result);
  if (result.interrupted) process.exitCode = exitCodes.interrupted;
}

type Callbacks = ReturnType<typeof trainingView> & Pick<TrainOptions, "signal" | "onProgress" | "onRemark">;

async function begin(
  data: string | undefined,
  options: Options,
  callbacks: Callbacks,
  terminal: Terminal,
  command: Command,
): Promise<TrainResult> {
  if (data === undefined) {
    throw new UserError({
      expected: "data to train on, or --resume",
      received: "neither",
      remedy: "for example: repvgg train fashion-mnist-subset",
    });
  }
  const { model: _name, depths, widths, strides, groups, block, pointwise, identity, size, ...others } = options;
  const { from, batchNormEpsilon, resume: _, json, quiet, ...training } = others;
  checkTuning(command, from);
  if (options.out !== undefined) checkNewRun(options.out);
  const sets = await trainingSets(data, { ...options, ...callbacks });
  const runFolder = (name: string): string => options.out ?? freeFolder(`runs/${basename(resolve(data))}-${name}`);
  const begins = (model: Model, out: string, sentence: string): void => {
    terminal.say(
      `RepVGG ${model.architecture.name} on ${sets.train.name}: ${plural(sets.train.length, "picture")} to train on, ${othersOf(sets)}; run folder ${out}`,
    );
    if (sentence) terminal.say(sentence);
  };
  if (from === undefined) {
    const { sentence, model: name, inputSize, ...chosen } = await chooseSettings(sets, options);
    const model = await freshModel(name, sets.train, { ...netOptions(options), inputSize });
    const out = runFolder(name.toLowerCase());
    begins(model, out, sentence);
    return train(model, sets, { ...training, ...chosen, ...callbacks, out, command: ownCommand() });
  }
  const { model } = await readModel(from, batchNormEpsilon === undefined ? {} : { batchNormEpsilon }, terminal);
  const { sentence, ...chosen } = await chooseTuning(sets, options, model);
  const out = runFolder("finetuned");
  begins(model, out, sentence);
  const start = { from: model, name: from, ...(size !== undefined && { inputSize: size }) };
  return train(start, sets, { ...training, ...chosen, ...callbacks, out, command: ownCommand() });
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
  command: Command,
): Promise<TrainResult> {
  const given = givenOptions(command, processFlags);
  if (data !== undefined) given.unshift("data");
  if (given.length > 0) {
    throw new UserError({
      expected: "a resumed run to keep its data and all settings but --epochs",
      received: given.join(", "),
      remedy: "leave them out, or begin a new run",
    });
  }
  return resume(folder, { ...options, ...callbacks });
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

function report(terminal: Terminal, result: TrainResult): void {
  const { out, epochs, chosen, test, interrupted, stoppedEarly, recalibration, skipped, warnings } = result;
  const html = out !== undefined && existsSync(join(out, "report.html")) ? join(out, "report.html") : null;
  const score = test && { images: test.images, top1: test.top1, top5: test.top5, loss: test.loss };
  const files = { report: html, recalibration, skipped, warnings };
  const run = { out: out ?? null, interrupted, stoppedEarly, last: epochs.at(-1) ?? null, chosen: chosen ?? null };
  terminal.result({ ...run, test: score, ...files }, () => {
    if (out === undefined) return "stopped before the training began; nothing was written";
    if (!chosen) return `stopped; go on with: repvgg train --resume ${out}`;
    return [
      accuracyLine(result, chosen),
      `Model   ${out}/model.safetensors   of epoch ${chosen.epoch} of ${epochs.at(-1)!.epoch}`,
      `Curves  ${out}/curves.png`,
      ...(html === null ? [] : [`Report  ${html}`]),
      `Next    repvgg fold ${out}/model.safetensors -o plain.safetensors`,
    ].join("\n");
  });
}

/** What was measured of the net that the run gives. */
function accuracyLine({ test, epochs }: TrainResult, { epoch, validation }: EpochRecord): string {
  const judged = validation && `validation top-1 ${percent(validation.top1)}`;
  const whose = `epoch ${epoch} of ${epochs.at(-1)!.epoch}${judged ? `, ${judged}` : ""}`;
  if (test) return `test top-1 ${percent(test.top1)} on ${plural(test.images, "picture")}, looked at once (${whose})`;
  return judged
    ? `${judged} (epoch ${epoch} of ${epochs.at(-1)!.epoch}): a little too good, for it judged the epochs; there is nothing to test on`
    : `no accuracy was measured: all pictures were trained on (${whose})`;
}
