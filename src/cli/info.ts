import { existsSync } from "node:fs";
import { availableParallelism, cpus, totalmem } from "node:os";
import { Command } from "commander";
import { counts } from "../analysis/counts.js";
import { describeStatistics } from "../analysis/diagnosis/statistics.js";
import { netParameters } from "../api/net-parameters.js";
import { netWarnings } from "../api/net-warnings.js";
import { nativeAbsence } from "../backend/native/native-backend.js";
import { usingBackend } from "../backend/using-backend.node.js";
import { UserError } from "../core/errors.js";
import { describeLacking, type LackingOperator, lackingOperators } from "../engine/lacking.js";
import { type QuantizedLayers, quantizedLayers } from "../engine/quantized-layers.js";
import { type FileContents, inspectFile } from "../exchange/inspect.node.js";
import type { Net } from "../exchange/net.js";
import { inputShapes, signature } from "../exchange/net-inputs.js";
import { type SourceOptions, withSourceOptions } from "../flags/exchange-options.js";
import { withOutputOptions } from "../flags/options.js";
import type { Graph } from "../graph/graph.js";
import { describeBlock } from "../nn/blocks/describe.js";
import { blockDefinition, blockKinds } from "../nn/blocks/registry.js";
import { architecture } from "../nn/build-architecture.js";
import type { Model } from "../nn/model.js";
import { variantNames } from "../nn/zoo.js";
import { byteSize, plural, wholeCount } from "../terminal/format.js";
import { type OutputOptions, Terminal } from "../terminal/terminal.js";
import { loadNamed } from "./named-net.js";
import { describeSource } from "./net-facts.js";

interface Options extends OutputOptions, SourceOptions {
  readonly system?: boolean;
}

const examples = `
Examples:
  repvgg info              the whole zoo
  repvgg info A0
  repvgg info model.onnx   what is in it, and what the engine lacks of it
  repvgg info --system     which kernels run here, and why`;

export function infoCommand(): Command {
  return withOutputOptions(
    withSourceOptions(
      new Command("info")
        .description(
          "What a model file, checkpoint, ONNX graph or a net of the zoo is; without an argument, the whole zoo.",
        )
        .addHelpText("after", examples)
        .argument("[model]", `file, or a name: ${variantNames.join(", ")}`)
        .optionsGroup("What:")
        .option("--system", "the machine and the kernels that run on it"),
    ),
  ).action(run);
}

async function run(what: string | undefined, options: Options): Promise<void> {
  const terminal = new Terminal(options);
  if (options.system) return system(terminal);
  if (what === undefined) return zoo(terminal);
  if (!existsSync(what) && !/[./\\]/.test(what)) return variant(terminal, what);
  const net = await loadNamed(what, options).catch((error: unknown) => foreignFile(terminal, what, error));
  if (!net) return;
  if (net.model) modelFile(terminal, what, net, net.model);
  else graphFile(terminal, what, net);
}

async function system(terminal: Terminal): Promise<void> {
  await usingBackend({}, (backend) => {
    const facts = {
      node: process.version,
      platform: `${process.platform} ${process.arch}`,
      processor: cpus()[0]?.model.trim() ?? "unknown",
      cores: availableParallelism(),
      memoryBytes: totalmem(),
      backend: backend.name,
      nativeAbsent: nativeAbsence() ?? null,
      threads: backend.threads,
    };
    terminal.result(facts, () =>
      [
        `Node ${facts.node}, ${facts.platform}, ${facts.processor}, ${facts.cores} cores, ${byteSize(facts.memoryBytes)}`,
        `kernels: ${facts.backend}, ${facts.threads} threads`,
        ...(facts.nativeAbsent === null ? [] : [`no native kernels: ${facts.nativeAbsent}`]),
      ].join("\n"),
    );
  });
}

