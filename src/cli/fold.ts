import { Command } from "commander";
import { counts } from "../analysis/counts.js";
import { fold } from "../api/fold.js";
import { checkModelPath, loadModel, saveModel } from "../api/model-files.node.js";
import { recalibrate } from "../api/recalibrate.node.js";
import { verify } from "../api/verify.node.js";
import { VerificationError } from "../core/errors.js";
import { toGraph } from "../nn/to-graph.js";
import { shortNumber, wholeCount } from "./format.js";
import { type ComputeOptions, strictOption, withComputeOptions } from "./options.js";
import { Terminal } from "./terminal.js";

interface Options extends ComputeOptions {
  readonly output: string;
  readonly verify: boolean;
  readonly recalibrate?: string;
  readonly strict?: boolean;
}

/** Random inputs on which both forms are compared. */
const samples = 16;

export function foldCommand(): Command {
  return withComputeOptions(
    new Command("fold")
      .summary("fold a trained net into its plain form")
      .description("Fold a training-form model into the plain form, with proof that the outputs stay the same.")
      .argument("<model>", "model file in training form")
      .optionsGroup("Fold:")
      .requiredOption("-o, --output <file>", "where the plain model goes (.safetensors)")
      .option("--no-verify", "do not compare both forms on random inputs")
      .option("--recalibrate <data>", "first re-estimate the BatchNorm statistics over these (training) pictures")
      .addOption(strictOption()),
  ).action(run);
}

async function run(path: string, options: Options): Promise<void> {
  const terminal = new Terminal(options);
  checkModelPath(options.output);
  const loaded = await loadModel(path);
  const model =
    options.recalibrate === undefined
      ? loaded
      : await recalibrate(loaded, options.recalibrate, {
          ...options,
          onImages: terminal.counting("recalibrate", "img"),
        });
  const plain = fold(model);
  if (plain === model) terminal.say(`${path} is in plain form already; it is copied.`);
  const check = options.verify && plain !== model ? await verify(model, plain, { ...options, images: samples }) : null;
  if (check && !check.agree) {
    throw new VerificationError({
      expected: "the folded net to give the same outputs",
      received: `a relative error of ${shortNumber(check.outputs.relative)}${check.firstParted ? `, first at ${check.firstParted}` : ""}`,
      remedy: `nothing was written; look at both with: repvgg verify ${path}`,
    });
  }
  await saveModel(plain, options.output);
  const nodes = { before: toGraph(model).nodes.length, after: toGraph(plain).nodes.length };
  const { parameters: byForm } = counts(model.architecture, model.metadata.preprocessing.size);
  const parameters = { before: byForm[model.form], after: byForm.plain };
  const recalibratedOn = model.metadata.provenance["recalibratedOn"] ?? null;
  terminal.result({ output: options.output, nodes, parameters, recalibratedOn, verification: check }, () => {
    const lines = [
      `${options.output}: ${nodes.before} nodes became ${nodes.after}, ${wholeCount(parameters.before)} parameters became ${wholeCount(parameters.after)}`,
    ];
    if (options.recalibrate !== undefined) lines.push(`BatchNorm statistics of ${recalibratedOn}`);
    if (check) {
      lines.push(
        `same outputs on ${check.samples} random inputs: max |Δlogit| ${shortNumber(check.outputs.maxAbsolute)}, ${check.top1Disagreements} different answers`,
      );
    }
    return lines.join("\n");
  });
}
