import { Command } from "commander";
import { blockKernels } from "../analysis/block-kernels.js";
import { describeFindings, type Finding } from "../analysis/diagnosis/finding.js";
import { preprocessingFinding } from "../analysis/diagnosis/structure.js";
import { type Verification, verify } from "../api/verify.node.js";
import { UserError, VerificationError } from "../core/errors.js";
import { foldNet } from "../exchange/fold-net.js";
import { isConstant } from "../exchange/graph-ends.js";
import type { Net } from "../exchange/net.js";
import { type SourceOptions, withSourceOptions } from "../flags/exchange-options.js";
import { type ComputeOptions, number, strictOption, wholeNumber, withComputeOptions } from "../flags/options.js";
import {
  askedPreprocessing,
  type PreprocessingOptions,
  withPreprocessingOptions,
} from "../flags/preprocessing-options.js";
import { verifyReport } from "../report/pages/verify-page.js";
import { plural, shortNumber } from "../terminal/format.js";
import { Terminal } from "../terminal/terminal.js";
import { describeOutput } from "../verify/comparison/describe-output.js";
import { type DiagnosisContext, diagnose } from "../verify/diagnose.js";
import { IncomparableError } from "../verify/incomparable.js";
import { htmlOption, writeReport } from "./html.js";
import { loadNamed } from "./named-net.js";
import { describeSource } from "./net-facts.js";

interface Options extends ComputeOptions, SourceOptions, PreprocessingOptions {
  readonly data?: string;
  readonly images?: number;
  readonly seed?: number;
  readonly threshold?: number;
  readonly strict?: boolean;
  readonly html?: string;
}

const examples = `
Examples:
  repvgg verify model.safetensors   against its own fold
  repvgg verify model.onnx folded.onnx
  repvgg verify model.pth plain.safetensors --data path/to/pictures

Exit code 2: the nets differ, cannot be compared, or nothing was proven.`;

export function verifyCommand(): Command {
  return withComputeOptions(
    withSourceOptions(
      withPreprocessingOptions(
        new Command("verify")
          .description(
            "Compare two nets of any format, or a net and its fold, value by value, and say where they part.",
          )
          .addHelpText("after", examples)
          .argument("<reference>", "model file, PyTorch checkpoint, safetensors or ONNX")
          .argument("[candidate]", "another such file; left out: the reference's own folded form")
          .optionsGroup("Comparison:")
          .option("--data <data>", "compare on real pictures (default: random inputs)")
          .addOption(strictOption())
          .option("--images <n>", "how many to compare on (default: all pictures, or 64 random inputs)", wholeNumber(1))
          .option("--seed <n>", "of the random inputs (default: 0)", wholeNumber(0))
          .option(
            "--threshold <x>",
            "relative error, of each output and channel, from which outputs count as different (default: 1e-4, and no more than the reference's own rounding)",
            number(0),
          )
          .optionsGroup("Output:")
          .addOption(htmlOption()),
      ),
    ),
  ).action(run);
}

