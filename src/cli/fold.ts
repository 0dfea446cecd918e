import { Command } from "commander";
import { counts } from "../analysis/counts.js";
import { fold } from "../api/fold.js";
import { loadModel, saveModel } from "../api/model-files.node.js";
import { verify } from "../api/verify.node.js";
import { VerificationError } from "../core/errors.js";
import { toGraph } from "../nn/to-graph.js";
import { type ComputeOptions, withComputeOptions } from "./options.js";
import { shortNumber, Terminal } from "./terminal.js";

interface Options extends ComputeOptions {
  readonly output: string;
  readonly verify: boolean;
}

export function foldCommand(): Command {
  return withComputeOptions(
    new Command("fold")
      .description("fold a training-form model into the plain form, with proof that outputs stay the same")
      .argument("<model>", "model file in training form")
      .requiredOption("-o, --output <file>", "where the plain model goes (.safetensors)")
      .option("--no-verify", "do not compare both forms on random inputs"),
  ).action(run);
}

async function run(path: string, options: Options): Promise<void> {
  const terminal = new Terminal(options);
  const model = await loadModel(path);
  if (model.form === "plain") terminal.say(`${path} is in plain form already; it is copied.`);
  const plain = fold(model);
  const check = options.verify ? await verify(model, plain, { ...options, images: 16 }) : undefined;
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
  terminal.result({ output: options.output, nodes, parameters, verification: check ?? null }, () => {
    const lines = [
      `${options.output}: ${nodes.before} nodes became ${nodes.after}, ${parameters.before.toLocaleString("en")} parameters became ${parameters.after.toLocaleString("en")}`,
    ];
    if (check) {
      lines.push(
        `same outputs on ${check.samples} random inputs: max |Δlogit| ${shortNumber(check.outputs.maxAbsolute)}, ${check.top1Disagreements} different answers`,
      );
    }
    return lines.join("\n");
  });
}
