import type { GraphNode } from "../graph/graph.js";
import { constantOperators } from "../graph/operator/constants.js";
import type { Operator } from "../graph/operator/operator.js";
import { batchNormalization } from "./batch-normalization.js";
import { binaryOperators } from "./binary.js";
import { cast, castLike } from "./cast.js";
import { clip } from "./clip.js";
import { concat } from "./concat.js";
import { conv, convTranspose } from "./conv.js";
import { depthOperators } from "./depth-to-space.js";
import { dropout } from "./dropout.js";
import { expand, tile } from "./expand.js";
import { gatherOperators } from "./gather.js";
import { gemm, matrixProduct } from "./matrix.js";
import { normalizationOperators } from "./normalization.js";
import { pad } from "./pad.js";
import { poolOperators } from "./pool.js";
import { quantizeOperators } from "./quantize.js";
import { argOperators, reduceOperators, softmaxOperators } from "./reduce.js";
import { reshapeOperators } from "./reshape.js";
import { resizeOperators } from "./resize.js";
import { gridSampler } from "./sample.js";
import { selectOperators } from "./select.js";
import { slice } from "./slice.js";
import { split } from "./split.js";
import { transpose } from "./transpose.js";
import { unaryOperators } from "./unary.js";
import { where } from "./where.js";

const list: readonly Operator[] = [
  ...[
    batchNormalization,
    cast,
    castLike,
    clip,
    concat,
    conv,
    convTranspose,
    dropout,
    expand,
    gemm,
    gridSampler,
    matrixProduct,
    pad,
    slice,
    split,
    tile,
    transpose,
    where,
  ],
  ...[
    argOperators,
    binaryOperators,
    constantOperators,
    depthOperators,
    gatherOperators,
    normalizationOperators,
    poolOperators,
    quantizeOperators,
  ].flat(),
  ...[reduceOperators, reshapeOperators, resizeOperators, selectOperators, softmaxOperators, unaryOperators].flat(),
];

/** Every operator that this package understands, by ONNX name. */
export const operators: ReadonlyMap<string, Operator> = new Map(list.map((operator) => [operator.name, operator]));

/** The operator set that nodes are written in which do not say: those that we make. */
export const defaultOpset = 17;

/** A node's operator, and which version of it the node means; undefined where we do not understand it (another domain, too old an operator set). */
export function operatorOf(node: GraphNode): { readonly operator: Operator; readonly version: number } | undefined {
  const operator = node.domain === "" ? operators.get(node.op) : undefined;
  const version = operator && versionOf(operator, node);
  return operator && version !== undefined ? { operator, version } : undefined;
}

function versionOf({ versions }: Operator, { opset = defaultOpset }: GraphNode): number | undefined {
  return versions.findLast((version) => version <= opset);
}

/** Why a node is not understood, as what was expected and received. */
export function notUnderstood({ domain, op, name, opset = defaultOpset }: GraphNode): {
  readonly expected: string;
  readonly received: string;
} {
  const operator = domain === "" ? operators.get(op) : undefined;
  if (operator) {
    return {
      expected: `${op} of operator set ${operator.versions[0]} or later`,
      received: `operator set ${opset} ("${name}")`,
    };
  }
  return { expected: "an operator that is understood here", received: `${domain && `${domain}.`}${op} ("${name}")` };
}