function zoo(terminal: Terminal): void {
  const rows = variantNames.map((name) => {
    const net = architecture(name);
    const size = net.inputChannels === 1 ? 28 : 224;
    return { name, size, ...pick(counts(net, size)) };
  });
  const blocks = blockKinds.map((kind) => ({ kind, description: blockDefinition(kind).description }));
  terminal.result({ models: rows, blocks }, () =>
    [
      terminal.table(
        ["model", "input", "parameters (train)", "(plain)", "MACs (plain)", "Winograd multiplications"],
        rows.map((r) => [
          r.name,
          r.size,
          ...[r.parameters.train, r.parameters.plain, r.macs.plain, r.winogradMultiplications].map(wholeCount),
        ]),
      ),
      "Kinds of blocks that a net can be trained with (train --block):",
      ...blocks.map(({ kind, description }) => `  ${kind.padEnd(20)} ${description}`),
    ].join("\n"),
  );
}

function variant(terminal: Terminal, name: string): void {
  const net = architecture(name);
  const size = net.inputChannels === 1 ? 28 : 224;
  const total = counts(net, size);
  terminal.result({ architecture: net, inputSize: size, ...total }, () =>
    [
      `${net.name} at ${size}×${size}: ${wholeCount(total.parameters.train)} parameters in training form, ${wholeCount(total.parameters.plain)} plain`,
      terminal.table(
        ["layer", "channels", "stride", "groups", "output", "parameters (plain)", "MACs (plain)"],
        total.layers.map((l) => [
          l.path,
          `${l.inChannels} → ${l.outChannels}`,
          l.stride,
          l.groups,
          l.outputSize.join("×"),
          wholeCount(l.parameters.plain),
          wholeCount(l.macs.plain),
        ]),
      ),
    ].join("\n"),
  );
}

function modelFile(terminal: Terminal, path: string, net: Net, model: Model): void {
  const { architecture, form, metadata } = model;
  const { preprocessing } = metadata;
  const macs = counts(architecture, preprocessing.size).macs[form];
  const parameters = netParameters(net);
  const warnings = netWarnings(net);
  terminal.result({ file: path, form, architecture, parameters, macs, ...metadata, source: net.source, warnings }, () =>
    [
      describeSource(path, net),
      `${wholeCount(parameters)} parameters, ${wholeCount(macs)} MACs a picture`,
      ...(form === "train" ? [`blocks: ${architecture.block.kind}: ${describeBlock(architecture.block)}`] : []),
      `stages: depths ${architecture.depths.join(", ")}; widths ${architecture.widths.join(", ")}; strides ${architecture.strides.join(", ")}`,
      `input: ${preprocessing.size.join("×")}×${preprocessing.channels}, mean ${preprocessing.mean.join(", ")}, std ${preprocessing.std.join(", ")}`,
      `classes (${metadata.classNames.length}): ${metadata.classNames.slice(0, 20).join(", ")}${metadata.classNames.length > 20 ? ", …" : ""}`,
      ...Object.entries(metadata.provenance).map(([key, value]) => `${key}: ${value}`),
      ...describeStatistics(warnings).map((line) => `! ${line}`),
    ].join("\n"),
  );
}

/**
 * What the engine lacks of a net, at the sizes of its inputs or, where they are open, at some at which its operands fit: chains of shapes are constants
 * then. Why that cannot be told, where operands do not fit.
 */
function lackingIn(net: Net): readonly LackingOperator[] | string {
  try {
    return lackingOperators({ ...net.graph, inputs: sizedInputs(net) });
  } catch (error) {
    if (error instanceof UserError) return error.message;
    throw error;
  }
}

function sizedInputs(net: Net): Graph["inputs"] {
  try {
    const shapes = inputShapes(net, 1);
    return net.graph.inputs.map((input) => ({ ...input, shape: shapes[input.name] ?? input.shape }));
  } catch (error) {
    if (error instanceof UserError) return net.graph.inputs; // no images
    throw error;
  }
}

