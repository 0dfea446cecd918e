import { UserError } from "../../core/errors.js";
import type { BlockKind } from "../architecture.js";
import { acb } from "./acb.js";
import type { BlockDefinition } from "./block.js";
import { branchBlock } from "./branch-block.js";
import { dirac } from "./dirac.js";
import { identityWithoutBn } from "./identity-without-bn.js";
import { postAdditionBn } from "./post-addition-bn.js";
import { qarepvgg, qarepvggV1 } from "./qarepvgg.js";
import { reluInBranches } from "./relu-in-branches.js";
import { trivial } from "./trivial.js";

/** Every kind of block that a net can be trained with. */
const definitions: Readonly<Record<BlockKind, BlockDefinition>> = {
  repvgg: branchBlock,
  "identity-without-bn": identityWithoutBn,
  "post-addition-bn": postAdditionBn,
  qarepvgg,
  "qarepvgg-v1": qarepvggV1,
  "relu-in-branches": reluInBranches,
  dirac,
  trivial,
  acb,
};

export const blockKinds = Object.keys(definitions) as readonly BlockKind[];

export function isBlockKind(name: unknown): name is BlockKind {
  return typeof name === "string" && Object.hasOwn(definitions, name);
}

export function blockDefinition(kind: BlockKind): BlockDefinition {
  return definitions[kind];
}

/** @throws UserError for blocks that cannot become one convolution each, with the reason. */
export function checkFoldable(kind: BlockKind): void {
  const { unfoldable } = definitions[kind];
  if (!unfoldable) return;
  throw new UserError({
    expected: "blocks that are linear up to their ReLU, to fold",
    received: `blocks of kind ${kind}: ${unfoldable}`,
    remedy: "use the net in training form, or export that to ONNX",
  });
}
