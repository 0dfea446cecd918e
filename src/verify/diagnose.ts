import { runInTrainingMode, type TrainingRun } from "../analysis/diagnosis/batch-statistics.js";
import { type BlockPair, blockView, pairBlocks } from "../analysis/diagnosis/blocks.js";
import { type Explanation, explain, partedKernels } from "../analysis/diagnosis/explain.js";
import { blockName, type Cause, digits, type Finding } from "../analysis/diagnosis/finding.js";
import { cosine, type KernelDistance } from "../analysis/diagnosis/kernel.js";
import { checkStatistics, describeStatistics } from "../analysis/diagnosis/statistics.js";
import {
  activationFinding,
  preprocessingFinding,
  shapeFinding,
  statisticsFinding,
  trainingModeFindings,
} from "../analysis/diagnosis/structure.js";
import type { NamedArrays } from "../core/named-arrays.js";
import type { Preprocessing } from "../core/preprocessing.js";
import type { Graph } from "../graph/graph.js";
import { isQuantized } from "../graph/quantization.js";
import type { Verification } from "./verify-models.js";

/** What a model file says beside its graph. A `Model` is one. */
export interface DiagnosedModel {
  readonly state?: NamedArrays;
  readonly metadata?: { readonly preprocessing?: Preprocessing };
}

export interface DiagnosisContext {
  readonly reference?: DiagnosedModel;
  readonly candidate?: DiagnosedModel;
  /** A batch on which the candidate was run, NCHW: allows to recognise statistics of the batch in kernels and outputs. */
  readonly batch?: {
    readonly input: { readonly shape: readonly number[]; readonly data: ArrayLike<number> };
    /** What the candidate gave for it (its first output). */
    readonly output?: ArrayLike<number>;
  };
}

/** So many blocks are searched in vain before the rest is taken to be unexplained too. */
const mostUnexplained = 3;

/**
 * The largest relative error of outputs that float32 explains in a net of so many layers: u = 2⁻²⁴ an operation; Winograd's
 * transforms and long sums amplify it (Barabasz et al., arXiv:1803.10986), for which 256 is allowed; errors of layers add up like
 * random ones, √layers. An allowance, not a theorem.
 */
export const roundingBound = (layers: number): number => 256 * 2 ** -24 * Math.sqrt(Math.max(1, layers));

/**
 * Why two graphs that ought to compute the same do not: findings, likeliest first; never empty. Every linear block of the
 * reference is folded in float64 and compared with the candidate's; where they part, known causes are applied to the reference's own
 * branches, and the one that leaves nothing of the difference is named.
 *
 * @param verification what was measured on the outputs, where they could be run
 * @throws UserError when a graph is not valid.
 */
export function diagnose(
  reference: Graph,
  candidate: Graph,
  verification: Verification | undefined,
  context: DiagnosisContext = {},
): Finding[] {
  if (isQuantized(reference) !== isQuantized(candidate)) return [quantizationFinding(reference, verification)];
  const [a, b] = [blockView(reference), blockView(candidate)];
  const { pairs, shapeBreak } = pairBlocks(a, b);
  const runs = trainingRuns(reference, candidate, context);
  const input = reference.inputs[0]?.name;
  const { explained, unexplained } = explainAll(pairs, input, (side) => runs[side]()?.statistics);
  const within = (verification?.outputs.relative ?? 0) <= roundingBound(pairs.length);
  const agree = within && (verification?.outputs.nonFinite ?? 0) === 0;

  const findings = [
    ...(shapeBreak ? [shapeFinding(shapeBreak, a, b)] : []),
    ...trainingModeFindings(reference, candidate),
    ...blockFindings(explained, pairs.length),
    ...optional(activationFinding(a, b, pairs.length)),
  ];
  const trained = findings.length === 0 && !agree ? outputFinding(context, runs.reference()) : undefined;
  findings.push(...optional(trained));
  // Where the outputs agree, a kernel that differs a little in a way we cannot name is rounding of somebody else's.
  if (unexplained.length > 0 && !(verification && agree)) findings.push(unexplainedBlocks(unexplained, pairs.length));
  else if (findings.length === 0 && !agree) findings.push(unexplainedOutputs(verification!, candidate, pairs.length));

  findings.push(
    ...optional(
      preprocessingFinding(context.reference?.metadata?.preprocessing, context.candidate?.metadata?.preprocessing),
    ),
  );
  if (findings.length === 0) findings.push(roundingFinding(verification, pairs.length));
  return [...findings, ...staleFindings(context)];
}

