import { existsSync } from "node:fs";
import { availableParallelism, cpus, totalmem } from "node:os";
import { Command } from "commander";
import { counts } from "../analysis/counts.js";
import { usingBackend } from "../api/backend.node.js";
import { loadModel } from "../api/model-files.node.js";
import { architecture } from "../nn/build-architecture.js";
import type { Model } from "../nn/model.js";
import { variantNames } from "../nn/zoo.js";
import { byteSize, wholeCount } from "./format.js";
import { withOutputOptions } from "./options.js";
import { type OutputOptions, Terminal } from "./terminal.js";

interface Options extends OutputOptions {
  readonly system?: boolean;
}

export function infoCommand(): Command {
  return withOutputOptions(
    new Command("info")
      .summary("what a model file or a net of the zoo is")
      .description("What a model file or a net of the zoo is, layer by layer; without an argument, the whole zoo.")
      .argument("[model]", `model file, or a name: ${variantNames.join(", ")}`)
      .optionsGroup("What:")
      .option("--system", "the machine and the kernels that run on it"),
  ).action(run);
}

async function run(what: string | undefined, options: Options): Promise<void> {
  const terminal = new Terminal(options);
  if (options.system) return system(terminal);
  if (what === undefined) return zoo(terminal);
  if (!existsSync(what) && !/[./\\]/.test(what)) return variant(terminal, what);
  file(terminal, what, await loadModel(what));
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
      threads: backend.threads,
    };
    terminal.result(facts, () =>
      [
        `Node ${facts.node}, ${facts.platform}, ${facts.processor}, ${facts.cores} cores, ${byteSize(facts.memoryBytes)}`,
        `kernels: ${facts.backend}, ${facts.threads} threads`,
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
  terminal.result({ models: rows }, () =>
    terminal.table(
      ["model", "input", "parameters (train)", "(plain)", "MACs (plain)", "Winograd multiplications"],
      rows.map((r) => [
        r.name,
        r.size,
        ...[r.parameters.train, r.parameters.plain, r.macs.plain, r.winogradMultiplications].map(wholeCount),
      ]),
    ),
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

function file(terminal: Terminal, path: string, model: Model): void {
  const { architecture: net, form, metadata } = model;
  const { preprocessing } = metadata;
  const total = counts(net, preprocessing.size);
  const facts = {
    file: path,
    form,
    architecture: net,
    parameters: total.parameters[form],
    macs: total.macs[form],
    ...metadata,
  };
  terminal.result(facts, () =>
    [
      `${path}: RepVGG ${net.name}, ${form} form, ${wholeCount(facts.parameters)} parameters, ${wholeCount(facts.macs)} MACs a picture`,
      `stages: depths ${net.depths.join(", ")}; widths ${net.widths.join(", ")}; strides ${net.strides.join(", ")}`,
      `input: ${preprocessing.size.join("×")}×${preprocessing.channels}, mean ${preprocessing.mean.join(", ")}, std ${preprocessing.std.join(", ")}`,
      `classes (${metadata.classNames.length}): ${metadata.classNames.slice(0, 20).join(", ")}${metadata.classNames.length > 20 ? ", …" : ""}`,
      ...Object.entries(metadata.provenance).map(([key, value]) => `${key}: ${value}`),
    ].join("\n"),
  );
}

function pick(total: ReturnType<typeof counts>) {
  const { parameters, macs, winogradMultiplications } = total;
  return { parameters, macs, winogradMultiplications };
}
