import { UserError } from "../core/errors.js";
import type { NamedArray, NamedArrays } from "../core/named-arrays.js";
import { elementCount } from "../core/named-arrays.js";
import { quoted } from "../formats/array-bytes.js";
import { some } from "./sentences.js";

/** What happens to weights that a net has no place for: an error, written back as they are, or left out. */
export type RestPolicy = "refuse" | "keep" | "drop";

export const restPolicies: readonly RestPolicy[] = ["refuse", "keep", "drop"];

/** Statistics of a tool that counts operations (thop), and of averages. */
const counters = /(^|\.)(num_batches_tracked|n_averaged|total_ops|total_params)$/;

/** Modules of training scripts that a net's forward pass does not use. */
const trainingOnly =
  /^(criterion|loss|losses|loss_fn|loss_func|loss_function|metrics?|(train|val|valid|validation|test)_(acc|accuracy|metrics?|loss|losses|f1|auroc)\w*)\./;

/** Names that say what a net has that ours have not. */
const known: readonly (readonly [name: RegExp, what: string])[] = [
  [/(^|\.)ppf\./, "mmpretrain's pyramid pooling (add_ppf) behind the last stage"],
  [/\.(scale_conv|scale_1x1|scale_identity)\.weight$/, "the scales of a CSLA block (RepOptimizers' search)"],
  [/\.rbr_1x1\.bias$/, "a 1×1 branch with bias"],
  [/\.post_bn\.|\.alpha$/, "a QARepVGG block of super-gradients (YOLO-NAS)"],
  [/\.dbb_(origin|avg|1x1|1x1_kxk)\./, "a Diverse Branch Block"],
  [/\.(nonlinearity|act|activation)\.weight$/, "a PReLU"],
  [/\.(conv|rbr_dense\.conv|rbr_1x1\.conv)\.bias$/, "a convolution with bias before its BatchNorm"],
  [/\.bn\.(weight|bias|running_mean|running_var)$/, "a BatchNorm behind the sum of the branches"],
  [/(^|\.)(decoder|decode_head|segmentation_head)\./, "a decoder"],
  [/(^|\.)(neck|fpn|pan)\./, "a neck"],
  [/(^|\.)(bbox_head|detect|rpn_head|roi_head)\./, "a detection head"],
];

export interface LeftOver {
  /** What was left out and why, in sentences. */
  readonly notes: readonly string[];
  /** Weights to be written back as they are. */
  readonly rest: NamedArrays | undefined;
}

/**
 * Judges the names of a file that its net has no place for. Counters and what only training uses are left out with a note.
 * Everything else would take part in the forward pass: a net without it gives other outputs.
 * @param isInside whether a name belongs to a block of the net, where nothing may be left out
 * @throws UserError for weights that would be applied, unless `policy` says what to do with them.
 */
export function judgeLeftOver(
  names: readonly string[],
  weights: NamedArrays,
  policy: RestPolicy,
  isInside: (name: string) => boolean,
): LeftOver {
  if (!restPolicies.includes(policy)) {
    throw new UserError({ expected: `rest: ${restPolicies.join(", ")}`, received: quoted(policy) });
  }
  const counted = names.filter((name) => isCounter(name, weights.get(name)!));
  const training = names.filter((name) => !counted.includes(name) && trainingOnly.test(name));
  const applied = names.filter((name) => !counted.includes(name) && !training.includes(name));
  const notes: string[] = [];
  if (training.length > 0) notes.push(`left out ${some(training)}: a loss or metric, not part of the net`);
  if (applied.length === 0) return { notes, rest: undefined };
  const inside = applied.filter(isInside);
  if (policy === "refuse" || inside.length > 0)
    throw notPlaced(inside.length > 0 ? inside : applied, inside.length > 0);
  if (policy === "drop") {
    return {
      notes: [...notes, `left out ${some(applied)}, as asked for: the outputs are those of the net without them`],
      rest: undefined,
    };
  }
  const kept = new Map(applied.map((name): [string, NamedArray] => [name, weights.get(name)!]));
  return {
    notes: [...notes, `${some(applied)} have no place in the net: kept as they are for .pth and .safetensors`],
    rest: kept,
  };
}

function isCounter(name: string, { dtype, shape }: NamedArray): boolean {
  return counters.test(name) || (/^([iu]|bool)/.test(dtype) && elementCount(shape) <= 1);
}

function notPlaced(names: readonly string[], inside: boolean): UserError {
  const what = names
    .map((name) => known.find(([pattern]) => pattern.test(name))?.[1])
    .find((text) => text !== undefined);
  return new UserError({
    expected: "a place in the net for every weight that its forward pass uses",
    received: `${some(names)}${what ? ` (${what})` : ""}`,
    remedy: inside
      ? "a block that has them computes something else: export the net to ONNX and fold that"
      : "export the whole net to ONNX and fold that; or, for the part that is known, write the others back as they are (--rest keep) or leave them out (--rest drop)",
  });
}
