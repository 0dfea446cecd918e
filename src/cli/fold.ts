import { Command, Option } from "commander";
import { describeStatistics } from "../analysis/diagnosis/statistics.js";
import { netParameters } from "../api/net-parameters.js";
import { netWarnings } from "../api/net-warnings.js";
import { type RecalibrationEffect, recalibrate, recalibrationEffect } from "../api/recalibrate.node.js";
import { UserError } from "../core/errors.js";
import { lostInContainer } from "../exchange/encode-net.js";
import { foldNet } from "../exchange/fold-net.js";
import { isConstant } from "../exchange/graph-ends.js";
import { type Net, netOf } from "../exchange/net.js";
import { outputFormat, saveNet } from "../exchange/save-net.node.js";
import { precisionOption, type SourceOptions, withSourceOptions } from "../flags/exchange-options.js";
import { type ComputeOptions, number, strictOption, withComputeOptions } from "../flags/options.js";
import { describeFold, type FoldReport } from "../fold/report.js";
import { percent, plural, shortNumber, wholeCount } from "../terminal/format.js";
import { Terminal } from "../terminal/terminal.js";
import { type FoldVerification, foldVerified } from "../verify/fold-verified.node.js";
import { explainFold } from "./fold-explanation.js";
import { withNamed } from "./named-net.js";
import { describeSource } from "./net-facts.js";
import { checkNotSource, checkReplaceable, forceOption, type OverwritingOptions } from "./overwriting.js";

interface Options extends ComputeOptions, SourceOptions, OverwritingOptions {
  readonly output?: string;
  readonly maxCost?: number;
  readonly precision?: "f32" | "f16";
  readonly report?: boolean;
  readonly explain?: boolean;
  readonly verify: boolean;
  readonly recalibrate?: string;
  readonly strict?: boolean;
}

const examples = `
Examples:
  repvgg fold runs/pictures-nano/model.safetensors -o plain.safetensors
  repvgg fold model.onnx -o folded.onnx                        any linear multi-branch graph
  repvgg fold RepVGG-A0-train.pth -o a0.onnx --precision f16   half the bytes
  repvgg fold model.onnx --explain                             why each node folds or stays; nothing is written

Exit code 2, and nothing is written: a region or an output differs by more than rounding explains.`;

export function foldCommand(): Command {
  return withComputeOptions(
    withSourceOptions(
      new Command("fold")
        .description(
          "Fold every linear multi-branch part of a net into one convolution, with proof that the outputs stay the same.",
        )
        .addHelpText("after", examples)
        .argument("<net>", "model file, PyTorch checkpoint, safetensors or ONNX")
        .optionsGroup("Fold:")
        .option(
          "-o, --output <file>",
          "where the folded net goes (.safetensors, .pth or .onnx); may be left out with --explain",
        )
        .addOption(forceOption())
        .addOption(precisionOption())
        .addOption(
          new Option(
            "--max-cost <x>",
            "fold a region if it costs at most this many times what it cost before (default: 1)",
          ).argParser(number(0)),
        )
        .option("--report", "list every region that folded, and every node that did not, with the reason")
        .option("--explain", "trace every region node by node, and say what can be done about nodes that stay")
        .option("--no-verify", "do not prove that the outputs stay the same")
        .option(
          "--recalibrate <data>",
          "first re-estimate the BatchNorm statistics over these (training) pictures; says what it does to the accuracy on their test split",
        )
        .addOption(strictOption()),
    ),
  ).action(run);
}

async function run(path: string, options: Options): Promise<void> {
  const terminal = new Terminal(options);
  if (options.output !== undefined) {
    outputFormat(options.output);
    await checkNotSource(options.output, [path], options);
  } else if (!options.explain) {
    throw new UserError({ expected: "--output <file>", received: "nothing", remedy: "see repvgg fold --help" });
  }
  await withNamed(path, options, (net) => foldTo(path, net, options, terminal));
}

