import { availableParallelism } from "node:os";
import { Command, Option } from "commander";
import { UserError } from "../core/errors.js";
import { type SourceOptions, withSourceOptions } from "../flags/exchange-options.js";
import { chosenFrom, number, wholeNumber, wholeNumbers, withOutputOptions, words } from "../flags/options.js";
import { writeFileAtomically } from "../formats/atomic-write.node.js";
import type { Form } from "../nn/architecture.js";
import { variantNames } from "../nn/zoo.js";
import { benchSvg } from "../report/bench-bars.js";
import { svgToPng } from "../report/png.node.js";
import { type BenchReport, bench } from "../studies/bench/bench.node.js";
import { ownEngine, ownEngines, ownKernels, peerNames } from "../studies/bench/engines/registry.node.js";
import { benchReport } from "../studies/bench/page.js";
import { benchHead, benchRows, describeNoise } from "../studies/bench/text.js";
import { plural } from "../terminal/format.js";
import { type OutputOptions, Terminal } from "../terminal/terminal.js";
import { htmlOption, writeReport } from "./html.js";
import { netToTime } from "./named-net.js";

interface Options extends OutputOptions, SourceOptions {
  readonly form?: Form;
  readonly threads?: readonly number[];
  readonly batch?: readonly number[];
  readonly kernels?: readonly string[];
  /** False where none are wanted, absent where all are. */
  readonly peers?: readonly string[] | false;
  readonly rounds?: number;
  readonly seconds?: number;
  readonly picture?: string;
  readonly html?: string;
}

const examples = `
Examples:
  repvgg bench A0 --threads 1,2   beside the other engines that are installed
  repvgg bench model.onnx A2 --batch 1,8 --no-peers`;

export function benchCommand(): Command {
  return withOutputOptions(
    withSourceOptions(
      new Command("bench")
        .description(
          "Time nets in this package and, through ONNX, in other engines that are installed. Each engine has a process of its own, all take turns, and none counts whose outputs differ.",
        )
        .addHelpText("after", examples)
        .argument("[nets...]", `files, or names: ${variantNames.join(", ")}`, ["A0"])
        .optionsGroup("Task:")
        .addOption(
          new Option("--form <form>", "plain folds files first (default: files as they are, names plain)").choices([
            "train",
            "plain",
          ]),
        )
        .option("--threads <list>", "numbers of threads (default: 1, and one a core)", wholeNumbers(1))
        .option("--batch <list>", "images at once (default: 1)", wholeNumbers(1))
        .optionsGroup("Engines:")
        .option("--kernels <list>", `of ${ownKernels.join(", ")} (default: all that there are)`, words)
        .option("--peers <list>", `of ${peerNames.join(", ")} (default: all that are installed)`, words)
        .option("--no-peers", "this package alone")
        .optionsGroup("Measurement:")
        .option("--rounds <n>", "turns of each engine (default: 5)", wholeNumber(1, 1000))
        .option("--seconds <x>", "of each turn (default: 0.5)", number(0, 600))
        .option("--picture <file>", "draw the times (.svg or .png)")
        .addOption(htmlOption()),
    ),
  ).action(run);
}

async function run(names: readonly string[], options: Options): Promise<void> {
  const terminal = new Terminal(options);
  const { rounds, seconds, picture, html, inputSize } = options;
  if (picture !== undefined && !/\.(svg|png)$/.test(picture)) {
    throw new UserError({
      expected: "--picture to end in .svg or .png",
      received: `"${picture}"`,
      remedy: "end the name in one of these",
    });
  }
  const engines = [...kernelsOf(options), ...peersOf(options)];
  const nets = await Promise.all(names.map(async (name) => ({ name, net: await netToTime(name, options) })));
  const report = await bench({
    ...{ nets, engines, threads: options.threads ?? [...new Set([1, availableParallelism()])] },
    batches: options.batch ?? [1],
    ...(rounds !== undefined && { rounds }),
    ...(seconds !== undefined && { seconds }),
    ...(inputSize !== undefined && { size: inputSize as [number, number] }),
    onTurn: terminal.counting("bench", "turn"),
  });
  if (picture !== undefined) await draw(report, picture);
  if (html !== undefined) await writeReport(html, benchReport(report, [`repvgg bench ${names.join(" ")}`]));
  terminal.result({ ...report, ...(picture !== undefined && { picture }), ...(html !== undefined && { html }) }, () => {
    const { processor, cores, node } = report.machine;
    return [
      terminal.table(benchHead, benchRows(report.results)),
      `${processor}, ${plural(cores, "core")}, Node ${node}. × ours: an engine's time as a multiple of ${engines[0]}'s.`,
      describeNoise(report.noise),
    ].join("\n");
  });
}

function kernelsOf({ kernels }: Options): readonly string[] {
  return kernels ? known("kernels", kernels, ownKernels).map(ownEngine) : ownEngines();
}

function peersOf({ peers }: Options): readonly string[] {
  if (peers === undefined) return peerNames;
  if (peers === false) return [];
  return known("peers", peers, peerNames);
}

function known(what: string, names: readonly string[], all: readonly string[]): readonly string[] {
  for (const name of names) chosenFrom(what, name, all);
  return names;
}

async function draw({ results, machine }: BenchReport, file: string): Promise<void> {
  const panels = results.map(({ model, threads, batch, engines }) => ({
    title: `${model}, ${plural(threads, "thread")}${batch > 1 ? `, batch ${batch}` : ""}`,
    bars: engines.flatMap(({ engine, times, agrees }) => (times && agrees ? [{ engine, ...times }] : [])),
  }));
  const svg = benchSvg(`Inference on ${machine.processor}, Node ${machine.node}`, panels);
  await writeFileAtomically(file, file.endsWith(".png") ? await svgToPng(svg) : svg);
}