function describeRunning(lacking: readonly LackingOperator[] | string): string {
  if (typeof lacking === "string") return `! the net cannot be run: ${lacking}`;
  if (lacking.length === 0) return "the engine has all its operators";
  return `! the engine lacks ${lacking.map(describeLacking).join(", ")}`;
}

/** Of a quantized net: which layers run in integers; undefined for others, and where that depends on more than the file. */
function quantizedIn({ graph, ...net }: Net): QuantizedLayers | undefined {
  try {
    return quantizedLayers(graph, inputShapes({ graph, ...net }, 1));
  } catch (error) {
    if (error instanceof UserError) return undefined;
    throw error;
  }
}

function describeQuantized({ inIntegers, inFloat }: QuantizedLayers): string[] {
  const layers = inIntegers + inFloat.length;
  return [
    `quantized: ${inIntegers} of ${plural(layers, "layer")} run in integers`,
    ...inFloat.map(({ name, op, reason }) => `! ${op} "${name}" runs in float32: ${reason}`),
  ];
}

function graphFile(terminal: Terminal, path: string, net: Net): void {
  const { graph, source } = net;
  const operators: Record<string, number> = {};
  for (const { op } of graph.nodes) operators[op] = (operators[op] ?? 0) + 1;
  const parameters = netParameters(net);
  const { inputs, outputs, nodes } = graph;
  const warnings = netWarnings(net);
  const lacking = lackingIn(net);
  const quantized = quantizedIn(net);
  const facts = {
    ...{ file: path, source, parameters, inputs, outputs, nodes: nodes.length, operators, warnings, lacking },
    ...(quantized && { quantized }),
  };
  terminal.result(facts, () => {
    const inOrder = Object.entries(operators).sort(([, a], [, b]) => b - a);
    return [
      describeSource(path, net),
      `${plural(nodes.length, "node")}, ${wholeCount(parameters)} parameters and other constants`,
      signature(graph),
      inOrder.map(([op, count]) => `${count} ${op}`).join(", "),
      describeRunning(lacking),
      ...(quantized ? describeQuantized(quantized) : []),
      ...describeStatistics(warnings).map((line) => `! ${line}`),
    ].join("\n");
  });
}

/** Tensors that are named one by one. */
const shownTensors = 8;

/**
 * What is in a file of weights that are no net of ours, and why they are not.
 * @throws the error, where the file cannot be read at all.
 */
async function foreignFile(terminal: Terminal, path: string, error: unknown): Promise<undefined> {
  if (!(error instanceof UserError)) throw error;
  const contents = await inspectFile(path).catch(() => undefined);
  if (!contents) throw error;
  const reason = error.message;
  terminal.result({ file: path, source: null, ...contents, reason }, () =>
    [...describeContents(path, contents), `no net that this package reads by its weights: ${reason}`].join("\n"),
  );
}

function describeContents(path: string, { format, weights }: FileContents): string[] {
  const title = `${path}: ${format === "torch" ? "PyTorch checkpoint" : "safetensors"}`;
  if (weights.length === 0) return [`${title} without tensors by name`];
  return weights.flatMap(({ path: place, module, numbers, tensors }) => {
    const types = [...new Set(tensors.map(({ type }) => type))].join(", ");
    const where = place === "" ? "" : `, under ${place}`;
    const names = tensors.slice(0, shownTensors).map(({ name, shape }) => `  ${name} [${shape.join(", ")}]`);
    const more = tensors.length > shownTensors ? [`  and ${tensors.length - shownTensors} more`] : [];
    return [
      `${title}${where}${module ? `, a module ${module}` : ""}: ${plural(tensors.length, "tensor")}, ${wholeCount(numbers)} numbers (${types})`,
      ...names,
      ...more,
    ];
  });
}

function pick(total: ReturnType<typeof counts>) {
  const { parameters, macs, winogradMultiplications } = total;
  return { parameters, macs, winogradMultiplications };
}
