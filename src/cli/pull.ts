import { basename } from "node:path";
import { Command } from "commander";
import { saveModel } from "../api/model-files.node.js";
import { netOf } from "../exchange/net.js";
import { outputFormat } from "../exchange/save-net.node.js";
import { epsilonOption } from "../flags/exchange-options.js";
import { withOutputOptions } from "../flags/options.js";
import { pull } from "../hub/pull.node.js";
import type { Model } from "../nn/model.js";
import { exitCodes } from "../terminal/exit-codes.js";
import { wholeCount } from "../terminal/format.js";
import { interruptible } from "../terminal/interrupt.js";
import { type OutputOptions, Terminal } from "../terminal/terminal.js";
import { checkReplaceable, forceOption, type OverwritingOptions } from "./overwriting.js";

interface Options extends OutputOptions, OverwritingOptions {
  readonly output?: string;
  readonly revision?: string;
  readonly offline?: boolean;
  readonly batchNormEpsilon?: number;
}

const examples = `
Examples:
  repvgg pull timm/repvgg_a0.rvgg_in1k                  needs @huggingface/hub beside this package
  repvgg pull owner/name:RepVGG-A0-train.pth -o a0.safetensors
  repvgg pull https://example.org/RepVGG-A0-train.pth   any address, without the hub`;

export function pullCommand(): Command {
  return withOutputOptions(
    new Command("pull")
      .description(
        "Get RepVGG weights from the Hugging Face hub (or a URL) and write them as a model file: structure from the weights, preprocessing and class names from the repository. Honours HF_ENDPOINT, HF_HOME and HF_TOKEN.",
      )
      .addHelpText("after", examples)
      .argument("<model>", "owner/name (timm/repvgg_a0.rvgg_in1k), owner/name:file, or the URL of a weights file")
      .optionsGroup("Pull:")
      .option(
        "-o, --output <file>",
        "where the model goes: .safetensors, .pth or .onnx (default: its name with .safetensors)",
      )
      .addOption(forceOption())
      .option("--revision <name>", "branch, tag or commit (default: main)")
      .addOption(epsilonOption())
      .option("--offline", "use what is in the cache, ask nobody"),
  ).action(run);
}

async function run(address: string, options: Options): Promise<void> {
  const terminal = new Terminal(options);
  if (options.output !== undefined) outputFormat(options.output);
  const pulled = await interruptible(
    terminal,
    (signal) =>
      pull(address, { ...options, signal, onBytes: bars(terminal) }).catch((error: unknown) => {
        if (signal.aborted) return undefined;
        throw error;
      }),
    "stopping …",
  );
  if (!pulled) {
    terminal.say("stopped; the same command goes on where it stopped");
    process.exitCode = exitCodes.interrupted;
    return;
  }
  const { model, remarks, path } = pulled;
  for (const remark of remarks) terminal.say(remark);
  const output = options.output ?? defaultOutput(model);
  await checkReplaceable(output, netOf(model), options);
  await saveModel(model, output);
  const { architecture, form, metadata } = model;
  const { preprocessing, provenance } = metadata;
  terminal.result({ output, cached: path, architecture, form, preprocessing, provenance, remarks }, () => {
    const [height, width] = preprocessing.size;
    const license = provenance["license"] ? `, licence ${provenance["license"]}` : "";
    return `${output}: RepVGG ${architecture.name}, ${form} form, ${wholeCount(architecture.classes)} classes, ${height}×${width}${license}`;
  });
}

/** A bar for each file. */
function bars(terminal: Terminal): (file: string, done: number, total: number) => void {
  const shown = new Map<string, (done: number, total: number) => void>();
  return (file, done, total) => {
    const show = shown.get(file) ?? terminal.counting(file, "MB");
    shown.set(file, show);
    show(megabytes(done), megabytes(total));
  };
}

function megabytes(bytes: number): number {
  return Math.round(bytes / 1e4) / 100;
}

/** Of timm/repvgg_a0.rvgg_in1k `repvgg_a0.rvgg_in1k.safetensors`, of a file elsewhere its own name. */
function defaultOutput({ metadata: { provenance } }: Model): string {
  const file = provenance["file"]!.replace(/\.\w+$/, "");
  return `${basename(provenance["repository"] ?? file)}.safetensors`;
}
