import type { Verification } from "../../analysis/verify.js";
import { UserError, VerificationError } from "../../core/errors.js";
import type { FoldReport } from "../../graph/fold/report.js";
import { type VerifyModelsOptions, verify } from "../verify.node.js";
import { type FoldNetOptions, foldNet } from "./fold-net.js";
import { withHalfRounding } from "./half-weights.js";
import type { Net } from "./net.js";

export interface VerifiedFoldOptions extends FoldNetOptions, Omit<VerifyModelsOptions, "data"> {
  /** Precision in which the weights will be stored: what is verified is what they are then. Default `f32`. */
  readonly precision?: "f32" | "f16";
}

/** Relative error of the outputs from which a fold counts as wrong: float16 weights have 11 bits. */
const thresholds = { f32: 1e-4, f16: 1e-2 };

/**
 * {@link foldNet}, with proof on random inputs: 4 of at most 64×64 pixels, unless told otherwise or the graph has a fixed size.
 * @throws VerificationError when the outputs differ, or cannot be compared.
 */
export async function foldVerified(
  net: Net,
  options: VerifiedFoldOptions = {},
): Promise<{ readonly net: Net; readonly report: FoldReport; readonly verification: Verification }> {
  const { maxCost, deferred = false, precision = "f32", ...verifyOptions } = options;
  const { net: folded, report } = foldNet(net, { deferred, ...(maxCost !== undefined && { maxCost }) });
  const candidate = precision === "f16" ? { ...folded, graph: withHalfRounding(folded.graph) } : folded;
  const compare = (inside: boolean): Promise<Verification> =>
    comparison(net, candidate, {
      ...{ ...smallInputs(net), threshold: thresholds[precision], oneAtATime: true },
      ...{ ...verifyOptions, inside },
    });
  const verification = await compare(false);
  if (verification.agree) return { net: folded, report, verification };
  const { outputs, firstParted } = await compare(true);
  throw new VerificationError({
    expected: "the folded net to give the same outputs",
    received: `a relative error of ${outputs.relative.toPrecision(3)}${firstParted ? `, first at ${firstParted}` : ""}`,
    remedy: "nothing was written; repvgg verify compares the two value by value",
  });
}

/** Four images; small ones of a net that takes any size, since every weight works on each of their pixels too. */
function smallInputs({ model }: Net): Pick<VerifyModelsOptions, "images" | "inputSize"> {
  if (!model) return { images: 4 };
  const [height, width] = model.metadata.preprocessing.size;
  return { images: 4, inputSize: [Math.min(height, 64), Math.min(width, 64)] };
}

async function comparison(net: Net, folded: Net, options: VerifyModelsOptions): Promise<Verification> {
  try {
    return await verify(net, folded, options);
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    throw new VerificationError(
      {
        expected: "to run both forms for comparison",
        received: `an obstacle (${error.message})`,
        remedy: "nothing was written; fold without verification if you can check the result yourself",
      },
      { cause: error },
    );
  }
}
