import { floatAttribute } from "../../graph/attributes.js";
import type { ChannelStatistics } from "../../operators/channel-statistics.js";
import { batchNormHypotheses } from "./batch-norm.js";
import { type BlockPair, isBatchNorm, type LinearBlock } from "./blocks.js";
import type { Guess, Hypotheses, Hypothesis, Subject } from "./hypothesis.js";
import { distance, type Kernel, type KernelDistance } from "./kernel.js";
import { branchHypotheses, inputHypotheses, kernelHypotheses } from "./layout.js";
import { precisionHypotheses, roundings } from "./precision.js";

/** Measured on two kernels that ought to be one. */
export interface Parted extends BlockPair {
  readonly kernels: { readonly reference: Kernel; readonly candidate: Kernel };
  readonly before: KernelDistance;
}

/** A guess that the numbers bear out. Holds no kernels. */
export interface Explanation {
  readonly guess: Guess;
  /** The side that "has" what the guess says. */
  readonly side: "candidate" | "reference";
  readonly before: KernelDistance;
  /** What is left when the guess is applied. */
  readonly after: KernelDistance;
}

export interface ExplainOptions {
  readonly first: boolean;
  /** Guesses that explained other blocks: the very same are tried first, those of the same causes next. */
  readonly found: readonly Guess[];
  batchStatistics(side: "candidate" | "reference"): ReadonlyMap<string, ChannelStatistics> | undefined;
}

/** A hypothesis explains a difference that is not all gone when at most this share of it is left. */
const explainedShare = 0.05;

/** A later hypothesis must leave clearly less than an earlier, simpler one. */
const clearlyLess = 0.8;

const families: readonly Hypotheses[] = [
  branchHypotheses,
  batchNormHypotheses,
  kernelHypotheses,
  inputHypotheses,
  precisionHypotheses,
];

/** @returns how far the kernels of two blocks are apart; undefined where that is float32 rounding. */
export function partedKernels(pair: BlockPair): Parted | undefined {
  const kernels = { reference: pair.reference.kernel(), candidate: pair.candidate.kernel() };
  const before = distance(kernels.reference, kernels.candidate);
  return before && before.score > 1 ? { ...pair, kernels, before } : undefined;
}

/**
 * The hypothesis that leaves least of the difference, if it leaves nothing but rounding or a twentieth at most; and one of 16-bit
 * storage for what is left. Empty where nothing explains it.
 */
export function explain(parted: Parted, options: ExplainOptions): Explanation[] {
  for (const view of viewsOf(parted, options)) {
    const explanations = explainFrom(view, parted.before, options);
    if (explanations.length > 0) return explanations;
  }
  return [];
}

/** A pair seen from the side of which hypotheses are made. */
interface View {
  readonly subject: Subject;
  /** The side that then "has" what a guess says. */
  readonly side: "candidate" | "reference";
}

function explainFrom({ subject, side }: View, before: KernelDistance, options: ExplainOptions): Explanation[] {
  const tiers = families.map((family) => family(subject));
  const all = tiers.flatMap((family) => family.flat());
  const depth = Math.max(...tiers.map(({ length }) => length));
  const inOrder = Array.from({ length: depth }, (_, tier) => tiers.flatMap((family) => family[tier] ?? []));
  let best: Trial | undefined;
  const alike = (part: "what" | "cause"): Hypothesis[] =>
    all.filter((hypothesis) => options.found.some((other) => other[part] === hypothesis[part]));
  for (const hypotheses of [alike("what"), alike("cause"), ...inOrder]) {
    best = leastLeft(hypotheses, subject.observed, best);
    if (best && best.after.score <= 1) break;
  }
  if (!best || !explains(best.after, before)) return [];
  const { hypothesis, predicted, after } = best;
  const explanations: Explanation[] = [{ guess: inWords(hypothesis), side, before, after }];
  const rest = after.score > 1 ? leastLeft(roundings(predicted, subject.observed), subject.observed) : undefined;
  if (rest && explains(rest.after, after)) {
    explanations.push({ guess: inWords(rest.hypothesis), side, before: after, after: rest.after });
  }
  return explanations;
}

const inWords = ({ cause, what, remedy }: Hypothesis): Guess => ({ cause, what, remedy });

interface Trial {
  readonly hypothesis: Hypothesis;
  readonly predicted: Kernel;
  readonly after: KernelDistance;
}

function leastLeft(hypotheses: readonly Hypothesis[], observed: Kernel, before?: Trial): Trial | undefined {
  let best = before;
  for (const hypothesis of hypotheses) {
    const predicted = hypothesis.predict();
    const after = predicted && distance(predicted, observed);
    if (after && after.score < (best ? best.after.score * clearlyLess : Number.POSITIVE_INFINITY)) {
      best = { hypothesis, predicted, after };
    }
  }
  return best;
}

const explains = (after: KernelDistance, before: KernelDistance): boolean =>
  after.score <= Math.max(1, explainedShare * (Number.isFinite(before.score) ? before.score : 0));

/**
 * Hypotheses are made of the reference, then of the candidate, which may have the BatchNorm or the branches that were folded into the
 * reference's weights long ago; of a single node only where nothing else is there.
 */
function viewsOf({ reference, candidate, kernels }: Parted, { first, batchStatistics }: ExplainOptions): View[] {
  const blocks = { reference, candidate };
  const isWhole = (side: "candidate" | "reference"): boolean => blocks[side].region.nodes.length === 1;
  const sides = (["reference", "candidate"] as const).filter((side) => !isWhole(side));
  return (sides.length > 0 ? sides : (["reference"] as const)).map((own): View => {
    const other = own === "reference" ? "candidate" : "reference";
    return {
      side: other,
      subject: {
        block: blocks[own],
        kernel: kernels[own],
        observed: kernels[other],
        first,
        otherEpsilons: epsilonsOf(blocks[other]),
        batchStatistics: () => batchStatistics(own),
      },
    };
  });
}

function epsilonsOf({ region }: LinearBlock): number[] {
  return region.nodes.filter(isBatchNorm).map((node) => floatAttribute(node, "epsilon", 1e-5));
}