async function run(referencePath: string, candidatePath: string | undefined, options: Options): Promise<void> {
  const terminal = new Terminal(options);
  const asked = { preprocessing: askedPreprocessing(options) };
  if (options.data === undefined && Object.keys(asked.preprocessing).length > 0) {
    throw new UserError({
      expected: "--data with --size, --crop, --crop-ratio, --mean and --std",
      received: "no --data",
      remedy: "name a data set by --data, or leave them out",
    });
  }
  const reference = await loadNamed(referencePath, { ...options, ...asked });
  const { key: _, ...keyless } = options; // one checkpoint may keep its weights elsewhere than the other
  const candidate =
    candidatePath === undefined
      ? ownFold(reference, referencePath)
      : await loadNamed(candidatePath, { ...keyless, ...asked });
  sayAssumptions(terminal, [referencePath, reference], [candidatePath ?? referencePath, candidate]);
  const result = await compared(reference, candidate, options, terminal);
  const { samples, outputs, byOutput, top1Disagreements, verdict, agree, values, firstParted } = result;
  const known = knownModels(reference, candidate);
  const findings = verdict === "different" ? diagnose(reference.graph, candidate.graph, result, known) : remarks(known);
  const { html, threshold = 1e-4, data } = options;
  if (html !== undefined) {
    const report = verifyReport(
      {
        ...{ reference: referencePath, candidate: candidatePath ?? "its own fold", result, threshold, findings },
        kernels: reference.model ? blockKernels(reference.model, candidate.model) : [],
        pictures: data !== undefined,
      },
      [["repvgg verify", referencePath, candidatePath].filter(Boolean).join(" ")],
    );
    await writeReport(html, report);
  }
  terminal.result(
    {
      sources: { reference: reference.source, candidate: candidate.source },
      ...result,
      findings,
      worstSample: result.worstSample ?? null,
      firstParted: firstParted ?? null,
      ...(html !== undefined && { html }),
    },
    () =>
      [
        terminal.table(
          ["value", "max |Δ|", "mean |Δ|", "relative"],
          values.map(({ name, parted, maxAbsolute, meanAbsolute, relative }) => [
            parted ? `${name} ✗` : name,
            ...[maxAbsolute, meanAbsolute, relative].map(shortNumber),
          ]),
        ),
        ...(byOutput.length > 1 || !agree
          ? [
              terminal.table(
                ["output", "max |Δ|", "relative", "channel", "verdict"],
                byOutput.map(({ name, maxAbsolute, relative, worst, verdict }) => [
                  name,
                  ...[maxAbsolute, relative].map(shortNumber),
                  worst ? `${worst.index}` : "",
                  verdict,
                ]),
              ),
            ]
          : []),
        `${isConstant(reference.graph) ? "the net takes no inputs" : plural(samples, data === undefined ? "random input" : "picture")}: max |Δlogit| ${shortNumber(outputs.maxAbsolute)}, relative ${shortNumber(outputs.relative)}, top-1 differs on ${top1Disagreements}`,
        ...describeFindings(findings).map((line) => `${verdict === "different" ? "✗" : "!"} ${line}`),
      ].join("\n"),
  );
  if (agree) return;
  const bad = byOutput.filter((output) => output.verdict === (verdict === "different" ? "different" : output.verdict));
  const received = bad.flatMap((output) => describeOutput(output) ?? []).join("; ");
  if (verdict === "unproven") {
    throw new VerificationError({
      expected: "outputs whose comparison proves something",
      received,
      remedy: data === undefined ? "compare on real pictures (--data)" : "compare on other pictures",
    });
  }
  throw new VerificationError({
    expected: `outputs within ${threshold} of the reference`,
    received,
    remedy: firstParted ? `they part first at ${firstParted}` : "they part at the outputs only",
  });
}

/** What was assumed of weights by name decides what is compared. */
function sayAssumptions(terminal: Terminal, ...nets: readonly (readonly [path: string, net: Net])[]): void {
  const said = new Set<string>();
  for (const [path, net] of nets) {
    if (said.has(path) || net.source.scheme === undefined || net.source.notes.length === 0) continue;
    said.add(path);
    terminal.say(describeSource(path, net));
  }
}

/** Nets that cannot be compared have findings too, and no numbers. */
async function compared(reference: Net, candidate: Net, options: Options, terminal: Terminal): Promise<Verification> {
  try {
    return await verify(reference, candidate, {
      ...options,
      preprocessing: askedPreprocessing(options),
      onImages: terminal.counting("verify", "img"),
    });
  } catch (error) {
    if (terminal.json && error instanceof IncomparableError) {
      const nothing = {
        samples: 0,
        outputs: null,
        byOutput: [],
        verdict: "different",
        top1Disagreements: 0,
        worstSample: null,
        values: [],
        firstParted: null,
      };
      terminal.result({ ...nothing, agree: false, findings: error.findings }, () => "");
    }
    throw error;
  }
}

/** What is worth knowing of nets whose outputs agree on the same prepared input. */
function remarks({ reference, candidate }: DiagnosisContext): Finding[] {
  const finding = preprocessingFinding(reference?.metadata?.preprocessing, candidate?.metadata?.preprocessing);
  return finding ? [finding] : [];
}

function knownModels({ model: reference }: Net, { model: candidate }: Net): DiagnosisContext {
  return { ...(reference && { reference }), ...(candidate && { candidate }) };
}

function ownFold(net: Net, path: string): Net {
  if (net.source.form !== "plain") return foldNet(net).net;
  throw new UserError({
    expected: "a model in training form, or two models",
    received: `${path}, in plain form`,
    remedy: "name the model that it shall be compared with",
  });
}
