import { basename, resolve } from "node:path";
import { Command, Option } from "commander";
import { beginStudy, changeStudy } from "../ablation/depth/begin.node.js";
import { choiceParts, partName, resultParts } from "../ablation/depth/plan.js";
import type { StudyRun } from "../ablation/depth/results.js";
import { runStudy, type StudySession, studyState } from "../ablation/depth/study.node.js";
import { StudyDirectory } from "../ablation/depth/study-directory.node.js";
import { studyCells, studyHead, studySentences } from "../ablation/depth/text.js";
import { studyVariants } from "../ablation/depth/variants.js";
import { writeStudy } from "../ablation/depth/write-report.node.js";
import { UserError } from "../core/errors.js";
import { percent, plural } from "../core/format.js";
import { type AugmentationPreset, augmentationPresets } from "../data/augmentation/config.js";
import {
  type ComputeOptions,
  number,
  numberAbove,
  numbers,
  wanted,
  wholeNumber,
  wholeNumbers,
  withComputeOptions,
  words,
} from "../flags/options.js";
import { givenOptions } from "../flags/training-options.js";
import { exitCodes } from "../terminal/exit-codes.js";
import { interruptible } from "../terminal/interrupt.js";
import { type Progress, type RateMeter, rateMeter } from "../terminal/progress.js";
import { freeFolder } from "../terminal/run-folder.js";
import { Terminal } from "../terminal/terminal.js";
import { type ChosenVariant, variantList } from "./variant-list.js";

interface Options extends ComputeOptions {
  readonly out?: string;
  readonly resume?: string;
  readonly layers: readonly number[];
  readonly widths: readonly number[];
  readonly strides: readonly number[];
  readonly variants?: readonly ChosenVariant[];
  readonly pictures?: number;
  readonly choicePictures?: number;
  readonly epochs: number;
  readonly batchSize?: number;
  readonly learningRate?: number;
  readonly learningRates?: Readonly<Record<string, number>>;
  readonly warmupEpochs: number;
  readonly weightDecay?: number;
  readonly augmentation?: AugmentationPreset;
  readonly choose?: boolean;
  readonly useChoices?: boolean;
  readonly chooseRates: readonly number[];
  readonly chooseWarmups: readonly number[];
  readonly chooseEpochs: number;
  readonly parts?: readonly string[];
  readonly budget?: number;
  readonly list?: boolean;
  readonly report?: boolean;
  readonly jobs?: number;
}

/** What a study that was begun may be told: which parts, how fast, where the pictures lie, more seeds. */
const resumeFlags = [
  ...[
    "resume",
    "variants",
    "learningRates",
    "choose",
    "chooseRates",
    "useChoices",
    "parts",
    "budget",
    "list",
    "report",
  ],
  ...["jobs", "threads", "kernels", "json", "quiet"],
];

const examples = `
Variants: table6 (those of the paper), or of ${studyVariants.map(({ name }) => name).join(", ")}

Examples:
  repvgg ablate depth path/to/pictures --out runs/depth --choose             first the learning rate, by training pictures held out
  repvgg ablate depth --resume runs/depth --use-choices --budget 60          an hour of the study with the best ones; any number of times
  repvgg ablate depth --resume runs/depth --parts 28/base,28/no-branches     only these
  repvgg ablate depth --resume runs/depth --list                             what is done`;

