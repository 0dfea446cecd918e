import { type ComputeOptions, usingBackend } from "../backend/using-backend.node.js";
import { inMemory } from "../core/deferred-array.js";
import { UserError, VerificationError } from "../core/errors.js";
import { bytesPerElement, elementCount } from "../core/named-arrays.js";
import { type FoldNetOptions, foldNet } from "../exchange/fold-net.js";
import { storedHalf, withHalfRounding } from "../exchange/half-weights.js";
import type { Net } from "../exchange/net.js";
import type { FoldReport } from "../fold/report.js";
import { type CompareOptions, compareNets } from "./compare.js";
import { describeOutput } from "./comparison/describe-output.js";
import { type FoldProof, proveFold } from "./proof/prove-fold.js";
import { describeRegion, type RegionProof } from "./proof/prove-region.js";
import type { Verification } from "./verify-models.js";

export interface VerifiedFoldOptions extends FoldNetOptions, Omit<CompareOptions, "weights">, ComputeOptions {
  /** Precision in which the weights will be stored: what is verified is what they are then. Default `f32`. */
  readonly precision?: "f32" | "f16";
}

/** What is known of a fold: of its regions one by one, and of both nets as wholes where they were run. */
export interface FoldVerification extends Verification {
  /** Each region and the convolution that replaces it, compared in float64. */
  readonly regions: readonly RegionProof[];
  /** Why the rest could not be shown to be unchanged by its structure; then the comparison of the outputs is the proof. */
  readonly changed?: string;
  /** Why the nets were not run as wholes (`samples` is 0 then): an operator that nobody here knows, or that only the slow evaluator has. */
  readonly notRun?: string;
  /** Outputs of which the run proves nothing, in one sentence each. */
  readonly remarks: readonly string[];
}

/** Steps of the naive evaluator that are spent on nets which the engine cannot run: about a second. */
const evaluatorSteps = 1e8;

/**
 * {@link foldNet}, with proof. Every region is compared by itself with the convolution that replaces it, in float64, and everything else is
 * shown to be unchanged: no operator outside the regions has to be known. Where both nets can be run, their outputs are compared too, on
 * random inputs: 4 of at most 64×64 pixels, unless told otherwise or the graph has a fixed size.
 * @throws VerificationError when a region or the outputs differ, or something is not proven.
 */
export async function foldVerified(
  net: Net,
  options: VerifiedFoldOptions = {},
): Promise<{ readonly net: Net; readonly report: FoldReport; readonly verification: FoldVerification }> {
  const { maxCost, deferred = false, precision = "f32", ...verifyOptions } = options;
  const held = heldIfSmall(net, mostRead);
  const { net: folded, report, plan } = foldNet(held, { deferred, ...(maxCost !== undefined && { maxCost }) });
  const halves = precision === "f16";
  const made = heldIfSmall(folded, mostMade);
  const candidate = halves ? { ...made, graph: withHalfRounding(made.graph) } : made;
  const proof = proveFold(held.graph, plan, candidate.graph, { halves, ...(halves && { stored: storedHalf }) });
  const wrong = proof.regions.find(({ proven }) => !proven);
  if (wrong) {
    throw new VerificationError({
      expected: "the folded net to give the same outputs",
      received: describeRegion(wrong),
      remedy: "nothing was written; repvgg verify compares two nets value by value",
    });
  }
  const weights = halves || proof.regions.some(({ storedAs }) => storedAs === "f16") ? "f16" : "f32";
  const compare = (inside: boolean): Promise<Verification> =>
    usingBackend(verifyOptions, (backend) =>
      compareNets(backend, held, candidate, {
        // Channel by channel is what the regions were proven; over a deep net, float32 rounding alone parts small channels.
        ...{ ...fewInputs(held, proof), weights, oneAtATime: true, evaluatorSteps, byChannel: !proof.proven },
        ...{ ...verifyOptions, inside },
      }),
    );
  const run = await compare(false).catch((error: unknown) => notRun(error, proof));
  const verification = {
    ...run,
    regions: proof.regions,
    ...(proof.changed !== undefined && { changed: proof.changed }),
  };
  if (run.verdict === "different" || (!proof.proven && run.verdict !== "same")) {
    throw different(run, proof, (await compare(true)).firstParted);
  }
  const remarks = run.byOutput.flatMap((output) => describeOutput(output) ?? []);
  return { net: made, report, verification: { ...verification, remarks, verdict: "same", agree: true } };
}

/** Weights up to so many bytes are read once and kept for all that the proof does with them. */
const mostRead = 2 ** 28;

/** So many are computed once: that costs more than reading, and what runs a net of this size has the memory. */
const mostMade = 2 ** 29;

/** The net with its weights in memory, where they have at most so many bytes. */
function heldIfSmall(net: Net, most: number): Net {
  const { initializers } = net.graph;
  const sizes = [...initializers.values()].map(({ dtype, shape }) => elementCount(shape) * bytesPerElement[dtype]);
  if (sizes.reduce((sum, size) => sum + size, 0) > most) return net;
  const held = [...initializers].map(([name, array]) => [name, inMemory(array)] as const);
  return { ...net, graph: { ...net.graph, initializers: new Map(held) } };
}

function different(run: Verification, { changed }: FoldProof, firstParted: string | undefined): VerificationError {
  const { byOutput } = run;
  const worst =
    byOutput.find(({ verdict }) => verdict === "different") ?? byOutput.find(({ verdict }) => verdict !== "same");
  const why = worst ? describeOutput(worst) : undefined;
  const place = firstParted === undefined ? "" : `, first at ${firstParted}`;
  const structure = changed === undefined ? "" : ` (what is outside the folded regions: ${changed})`;
  return new VerificationError({
    expected: "the folded net to give the same outputs",
    received: `${why}${place}${structure}`,
    remedy: "nothing was written; repvgg verify compares the two value by value",
  });
}

/** Pixels from which an image is large: 512×512. */
const largeImage = 2 ** 18;

/** Four images; small ones of a net that takes any size, since every weight works on each of their pixels too; two large ones of a proven fold. */
function fewInputs({ graph, model }: Net, { proven }: FoldProof): Pick<CompareOptions, "images" | "inputSize"> {
  if (model) {
    const [height, width] = model.metadata.preprocessing.size;
    return { images: 4, inputSize: [Math.min(height, 64), Math.min(width, 64)] };
  }
  const isLarge = graph.inputs.some(({ shape }) => {
    const sizes = shape?.slice(2).filter((size) => typeof size === "number") ?? [];
    return elementCount(sizes) >= largeImage;
  });
  return { images: proven && isLarge ? 2 : 4 };
}

/** A net that cannot be run as a whole is proven by its parts, or not at all. */
function notRun(error: unknown, proof: FoldProof): Verification & { readonly notRun: string } {
  if (!(error instanceof UserError)) throw error;
  if (!proof.proven) {
    throw new VerificationError(
      {
        expected: "to run both forms for comparison, or to show that all but the folded regions is as it was",
        received: `an obstacle (${error.message}), and ${proof.changed}`,
        remedy: "nothing was written; fold without verification if you can check the result yourself",
      },
      { cause: error },
    );
  }
  return {
    ...{ samples: 0, byOutput: [], top1Disagreements: 0, worstSample: undefined, values: [], firstParted: undefined },
    outputs: { count: 0, maxAbsolute: 0, meanAbsolute: 0, relative: 0, nonFinite: 0, sameNonFinite: 0 },
    ...{ verdict: "same", agree: true, notRun: error.message },
  };
}
