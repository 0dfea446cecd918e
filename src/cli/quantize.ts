import { basename } from "node:path";
import { Command, Option } from "commander";
import { type QuantizationReport, quantize } from "../api/quantize.node.js";
import { UserError } from "../core/errors.js";
import { outputFormat, saveNet } from "../exchange/save-net.node.js";
import { epsilonOf, epsilonOption } from "../flags/exchange-options.js";
import { type ComputeOptions, strictOption, wholeNumber, withComputeOptions, words } from "../flags/options.js";
import {
  askedPictures,
  type ClassOptions,
  type PreprocessingOptions,
  withPictureOptions,
} from "../flags/preprocessing-options.js";
import { quantizationReportPage } from "../quantize/page.js";
import { rangeMethods } from "../quantize/ranges.js";
import { layersTable, lossSentence, type QuantizationTable, stepsTable } from "../quantize/text.js";
import { byteSize } from "../terminal/format.js";
import { Terminal } from "../terminal/terminal.js";
import { htmlOption, writeReport } from "./html.js";
import { loadNamed } from "./named-net.js";
import { describeSource } from "./net-facts.js";
import { checkNotSource, forceOption, type OverwritingOptions } from "./overwriting.js";

interface Options extends ComputeOptions, PreprocessingOptions, ClassOptions, OverwritingOptions {
  readonly output?: string;
  readonly data?: string;
  readonly pictures?: number;
  readonly bits?: number;
  readonly perTensor?: boolean;
  readonly weightsOnly?: boolean;
  readonly ranges?: (typeof rangeMethods)[number];
  readonly equalize?: "weights" | "activations" | "none";
  readonly rounding?: "adaptive" | "nearest";
  readonly keepFloat?: string[];
  readonly allIntegers?: boolean;
  readonly explain?: boolean;
  readonly html?: string;
  readonly strict?: boolean;
  readonly batchNormEpsilon?: number;
}

const examples = `
Examples:
  repvgg quantize plain.safetensors --data path/to/pictures -o int8.onnx                 for any runtime that knows QDQ
  repvgg quantize model.onnx --data path/to/pictures -o int8.safetensors --html why.html
  repvgg quantize train.safetensors -o int8.onnx                                         no pictures: by BatchNorm's statistics
  repvgg quantize plain.safetensors --data path/to/pictures --weights-only --bits 4 -o small.safetensors
  repvgg quantize plain.safetensors --data path/to/pictures --explain                    which layer costs what; nothing is written`;

export function quantizeCommand(): Command {
  return withComputeOptions(
    withPictureOptions(
      new Command("quantize")
        .description(
          "Make integers of a net: weights with a scale an output channel, activations uint8, without losing accuracy; with pictures, or by BatchNorm's statistics.",
        )
        .addHelpText("after", examples)
        .argument(
          "<net>",
          "model file in either form, PyTorch checkpoint, safetensors or ONNX; branches are folded first",
        )
        .optionsGroup("Quantize:")
        .option("-o, --output <file>", "where the net goes (.onnx or .safetensors); may be left out with --explain")
        .addOption(forceOption())
        .option(
          "--data <data>",
          'pictures to calibrate on: folder (its training split where it has one) or known name as "fashion-mnist-subset"',
        )
        .option("--pictures <n>", "of them, spread evenly (default: 500)", wholeNumber(10, 500))
        .option(
          "--bits <n>",
          "of the weights; 4 and fewer lie two in a byte in .safetensors (default: 8)",
          wholeNumber(2, 8),
        )
        .option("--weights-only", "leave activations in float: a small file that any engine runs")
        .option("--explain", "what each layer meets and costs, alone too")
        .addOption(strictOption())
        .optionsGroup("Steps (default: chosen by what they do to the outputs):")
        .addOption(new Option("--ranges <how>", "of activations").choices(rangeMethods))
        .addOption(
          new Option("--equalize <what>", "cross-layer equalization").choices(["weights", "activations", "none"]),
        )
        .addOption(
          new Option("--rounding <how>", "of weights: by what layers give, or to the nearest").choices([
            "adaptive",
            "nearest",
          ]),
        )
        .option("--per-tensor", "one scale a layer's weights, not one an output channel")
        .option("--keep-float <layers>", "layers that stay in float: names, first, last", words)
        .option("--all-integers", "leave no layer in float, whatever it costs")
        .optionsGroup("Source:")
        .addOption(epsilonOption())
        .optionsGroup("Report:")
        .addOption(htmlOption()),
    ),
  ).action(run);
}

