import { affine } from "../conv-algebra/affine.js";
import type { Refusal } from "../conv-algebra/linear-map.js";
import { intsAttribute } from "../graph/attributes.js";
import { isInteger } from "../graph/evaluate/tensor64.js";
import { dropoutPasses } from "../operators/dropout.js";
import { permutation as permutationOf } from "../operators/transpose.js";
import { affineNode, arithmetic, batchNormalization, scaling } from "./linear/affine-nodes.js";
import { borderWrite, concatenatedBorder } from "./linear/border.js";
import { concatenation, split } from "./linear/channel-nodes.js";
import { gemm, matrixProduct } from "./linear/fully-connected.js";
import { gather } from "./linear/gather.js";
import type { Context, LinearNode, Maker } from "./linear/linear-node.js";
import { pad } from "./linear/pad-nodes.js";
import { slice } from "./linear/slice.js";
import { averagePool, convolution, transposedConvolution } from "./linear/window-nodes.js";

/**
 * How a node is linear; a refusal where it would be but for something in it; undefined where it is not (ReLU, SE's product, …) and
 * bounds regions. Only floating-point values are linear: integers are rounded at every step.
 */
export function linearNode(context: Context): LinearNode | Refusal | undefined {
  const { node, constants, dtypes } = context;
  if (node.domain !== "" || !Object.hasOwn(makers, node.op)) return undefined;
  const made = makers[node.op](context);
  if (!made || "refused" in made) return made;
  const operands = made.kind === "unary" && (made.free || made.weighted) ? node.inputs : [];
  const typed = operands.find((name) => constants.has(name));
  const value = "input" in made ? made.input : made.inputs[0];
  const type = typed ? constants.get(typed)!.dtype : (dtypes.get(node.outputs[0]) ?? dtypes.get(value));
  return type !== undefined && isInteger(type) ? undefined : made;
}

const makers: Readonly<Record<string, Maker>> = {
  Add: (context) => borderWrite(context) ?? arithmetic(context, [1, 1], (c) => ({ shift: c })),
  AveragePool: averagePool,
  BatchNormalization: batchNormalization,
  Concat: (context) => concatenatedBorder(context) ?? concatenation(context),
  Conv: convolution,
  ConvTranspose: transposedConvolution,
  Div: (context) => scaling(context, (c) => c.map((x) => 1 / x), false),
  Dropout: dropout,
  Gather: gather,
  Gemm: gemm,
  Identity: passing,
  MatMul: matrixProduct,
  Mean: ({ node: { inputs } }) => ({ kind: "sum", inputs, signs: inputs.map(() => 1 / inputs.length) }),
  Mul: (context) => scaling(context, (c) => c, true),
  Neg: ({ node }) =>
    affineNode(node.inputs[0], (channels) => affine(channels, { scale: new Float64Array(channels).fill(-1) }), true),
  Pad: pad,
  ScatterND: borderWrite,
  Slice: slice,
  Split: split,
  Sub: (context) => arithmetic(context, [1, -1], (c) => ({ shift: c.map((x) => -x) })),
  Sum: ({ node }) => ({ kind: "sum", inputs: node.inputs, signs: node.inputs.map(() => 1) }),
  Transpose: transpose,
  Where: borderWrite,
};

/** In inference, nothing. */
function dropout(context: Context): LinearNode | Refusal {
  return dropoutPasses(context.own)
    ? passing(context)
    : { refused: "Dropout in training mode is random: export the model in evaluation mode" };
}

function passing({ node }: Context): LinearNode {
  return { kind: "unary", input: node.inputs[0], free: true, macs: () => 0, after: (map) => map };
}

/** Another order of a value's axes; what gives it, and what comes behind, stays the same map. */
function transpose({ node, own }: Context): LinearNode | undefined {
  const [input] = node.inputs;
  const rank = own.shape(0)?.length ?? intsAttribute(node, "perm")?.length;
  if (rank === undefined) return undefined;
  const permutation = permutationOf(own, rank);
  if (permutation[0] !== 0) return undefined;
  return {
    kind: "unary",
    input,
    free: false,
    channelsLast: true,
    macs: () => 0,
    permutation,
    after: (map, view) => (view.rank === permutation.length ? map : undefined),
  };
}