export function depthStudyCommand(): Command {
  const command = new Command("depth")
    .summary("the variants at several depths, in parts that can be resumed")
    .description(
      "Train the paper's variants at several depths, each with several seeds, and draw accuracy, training loss and gradients against depth.",
    )
    .argument("[data]", "pictures, as for train; with --resume: where they lie now")
    .addHelpText("after", examples)
    .exitOverride()
    .configureOutput({ outputError: () => {} })
    .showSuggestionAfterError(false)
    .optionsGroup("Study:")
    .option("--out <folder>", "folder of the study (default: runs/DATA-depth, or -2, -3, … behind it)")
    .option("--resume <folder>", "go on with the study in this folder; its settings stay")
    .option("--layers <list>", "depths in 3×3 layers, in the order of training", wholeNumbers(5), [28, 52, 10])
    .option("--widths <list>", "channels of stage 0, 1, …", wholeNumbers(1), [16, 16, 32, 64, 128])
    .option("--strides <list>", "stride of each stage's first layer", wholeNumbers(1), [1, 2, 2, 2, 1])
    .option("--variants <list>", "table6 or variants, each with :SEEDS (default: table6, 5 or 3 seeds)", variantList)
    .option("--pictures <n>", "training pictures to learn from (default: all but those to choose by)", wholeNumber(1))
    .option("--choice-pictures <n>", "other training pictures to choose settings by (default: 5000)", wholeNumber(1))
    .optionsGroup("Training:")
    .option("--epochs <n>", "passes over the pictures", wholeNumber(1), 20)
    .option("--batch-size <n>", "pictures a step (default: 128)", wholeNumber(1))
    .option("--learning-rate <x>", "after warm-up; falls to 0 along a cosine (default: 0.1)", numberAbove(0))
    .option("--learning-rates <list>", "where it differs: 52=0.05,52/no-branches=0.1", rates)
    .option("--warmup-epochs <x>", "epochs of rising learning rate", number(0), 1)
    .option("--weight-decay <x>", "on convolution and linear weights (default: 1e-4)", number(0))
    .addOption(
      new Option("--augmentation <preset>", "how pictures are varied (default: by the input's size)").choices(
        augmentationPresets,
      ),
    )
    .optionsGroup("Choice:")
    .option("--choose", "train the choices, short runs judged by held-out training pictures, instead of the results")
    .option("--choose-rates <list>", "learning rates to try", numbers, [0.05, 0.1, 0.2])
    .option("--choose-warmups <list>", "warm-ups to try, in epochs", numbers, [1])
    .option("--choose-epochs <n>", "epochs of a choice", wholeNumber(1), 5)
    .option("--use-choices", "from now on the learning rates that the choices found best, where there is no result yet")
    .optionsGroup("Session:")
    .option("--parts <list>", "only parts whose names begin so: 28/base,52", words)
    .option("--budget <minutes>", "stop after so long, with checkpoints", number(0, 10_000))
    .option("--list", "say which parts are done, and train none")
    .option("--report", "write the report of what is done, and train none")
    .option("--jobs <n>", "nets that are trained at the same time (default: one a core)", wholeNumber(1, 64));
  return withComputeOptions(command).action(run);
}

/** Parser of "52=0.05,52/no-branches=0.1". */
function rates(text: string): Record<string, number> {
  return Object.fromEntries(
    text.split(",").map((part) => {
      const [, place, rate] = /^\s*(\d+(?:\/[\w-]+)?)=(\S+)\s*$/.exec(part) ?? [];
      if (place === undefined || !(Number(rate) > 0))
        throw wanted("LAYERS=RATE or LAYERS/VARIANT=RATE with commas between");
      return [place, Number(rate)];
    }),
  );
}

async function run(data: string | undefined, options: Options, command: Command): Promise<void> {
  const terminal = new Terminal(options);
  const folder = options.resume ?? (await begin(data, options));
  if (options.resume !== undefined) await change(options.resume, options, command);
  if (options.list) return list(terminal, folder);
  const place = options.resume === undefined ? undefined : data;
  const { budget } = options;
  const ended = await interruptible(terminal, async (signal) => {
    const late = budget === undefined ? undefined : AbortSignal.timeout(budget * 60_000);
    const session = { ...sessionOf(options, place), ...view(terminal) };
    if (!options.report)
      await runStudy(folder, { ...session, signal: late ? AbortSignal.any([signal, late]) : signal });
    return { interrupted: signal.aborted };
  });
  const state = studyState(folder);
  const written = await writeStudy(state);
  terminal.result(
    { out: folder, ...ended, done: state.runs.length, remaining: state.remaining.map(partName), ...written },
    () =>
      [
        terminal.table(
          ["layers", "blocks", ...studyHead],
          written.summary.depths.flatMap(({ layers, variants }) =>
            variants.map((cell) => [layers, cell.variant.name, ...studyCells(cell)]),
          ),
        ),
        ...studySentences(written.summary),
        `${plural(state.runs.length, "part")} done, ${plural(state.remaining.length, "result")} to come${state.remaining.length > 0 ? `; go on with: repvgg ablate depth --resume ${folder}` : ""}`,
        `Results ${written.files.results}`,
        `Report  ${written.files.report}`,
      ].join("\n"),
  );
  if (ended.interrupted) process.exitCode = exitCodes.interrupted;
}