async function foldTo(path: string, loaded: Net, options: Options, terminal: Terminal): Promise<void> {
  if (loaded.source.notes.length > 0) terminal.say(describeSource(path, loaded));
  const { net, effect } =
    options.recalibrate === undefined
      ? { net: loaded, effect: undefined }
      : await recalibrated(loaded, options.recalibrate, options, terminal);
  const warnings = describeStatistics(netWarnings(net));
  for (const line of warnings) terminal.say(`! ${line}`);
  const worthChecking = options.verify && net.source.form !== "plain";
  const { maxCost, precision } = options;
  const result = worthChecking
    ? await foldVerified(net, { ...options, deferred: true })
    : { ...foldNet(net, { deferred: true, ...(maxCost !== undefined && { maxCost }) }), verification: null };
  const { net: folded, report, verification } = result;
  const { output } = options;
  if (report.regions.length === 0) {
    terminal.say(`${path} has nothing to fold${output === undefined ? "" : "; it is copied"}.`);
  }
  if (output !== undefined) {
    await checkReplaceable(output, folded, options);
    await saveNet(folded, output, precision === undefined ? {} : { precision });
    for (const line of lostInContainer(folded, outputFormat(output))) {
      warnings.push(line);
      terminal.say(`! ${line}`);
    }
  }
  const nodes = { before: net.graph.nodes.length, after: folded.graph.nodes.length };
  const parameters = { before: netParameters(net), after: netParameters(folded) };
  const recalibratedOn = net.model?.metadata.provenance["recalibratedOn"] ?? null;
  const facts = {
    output: output ?? null,
    source: loaded.source,
    nodes,
    parameters,
    recalibratedOn,
    recalibration: effect ?? null,
    warnings,
  };
  terminal.result({ ...facts, report, verification }, () => {
    const lines = [
      `${output ?? "not written (no --output)"}: ${nodes.before} nodes became ${nodes.after}, ${wholeCount(parameters.before)} parameters became ${wholeCount(parameters.after)}`,
      ...(options.report ? describeFold(report) : options.explain ? [] : [summary(report)]),
      ...(options.explain ? explainFold(report, verification?.regions) : []),
    ];
    if (options.recalibrate !== undefined) {
      const change = effect
        ? `: top-1 ${percent(effect.before)} before, ${percent(effect.after)} after, on ${plural(effect.images, "test picture")}`
        : "";
      lines.push(`BatchNorm statistics of ${recalibratedOn}${change}`);
    }
    if (verification) lines.push(...proofLines(verification, options.precision, isConstant(net.graph)));
    return lines.join("\n");
  });
}

/** What was run, what was proven by its parts, and what the run does not prove. */
function proofLines(verification: FoldVerification, precision: "f32" | "f16" | undefined, constant: boolean): string[] {
  const { samples, outputs, regions, changed, notRun, remarks } = verification;
  const halves = precision === "f16" || regions.some(({ storedAs }) => storedAs === "f16");
  const tolerance = halves ? " (float16 weights: up to 0.01 counts as the same)" : "";
  const largest = regions.reduce((most, { ofBound }) => Math.max(most, ofBound), 0);
  const inputs = plural(samples, "random input");
  const same = constant ? "the same constants (the net takes no inputs)" : `same outputs on ${inputs}`;
  const rest =
    changed === undefined ? "everything else is unchanged" : `the rest is compared by its outputs alone (${changed})`;
  return [
    ...(notRun === undefined && remarks.length === 0
      ? [`${same}: max |Δ| ${shortNumber(outputs.maxAbsolute)}, relative ${shortNumber(outputs.relative)}${tolerance}`]
      : []),
    ...(regions.length > 0
      ? [
          `proven region by region in float64: ${plural(regions.length, "region")}, differences at most ${shortNumber(largest)} of what rounding the weights explains; ${rest}`,
        ]
      : []),
    ...remarks.map((remark) => `! run as a whole on ${inputs}: ${remark}`),
    ...(notRun === undefined ? [] : [`not run as a whole: ${notRun}`]),
  ];
}

function summary({ regions, refusals }: FoldReport): string {
  const [before, after] = [
    regions.reduce((sum, r) => sum + r.macsBefore, 0),
    regions.reduce((sum, r) => sum + r.macsAfter, 0),
  ];
  const kept = refusals.length > 0 ? `; ${plural(refusals.length, "linear node")} stayed (--explain says why)` : "";
  const saved = before > 0 ? `, with ${shortNumber(after / before)} × their multiply-accumulates` : "";
  return `${plural(regions.length, "region")} folded into one convolution each${saved}${kept}`;
}

/** The net with new statistics, and what they did to its accuracy. */
async function recalibrated(
  net: Net,
  data: string,
  options: Options,
  terminal: Terminal,
): Promise<{ net: Net; effect: RecalibrationEffect | undefined }> {
  if (!net.model) {
    throw new UserError({
      expected: "a RepVGG to recalibrate",
      received: "another net",
      remedy: "fold it with the statistics that it has",
    });
  }
  const model = await recalibrate(net.model, data, { ...options, onImages: terminal.counting("recalibrate", "img") });
  const counting = { ...options, onImages: terminal.counting("eval", "img") };
  const effect = await recalibrationEffect(net.model, model, data, counting);
  return { net: { ...net, ...netOf(model), source: net.source }, effect };
}
