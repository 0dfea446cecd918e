import { Command } from "commander";
import { fold } from "../api/fold.js";
import { loadModel } from "../api/model-files.node.js";
import { verify } from "../api/verify.node.js";
import { VerificationError } from "../core/errors.js";
import { type ComputeOptions, number, wholeNumber, withComputeOptions } from "./options.js";
import { shortNumber, Terminal } from "./terminal.js";

interface Options extends ComputeOptions {
  readonly data?: string;
  readonly images?: number;
  readonly seed?: number;
  readonly threshold?: number;
}

export function verifyCommand(): Command {
  return withComputeOptions(
    new Command("verify")
      .description(
        "compare the outputs of two models, or of a training-form model and its fold, and say where they part",
      )
      .argument("<reference>", "model file")
      .argument("[candidate]", "another model file; left out: the reference's own folded form")
      .option("--data <data>", "compare on real pictures (default: random inputs)")
      .option("--images <n>", "how many inputs to compare on", wholeNumber(1))
      .option("--seed <n>", "of the random inputs", wholeNumber(0))
      .option("--threshold <x>", "relative error from which outputs count as different (default: 1e-4)", number(0)),
  ).action(run);
}

async function run(referencePath: string, candidatePath: string | undefined, options: Options): Promise<void> {
  const terminal = new Terminal(options);
  const reference = await loadModel(referencePath);
  const candidate = candidatePath === undefined ? fold(reference) : await loadModel(candidatePath);
  const result = await verify(reference, candidate, options);
  const inputs = options.data === undefined ? "random inputs" : "pictures";
  terminal.result(result, () =>
    [
      terminal.table(
        ["value", "max |Δ|", "mean |Δ|", "relative"],
        result.values.map((value) => [
          value.parted ? `${value.name} ✗` : value.name,
          shortNumber(value.maxAbsolute),
          shortNumber(value.meanAbsolute),
          shortNumber(value.relative),
        ]),
      ),
      `${result.samples} ${inputs}: max |Δlogit| ${shortNumber(result.outputs.maxAbsolute)}, relative ${shortNumber(result.outputs.relative)}, top-1 differs on ${result.top1Disagreements}`,
    ].join("\n"),
  );
  if (result.agree) return;
  throw new VerificationError({
    expected: `outputs within ${options.threshold ?? 1e-4} of the reference`,
    received: result.outputs.nonFinite
      ? `${result.outputs.nonFinite} outputs that are not finite numbers`
      : `a relative error of ${shortNumber(result.outputs.relative)}`,
    remedy: result.firstParted ? `they part first at ${result.firstParted}` : "they part at the outputs only",
  });
}
