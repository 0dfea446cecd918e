import { basename, resolve } from "node:path";
import { Command } from "commander";
import { type AblateOptions, type AblationResult, ablate, resumeAblation } from "../ablation/ablate.node.js";
import { AblationDirectory } from "../ablation/ablation-directory.node.js";
import { type AblationSeeds, chooseSeeds, planRuns } from "../ablation/setup.node.js";
import { ablationCells, ablationHead, ablationSentences, describeRuns } from "../ablation/text.js";
import { writeAblation } from "../ablation/write-results.node.js";
import { ablationVariants } from "../analysis/ablation/variants.js";
import { UserError } from "../core/errors.js";
import { percent, plural } from "../core/format.js";
import { type ComputeOptions, wholeNumber, withComputeOptions } from "../flags/options.js";
import {
  givenOptions,
  type NetOptions,
  netSettings,
  withNetOptions,
  withTrainingOptions,
} from "../flags/training-options.js";
import { exitCodes } from "../terminal/exit-codes.js";
import { interruptible } from "../terminal/interrupt.js";
import { type Progress, type RateMeter, rateMeter } from "../terminal/progress.js";
import { freeFolder } from "../terminal/run-folder.js";
import { Terminal } from "../terminal/terminal.js";
import { depthStudyCommand } from "./depth-study.js";
import { type ChosenVariant, variantList } from "./variant-list.js";

interface Options
  extends ComputeOptions,
    NetOptions,
    Omit<AblateOptions, "out" | "net" | "seeds" | "signal" | "onProgress" | "onRun" | "threads" | "kernels"> {
  readonly out?: string;
  readonly resume?: string;
  readonly variants?: readonly ChosenVariant[];
  readonly seeds?: number;
}

/** Options that an ablation may be resumed with: the first four add runs or change no result. */
const resumeFlags = ["resume", "variants", "seeds", "jobs", "threads", "kernels", "strict", "json", "quiet"];

const examples = `
Variants: table6, table7 (those of the paper), or of ${ablationVariants.map(({ name }) => name).join(", ")}

Examples:
  repvgg ablate path/to/pictures --variants table6:5,table7:3 --epochs 5
  repvgg ablate --resume runs/pictures-ablation                           after Ctrl-C or a crash
  repvgg ablate --resume runs/pictures-ablation --variants acb --seeds 8   more seeds for one variant (and the base)`;

export function ablateCommand(): Command {
  const command = new Command("ablate")
    .description(
      "Train one net with the blocks of the paper's tables 6 and 7, each with several seeds, and say which differences are more than noise.",
    )
    .argument("[data]", "as for train: every process decodes it once and keeps it in memory")
    .addHelpText("after", examples)
    .optionsGroup("Runs:")
    .option("--out <folder>", "folder of the ablation (default: runs/DATA-ablation, or -2, -3, … behind it)")
    .option("--resume <folder>", "go on with the ablation in this folder; all its settings stay")
    .option(
      "--variants <list>",
      "tables or variants, each with :SEEDS where it differs (default: table6,table7)",
      variantList,
    )
    .option("--seeds <n>", "seeds of each variant (default: 5)", wholeNumber(1, 1000))
    .optionsGroup("Process:")
    .option("--jobs <n>", "nets that are trained at the same time (default: one a core)", wholeNumber(1, 64));
  const defaults = { epochs: "10", batchSize: "128, or fewer where there are fewer pictures", learningRate: "0.1" };
  return withComputeOptions(withTrainingOptions(withNetOptions(command, "nano"), defaults))
    .enablePositionalOptions() // what stands behind "depth" is that command's
    .addCommand(depthStudyCommand())
    .action(run);
}

async function run(data: string | undefined, options: Options, command: Command): Promise<void> {
  const terminal = new Terminal(options);
  const result = await interruptible(terminal, (signal) => {
    const view = { signal, ...ablationView(terminal) };
    return options.resume === undefined
      ? begin(data, options, view, terminal)
      : goOn(options.resume, data, options, view, command);
  });
  const written = await writeAblation(result);
  report(terminal, result, written);
  if (result.interrupted) process.exitCode = exitCodes.interrupted;
}

type View = Pick<AblateOptions, "signal" | "onProgress" | "onRun">;

/** A bar over all runs, and a line for each that is done. The rate is one for the whole: variants take different times. */
function ablationView(terminal: Terminal): Omit<View, "signal"> {
  let bar: Progress | undefined;
  let meter: RateMeter | undefined;
  return {
    onProgress: ({ steps, totalSteps, runs, totalRuns, underWay }) => {
      meter ??= rateMeter(totalSteps, "steps");
      bar ??= terminal.progress("ablation", totalSteps, "steps", meter);
      bar.update(steps, `${runs}/${totalRuns} runs | ${underWay.join(", ")}`);
    },
    onRun: ({ variant, seed, top1 }) => {
      terminal.say(`${variant}, seed ${seed}: ${top1 === null ? "diverged" : `test top-1 ${percent(top1)}`}`);
      bar = undefined; // the line ended it
    },
  };
}

function begin(data: string | undefined, options: Options, view: View, terminal: Terminal): Promise<AblationResult> {
  if (data === undefined) {
    throw new UserError({
      expected: "data to train on, or --resume",
      received: "neither",
      remedy: "for example: repvgg ablate fashion-mnist-subset",
    });
  }
  const { model = "nano", depths, widths, strides, groups, size, variants: chosen, seeds: count, ...others } = options;
  const { resume: _, json, quiet, ...training } = others;
  const seeds = chooseSeeds(chosen, count);
  const out = options.out ?? freeFolder(`runs/${basename(resolve(data))}-ablation`);
  AblationDirectory.checkNew(out);
  terminal.say(`${plural(planRuns(seeds).length, "run")} in ${out}; pictures are decoded first`);
  return ablate(data, {
    ...training,
    ...view,
    out,
    seeds,
    command: commandLine(),
    net: { model, ...netSettings(options) },
  });
}

function goOn(
  folder: string,
  data: string | undefined,
  options: Options,
  view: View,
  command: Command,
): Promise<AblationResult> {
  const given = givenOptions(command, resumeFlags);
  if (data !== undefined) given.unshift("data");
  if (given.length > 0) {
    throw new UserError({
      expected: "a resumed ablation to keep its data and settings",
      received: given.join(", "),
      remedy: "leave them out, or begin a new one",
    });
  }
  const { variants: chosen, seeds: count } = options;
  const more: AblationSeeds = chosen || count !== undefined ? chooseSeeds(chosen, count) : {};
  const { jobs, threads, kernels, strict } = options;
  return resumeAblation(
    folder,
    {
      ...view,
      ...(jobs !== undefined && { jobs }),
      ...(threads !== undefined && { threads }),
      ...(kernels && { kernels }),
      ...(strict !== undefined && { strict }),
    },
    more,
  );
}

function commandLine(): string {
  return ["repvgg", ...process.argv.slice(2)].join(" ");
}

function report(terminal: Terminal, result: AblationResult, { json, html }: { json: string; html: string }): void {
  const { out, summary, remaining, interrupted } = result;
  terminal.result({ out, interrupted, remaining, results: json, report: html, ...summary }, () =>
    [
      terminal.table(
        ["blocks", ...ablationHead],
        summary.variants.map((variant) => [variant.variant.name, ...ablationCells(variant)]),
      ),
      ...ablationSentences(summary),
      `${describeRuns(summary)}${remaining > 0 ? `, ${remaining} to come; go on with: repvgg ablate --resume ${out}` : ""}`,
      `Results ${json}`,
      `Report  ${html}`,
    ].join("\n"),
  );
}