async function run(path: string, options: Options): Promise<void> {
  const terminal = new Terminal(options);
  const { output, explain, html } = options;
  if (output !== undefined) {
    if (outputFormat(output) === "torch") {
      throw new UserError({ expected: ".onnx or .safetensors for a quantized net", received: output });
    }
    await checkNotSource(output, [path], options);
  } else if (!explain) {
    throw new UserError({ expected: "--output <file>", received: "nothing", remedy: "see repvgg quantize --help" });
  }
  const asked = askedPictures(options);
  const net = await loadNamed(path, { ...epsilonOf(options), ...asked });
  if (net.source.notes.length > 0) terminal.say(describeSource(path, net));
  const {
    perTensor,
    allIntegers,
    data,
    pictures,
    bits,
    ranges,
    equalize,
    rounding,
    keepFloat,
    weightsOnly,
    threads,
    kernels,
    strict,
  } = options;
  const { net: quantized, report } = await quantize(net, {
    ...asked,
    ...(data !== undefined && { data }),
    ...(pictures !== undefined && { pictures }),
    ...(bits !== undefined && { bits }),
    ...(ranges && { ranges }),
    ...(equalize && { equalize }),
    ...(rounding && { rounding }),
    ...(keepFloat && { keepFloat }),
    ...(weightsOnly && { weightsOnly }),
    ...(perTensor && { perChannel: false }),
    ...(allIntegers && { mixedPrecision: false }),
    ...(threads !== undefined && { threads }),
    ...(kernels && { kernels }),
    ...(strict && { strict }),
    explain: explain === true,
    onStep: progress(terminal),
  });
  for (const file of report.skipped) terminal.saySkipped(file);
  for (const note of report.notes) terminal.say(note);
  if (output !== undefined) await saveNet(quantized, output);
  if (html !== undefined) {
    const page = quantizationReportPage(basename(path), report, [`repvgg quantize ${path}`]);
    await writeReport(html, page);
  }
  terminal.result({ output: output ?? null, ...(html !== undefined && { html }), ...report }, () =>
    lines(terminal, report, output, explain === true).join("\n"),
  );
}

function lines(terminal: Terminal, report: QuantizationReport, output: string | undefined, explain: boolean): string[] {
  const table = ({ head, rows }: QuantizationTable): string => terminal.table(head, rows);
  const { steps, layers, causes, floatLayers, bytes, measured, floatTop1, pictures } = report;
  return [
    table(stepsTable(steps)),
    ...(explain ? [table(layersTable(layers)), ...causes.map(({ layer, text }) => `! ${layer}: ${text}`)] : []),
    ...floatLayers.map(({ name, reason }) => `${name} stays in float: ${reason}`),
    `${output ?? "not written (no --output)"}: weights ${byteSize(bytes.float)} → ${byteSize(bytes.quantized)}; ${lossSentence(measured, floatTop1, pictures)}`,
  ];
}

/** A bar for each step that has parts. */
function progress(terminal: Terminal): (step: string, done: number, total: number) => void {
  let current = "";
  let bar: ((done: number, total: number) => void) | undefined;
  return (step, done, total) => {
    if (step !== current) [current, bar] = [step, total > 1 ? terminal.counting(step, "part") : undefined];
    bar?.(Math.min(done, total), total);
  };
}
