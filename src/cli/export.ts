import { Command, Option } from "commander";
import { describeStatistics } from "../analysis/diagnosis/statistics.js";
import { netParameters } from "../api/net-parameters.js";
import { netWarnings } from "../api/net-warnings.js";
import { UserError } from "../core/errors.js";
import { withFeatures } from "../exchange/backbone.js";
import { lostInContainer } from "../exchange/encode-net.js";
import { parseScheme, type Scheme, schemes } from "../exchange/names/schemes.js";
import type { Net } from "../exchange/net.js";
import { statedFacts } from "../exchange/picture-input.js";
import { outputFormat, type SaveOptions, saveNet } from "../exchange/save-net.node.js";
import { withFacts } from "../exchange/with-facts.js";
import { precisionOption, type SourceOptions, withSourceOptions } from "../flags/exchange-options.js";
import { type ComputeOptions, wholeNumber, withComputeOptions, words } from "../flags/options.js";
import {
  askedPictures,
  type ClassOptions,
  type PreprocessingOptions,
  withPictureOptions,
} from "../flags/preprocessing-options.js";
import type { Form } from "../nn/architecture.js";
import { plural, wholeCount } from "../terminal/format.js";
import { Terminal } from "../terminal/terminal.js";
import { foldVerified } from "../verify/fold-verified.node.js";
import { loadNamed } from "./named-net.js";
import { describeSource } from "./net-facts.js";
import { checkNotSource, checkReplaceable, forceOption, type OverwritingOptions } from "./overwriting.js";

interface Options
  extends ComputeOptions,
    SourceOptions,
    OverwritingOptions,
    PreprocessingOptions,
    ClassOptions,
    Pick<SaveOptions, "precision" | "opset"> {
  readonly output: string;
  readonly scheme?: string;
  readonly form?: Form;
  readonly features?: readonly string[];
  readonly head: boolean;
}

const examples = `
Examples:
  repvgg export model.safetensors -o plain.onnx --form plain                                   for any ONNX runtime; batch and size stay open
  repvgg export model.safetensors -o official.pth                                              for torch.load(…, weights_only=True)
  repvgg export plain.safetensors -o backbone.onnx --features stage2,stage3,stage4 --no-head   for a detector`;

export function exportCommand(): Command {
  return withComputeOptions(
    withSourceOptions(
      withPictureOptions(
        new Command("export")
          .description("Write any net in another format, under other names, in another form, or without its head.")
          .addHelpText("after", examples)
          .argument("<net>", "model file, PyTorch checkpoint, safetensors or ONNX")
          .optionsGroup("Export:")
          .requiredOption("-o, --output <file>", "where it goes (.onnx, .pth or .safetensors)")
          .addOption(
            new Option("--form <form>", "plain folds it first (default: as it is)").choices(["train", "plain"]),
          )
          .option("--scheme <names>", `whose names the weights get: ${schemes.join(", ")} (default: the authors')`)
          .addOption(forceOption())
          .addOption(precisionOption())
          .option("--opset <n>", "ONNX operator set (default: 17)", wholeNumber(7, 22))
          .option("--features <list>", "ONNX: also return these inner values, as stage2,stage4", words)
          .option("--no-head", "ONNX: return the features only (default: the last stage)"),
      ),
    ),
  ).action(run);
}

async function run(path: string, options: Options): Promise<void> {
  const terminal = new Terminal(options);
  const format = outputFormat(options.output);
  const scheme = options.scheme === undefined ? undefined : parseScheme(options.scheme);
  const backbone = options.features !== undefined || !options.head;
  if (backbone && format !== "onnx") {
    throw new UserError({
      expected: "--features and --no-head only for .onnx",
      received: options.output,
      remedy: "name an output that ends in .onnx",
    });
  }
  await checkNotSource(options.output, [path], options);
  const asked = askedPictures(options);
  const loaded = withFacts(await loadNamed(path, options), asked);
  if (loaded.source.notes.length > 0) terminal.say(describeSource(path, loaded));
  const whole = await inForm(loaded, path, options);
  const net = backbone ? withoutModel(whole, options) : whole;
  await checkReplaceable(options.output, net, options);
  await saveNet(net, options.output, saveOptions(options, scheme));
  const warnings = [...describeStatistics(netWarnings(net)), ...lostInContainer(net, format)];
  for (const line of warnings) terminal.say(`! ${line}`);
  const facts = {
    output: options.output,
    source: loaded.source,
    warnings,
    form: net.source.form ?? null,
    nodes: net.graph.nodes.length,
    parameters: netParameters(net),
    inputs: net.graph.inputs,
    outputs: net.graph.outputs,
  };
  terminal.result(facts, () => {
    const outputs = facts.outputs.map(({ name, shape }) => `${name} [${shape?.join(", ") ?? "?"}]`).join(", ");
    return `${options.output}: ${plural(facts.nodes, "node")}, ${wholeCount(facts.parameters)} parameters → ${outputs}`;
  });
}

async function inForm(net: Net, path: string, { form, ...options }: Options): Promise<Net> {
  if (form === undefined || form === net.source.form) return net;
  if (form === "plain") return (await foldVerified(net, options)).net;
  throw new UserError({
    expected: "a net in training form",
    received: `${path}, ${net.source.form ? "in plain form" : "a graph of unknown form"}`,
    remedy: "branches cannot be got back from a folded net",
  });
}

/** The net as a graph that returns inner values. */
function withoutModel(net: Net, { features, head }: Options): Net {
  const { graph, model, envelope, source, rest } = net;
  const names = features ?? [lastStage(graph, model !== undefined)];
  const { preprocessing, classNames } = statedFacts(net);
  return {
    ...{ graph: withFeatures(graph, names, { head }), source },
    stated: { preprocessing, ...(head && classNames && { classNames }) },
    ...(envelope && { envelope }),
    ...(rest && { rest }),
  };
}

function lastStage(graph: Net["graph"], known: boolean): string {
  const stages = graph.nodes.flatMap(({ outputs }) => outputs).filter((name) => /^stage\d+$/.test(name));
  if (known && stages.length > 0) return stages.at(-1)!;
  throw new UserError({
    expected: "--features beside --no-head",
    received: "none",
    remedy: "name values of the graph",
  });
}

function saveOptions({ precision, opset }: Options, scheme: Scheme | undefined): SaveOptions {
  return {
    ...(scheme !== undefined && { scheme }),
    ...(precision !== undefined && { precision }),
    ...(opset !== undefined && { opset }),
  };
}