/** One of the nets is quantized: layers lie apart by its rounding, and where most of that comes from shows in the inner values. */
function quantizationFinding(reference: Graph, verification: Verification | undefined): Finding {
  const worst = verification?.values.reduce<Verification["values"][number] | undefined>(
    (most, value) => (most && most.relative >= value.relative ? most : value),
    undefined,
  );
  const side = isQuantized(reference) ? "reference" : "candidate";
  const layers = worst
    ? `; of the values that both compute, "${worst.candidateName}" is furthest off (relative ${digits(worst.relative)})`
    : "";
  return {
    cause: "quantization",
    where: worst?.name ?? "the whole net",
    blocks: [],
    evidence: `the ${side} computes in 8 bits and the other in real numbers${layers}`,
    remedy:
      "Compare their accuracy on pictures (repvgg eval); quantize the layer named above with other scales, or leave it in float32",
  };
}

const optional = <T>(value: T | undefined): T[] => (value === undefined ? [] : [value]);

/** The graphs in training mode on the context's batch, run once and only when asked for. */
function trainingRuns(
  reference: Graph,
  candidate: Graph,
  { batch }: DiagnosisContext,
): Record<"reference" | "candidate", () => TrainingRun | undefined> {
  const once = (graph: Graph): (() => TrainingRun | undefined) => {
    let run: { result: TrainingRun | undefined } | undefined;
    return () => {
      run ??= { result: batch && runInTrainingMode(graph, batch.input) };
      return run.result;
    };
  };
  return { reference: once(reference), candidate: once(candidate) };
}

interface ExplainedBlock extends Explanation {
  readonly block: string;
}

interface UnexplainedBlock {
  readonly block: string;
  readonly before: KernelDistance;
  readonly cosine: number;
  /** In the reference and in the candidate. */
  readonly groups: readonly [reference: number, candidate: number];
}

/** Block after block, so that only one block's kernels are in memory. */
function explainAll(
  pairs: readonly BlockPair[],
  input: string | undefined,
  batchStatistics: (side: "reference" | "candidate") => TrainingRun["statistics"] | undefined,
): { explained: ExplainedBlock[]; unexplained: UnexplainedBlock[] } {
  const explained: ExplainedBlock[] = [];
  const unexplained: UnexplainedBlock[] = [];
  for (const pair of pairs) {
    const parted = partedKernels(pair);
    if (!parted) continue;
    const block = blockName(pair.reference.name);
    const first = pair.reference.source === input;
    const found = explained.map(({ guess }) => guess);
    const explanations = unexplained.length < mostUnexplained ? explain(parted, { first, found, batchStatistics }) : [];
    explained.push(...explanations.map((explanation) => ({ ...explanation, block })));
    if (explanations.length === 0) {
      const { kernels, before } = parted;
      const groups = [kernels.reference.groups, kernels.candidate.groups] as const;
      unexplained.push({ block, before, cosine: cosine(kernels.reference, kernels.candidate), groups });
    }
  }
  return { explained, unexplained };
}

/** Causes that are no mistakes come after those that are. */
const harmless: ReadonlySet<Cause> = new Set(["fp16-rounding", "bf16-rounding"]);

/** One finding for each cause: mistakes first, then by the number of blocks. */
function blockFindings(explained: readonly ExplainedBlock[], total: number): Finding[] {
  const causes = [...new Set(explained.map(({ guess }) => guess.cause))];
  return causes
    .map((cause): Finding => {
      const blocks = explained.filter((each) => each.guess.cause === cause);
      const [{ block, guess, side, before, after }] = blocks;
      const names = [...new Set(blocks.map((each) => each.block))];
      const change = (part: "weight" | "bias"): string => `${digits(before[part])} → ${digits(after[part])}`;
      return {
        cause,
        where: block,
        blocks: names,
        evidence: `the ${side} ${guess.what}; with this in the other side too, their relative difference goes from weights ${change("weight")}, bias ${change("bias")} (so in ${names.length} of ${total} layers)`,
        remedy: guess.remedy,
      };
    })
    .sort((x, y) => Number(harmless.has(x.cause)) - Number(harmless.has(y.cause)) || y.blocks.length - x.blocks.length);
}

