import { Command } from "commander";
import { type BackendKind, backendKinds } from "../backend/options.js";
import { UserError } from "../core/errors.js";
import { type SourceOptions, withSourceOptions } from "../flags/exchange-options.js";
import { chosenFrom, wholeNumber, withOutputOptions, words } from "../flags/options.js";
import { variantNames } from "../nn/zoo.js";
import { profileReport } from "../studies/profile/page.js";
import type { Profile } from "../studies/profile/profile.js";
import { profile } from "../studies/profile/profile.node.js";
import { costsText, memoryText, type TextTable, timesText, usedText } from "../studies/profile/text.js";
import { profileZoo, zooCells, zooHead } from "../studies/profile/zoo.js";
import { zooReport } from "../studies/profile/zoo-page.js";
import { plural, shortNumber } from "../terminal/format.js";
import { type OutputOptions, Terminal } from "../terminal/terminal.js";
import { htmlOption, writeReport } from "./html.js";
import { netToTime } from "./named-net.js";

interface Options extends OutputOptions, SourceOptions {
  readonly zoo?: boolean;
  readonly batch?: number;
  readonly fuseBatchNorm?: boolean;
  readonly threads?: number;
  readonly kernels?: readonly string[];
  readonly repeats?: number;
  readonly checkMemory?: boolean;
  readonly html?: string;
}

const examples = `
Examples:
  repvgg profile A0      a net of the zoo, with fresh weights
  repvgg profile model.safetensors --html profile.html
  repvgg profile --zoo   our counts beside the paper's`;

export function profileCommand(): Command {
  return withOutputOptions(
    withSourceOptions(
      new Command("profile")
        .description(
          "Costs, time and memory of a net, layer by layer, in training form and folded side by side, against what this machine can do.",
        )
        .addHelpText("after", examples)
        .argument("[net]", `file, or a name: ${variantNames.join(", ")}`)
        .optionsGroup("What:")
        .option("--zoo", "instead of a net: the paper's table, our counts beside the paper's")
        .option("--batch <n>", "pictures a run (default: 1)", wholeNumber(1, 4096))
        .option(
          "--fuse-batch-norm",
          "let the planner fuse BatchNorm in the training form too (default: it stays, as in training)",
        )
        .option(
          "--check-memory",
          "also run every form in processes of their own, and compare the plan with what they used",
        )
        .optionsGroup("Process:")
        .option("--threads <n>", "threads that compute (default: one a core)", wholeNumber(1, 64))
        .option("--kernels <list>", `of ${backendKinds.join(", ")} (default: all that there are)`, words)
        .option("--repeats <n>", "times that every step is run (default: 9)", wholeNumber(1, 1000))
        .optionsGroup("Output:")
        .addOption(htmlOption()),
    ),
  ).action(run);
}

async function run(name: string | undefined, options: Options): Promise<void> {
  const terminal = new Terminal(options);
  if (options.zoo) return zoo(name, options, terminal);
  if (name === undefined) {
    throw new UserError({
      expected: "a net to profile",
      received: "none",
      remedy: "name a file or a net, or give --zoo",
    });
  }
  const net = await netToTime(name, { ...options, form: "train" });
  const kernels = options.kernels && kindsOf(options.kernels);
  const { batch, threads, repeats, fuseBatchNorm, checkMemory } = options;
  const result = await profile(net, {
    name,
    ...(kernels && { kernels }),
    ...(batch !== undefined && { batch }),
    ...(threads !== undefined && { threads }),
    ...(repeats !== undefined && { repeats }),
    ...(fuseBatchNorm && { fuseBatchNorm }),
    ...(checkMemory && { checkMemory }),
    ...(options.inputSize && { inputSize: options.inputSize }),
    onPart: terminal.counting("profile", "part"),
  });
  if (options.html !== undefined) await writeReport(options.html, profileReport(result, [`repvgg profile ${name}`]));
  terminal.result({ ...result, ...(options.html !== undefined && { html: options.html }) }, () =>
    text(result, terminal).join("\n"),
  );
}

function text(result: Profile, terminal: Terminal): string[] {
  const table = ({ head, rows }: TextTable): string => terminal.table(head, rows);
  const { machine, backends, memory, used = [] } = result;
  return [
    `${result.net}, input ${Object.values(result.shapes).map((shape) => shape.join("×"))}: ${backends[0]!.forms.map(({ form }) => form).join(" → ")}`,
    table(costsText(backends[0]!)),
    ...backends.flatMap((backend) => [
      "",
      `${backend.backend}, ${plural(backend.threads, "thread")}: peak ${shortNumber(backend.peaks.gigaflops)} GFLOP/s, reads ${shortNumber(backend.peaks.gigabytesPerSecond)} GB/s`,
      table(timesText(backend)),
      backend.forms.map(({ form, run }) => `${form} ${shortNumber(run.median)} ms a run`).join(", "),
    ]),
    "",
    "activations alive, layer by layer:",
    ...memoryText(memory),
    ...(used.length > 0 ? ["", table(usedText(used))] : []),
    "",
    `of roof: of what the peaks allow; m: the memory's. ${machine.processor}, Node ${machine.node}.`,
  ];
}

function kindsOf(names: readonly string[]): readonly BackendKind[] {
  return names.map((name) => chosenFrom("kernels", name, backendKinds));
}

async function zoo(name: string | undefined, { html }: Options, terminal: Terminal): Promise<void> {
  if (name !== undefined) {
    throw new UserError({
      expected: "either a net or --zoo",
      received: `${name} and --zoo`,
      remedy: "leave one of them out",
    });
  }
  const models = profileZoo();
  if (html !== undefined) await writeReport(html, zooReport(models));
  terminal.result({ models, ...(html !== undefined && { html }) }, () =>
    [
      terminal.table(zooHead, models.map(zooCells)),
      "Plain form unless it says otherwise; squeeze-and-excitation not counted. The paper cuts parameters off after two decimals and rounds the rest.",
    ].join("\n"),
  );
}