function sessionOf({ parts, choose, jobs, threads, kernels }: Options, place: string | undefined): StudySession {
  return {
    ...(parts && { parts }),
    ...(choose && { choose }),
    ...(place !== undefined && { place }),
    ...(jobs !== undefined && { jobs }),
    ...(threads !== undefined && { threads }),
    ...(kernels && { kernels }),
  };
}

async function begin(data: string | undefined, options: Options): Promise<string> {
  if (data === undefined) {
    throw new UserError({
      expected: "data to train on, or --resume",
      received: "neither",
      remedy: "for example: repvgg ablate depth path/to/pictures",
    });
  }
  const { layers, widths, strides, variants, pictures, choicePictures = 5000, learningRates } = options;
  const { epochs, batchSize, learningRate, warmupEpochs, weightDecay, augmentation } = options;
  const out = options.out ?? freeFolder(`runs/${basename(resolve(data))}-depth`);
  StudyDirectory.checkNew(out);
  await beginStudy(data, {
    ...{ out, layers, widths, strides, choicePictures },
    ...(pictures !== undefined && { pictures }),
    ...(variants && { variants }),
    ...(learningRates && { learningRates }),
    training: {
      ...{ epochs, warmupEpochs },
      ...(batchSize !== undefined && { batchSize }),
      ...(learningRate !== undefined && { learningRate }),
      ...(weightDecay !== undefined && { weightDecay }),
      ...(augmentation && { augmentation }),
    },
    choices: {
      learningRates: options.chooseRates,
      warmupEpochs: options.chooseWarmups,
      epochs: options.chooseEpochs,
    },
    command: ["repvgg", ...process.argv.slice(2)].join(" "),
  });
  return out;
}

async function change(folder: string, options: Options, command: Command): Promise<void> {
  const given = givenOptions(command, resumeFlags);
  if (given.length > 0) {
    throw new UserError({
      expected: "a resumed study to keep its settings",
      received: given.join(", "),
      remedy: "leave them out, or begin a new one",
    });
  }
  const { variants, learningRates, chooseRates, useChoices } = options;
  const tried = command.getOptionValueSource("chooseRates") === "cli";
  if (!variants && !learningRates && !tried && !useChoices) return;
  await changeStudy(folder, {
    ...(variants && { variants }),
    ...(learningRates && { learningRates }),
    ...(tried && { triedRates: chooseRates }),
    ...(useChoices && { useChoices }),
  });
}

/** A bar over the session's parts, and a line for each that is done. */
function view(terminal: Terminal): Pick<StudySession, "onProgress" | "onRun"> {
  let bar: Progress | undefined;
  let meter: RateMeter | undefined;
  return {
    onProgress: ({ steps, totalSteps, underWay }) => {
      meter ??= rateMeter(totalSteps, "steps");
      bar ??= terminal.progress("depth study", totalSteps, "steps", meter);
      bar.update(steps, underWay.join(", "));
    },
    onRun: (run) => {
      terminal.say(describeRun(run));
      bar = undefined; // the line ended it
    },
  };
}

function describeRun({ part, judged, fitted }: StudyRun): string {
  if (!judged || !fitted) return `${partName(part)}: diverged`;
  const by = part.kind === "result" ? "test" : "held-out";
  return `${partName(part)}: ${by} top-1 ${percent(judged.top1)}, training top-1 ${percent(fitted.top1)}, training loss ${fitted.loss.toFixed(4)}`;
}

function list(terminal: Terminal, folder: string): void {
  const { plan, runs } = studyState(folder);
  const done = new Map(runs.map((run) => [partName(run.part), run]));
  const parts = [...choiceParts(plan), ...resultParts(plan)].map((part) => {
    const run = done.get(partName(part));
    return {
      name: partName(part),
      learningRate: part.learningRate,
      done: run !== undefined,
      top1: run?.judged?.top1 ?? null,
    };
  });
  terminal.result({ out: folder, parts }, () =>
    terminal.table(
      ["part", "learning rate", "done", "top-1"],
      parts.map((part) => [
        ...[part.name, part.learningRate, part.done ? "yes" : "no"],
        part.top1 === null ? "–" : percent(part.top1),
      ]),
    ),
  );
}