/** Outputs that are those of training mode: the candidate normalizes by the batch, whatever its graph says. */
function outputFinding({ batch }: DiagnosisContext, run: TrainingRun | undefined): Finding | undefined {
  if (!run || !batch?.output || batch.output.length !== run.output.length) return undefined;
  const scale = run.output.reduce((max, value) => Math.max(max, Math.abs(value)), 0);
  const error = run.output.reduce((max, value, at) => Math.max(max, Math.abs(value - batch.output![at])), 0);
  if (!(error <= 1e-3 * scale)) return undefined;
  return {
    cause: "batch-norm-training-mode",
    where: "the whole net",
    blocks: [],
    evidence: `the candidate's outputs are those of the reference with batch statistics in every BatchNorm (relative error ${digits(error / scale)})`,
    remedy: "Call model.eval() before the export or the run",
  };
}

function unexplainedBlocks(unexplained: readonly UnexplainedBlock[], total: number): Finding {
  const [{ block, before, cosine: likeness }] = unexplained;
  const blocks = unexplained.map((each) => each.block);
  const regrouped = unexplained.filter(({ groups: [reference, candidate] }) => reference !== candidate);
  const measured = `weights ${digits(before.weight)}, bias ${digits(before.bias)} relative; cosine of the kernels ${digits(likeness)}`;
  const groups = regrouped.slice(0, 1).map((each) => `${each.groups.join(" and ")} groups at ${each.block}`);
  if (regrouped.length === unexplained.length) {
    return {
      cause: "wrong-groups",
      where: block,
      blocks,
      evidence: `the ${regrouped.length} of ${total} layers that differ are those with other groups (${groups[0]}, in the reference and in the candidate; ${measured})`,
      remedy: "Build both nets with the same groups, and load the weights that were trained with them",
    };
  }
  const others = regrouped.length > 0 ? `; groups differ too, as ${groups[0]}` : "";
  return {
    cause: "unexplained",
    where: block,
    blocks,
    evidence: `${unexplained.length} of ${total} layers differ, from ${block} on (${measured})${others}, and no known cause makes one of the other`,
    remedy:
      Math.abs(likeness) < 0.5
        ? "The weights are unrelated: check that both files come from the same checkpoint (or both from its EMA copy)"
        : "Check how the candidate's weights of this layer were made",
  };
}

function unexplainedOutputs({ outputs, firstParted, values }: Verification, candidate: Graph, layers: number): Finding {
  const where = blockName(firstParted ?? "the outputs");
  const nonFinite = outputs.nonFinite > 0;
  if (nonFinite && [...candidate.initializers.values()].some(({ dtype }) => dtype === "f16")) {
    return {
      cause: "fp16-overflow",
      where,
      blocks: [],
      evidence: `${outputs.nonFinite} of ${outputs.count} outputs are not finite, the kernels are: float16 values overflow beyond 65504, first at ${where}`,
      remedy: "Run this part in float32 or bfloat16, or scale its weights down and the next layer's up",
    };
  }
  const first = values.find(({ parted }) => parted);
  return {
    cause: "unexplained",
    where,
    blocks: [],
    evidence: `all ${layers} kernels agree, yet the outputs differ by ${digits(outputs.relative)} relative${nonFinite ? `, ${outputs.nonFinite} are not finite` : ""}, and float32 explains ${digits(roundingBound(layers))}${first ? `; the first value that differs is ${first.name} (${digits(first.relative)})` : ""}`,
    remedy: "Look at the operators between the last value that agrees and the first that does not",
  };
}

function roundingFinding(verification: Verification | undefined, layers: number): Finding {
  const bound = digits(roundingBound(layers));
  const measured = verification
    ? `outputs differ by ${digits(verification.outputs.relative)} relative (at most ${digits(verification.outputs.maxAbsolute)}, ${digits(verification.outputs.meanAbsolute)} on average)`
    : "the outputs were not run";
  return {
    cause: "rounding",
    where: "the whole net",
    blocks: [],
    evidence: `all ${layers} kernels agree; ${measured}; float32 and Winograd over ${layers} layers explain up to ${bound}`,
    remedy: "Nothing to do",
  };
}

function staleFindings({ reference, candidate }: DiagnosisContext): Finding[] {
  return [["reference", reference] as const, ["candidate", candidate] as const].flatMap(([side, model]) => {
    const warnings = model?.state ? checkStatistics({ state: model.state }) : [];
    return optional(statisticsFinding(side, describeStatistics(warnings)));
  });
}
