import { affine } from "../../conv-algebra/affine.js";
import type { Refusal } from "../../conv-algebra/linear-map.js";
import { floatAttribute, intAttribute } from "../attributes.js";
import type { Graph, GraphNode } from "../graph.js";
import { affineNode, arithmetic, batchNormalization, scaling } from "./linear/affine-nodes.js";
import { concatenation, slice, split } from "./linear/channel-nodes.js";
import { fullyConnected } from "./linear/fully-connected.js";
import type { Context, LinearNode, Maker, Shapes } from "./linear/linear-node.js";
import { averagePool, convolution, pad } from "./linear/window-nodes.js";

/**
 * How a node is linear; a refusal where it would be but for something in it; undefined where it is not (ReLU, SE's product, …) and
 * bounds regions.
 */
export function linearNode(node: GraphNode, graph: Graph, shapes: Shapes): LinearNode | Refusal | undefined {
  if (node.domain !== "" || !Object.hasOwn(makers, node.op)) return undefined;
  return makers[node.op]({ node, constants: graph.initializers, shapes });
}

const makers: Readonly<Record<string, Maker>> = {
  Add: (context) => arithmetic(context, [1, 1], (c) => ({ shift: c })),
  AveragePool: averagePool,
  BatchNormalization: batchNormalization,
  Concat: concatenation,
  Conv: convolution,
  ConvTranspose: () => ({
    refused: "a transposed convolution spreads its input over more positions, which no convolution of that input does",
  }),
  Div: (context) => scaling(context, (c) => c.map((x) => 1 / x), false),
  Dropout: passing,
  Gemm: ({ node, constants, shapes }) => {
    const transposed = intAttribute(node, "transB", 0) === 1;
    if (intAttribute(node, "transA", 0) === 1) return { refused: "it transposes its input" };
    const factors = { alpha: floatAttribute(node, "alpha", 1), beta: floatAttribute(node, "beta", 1) };
    return fullyConnected(node, constants, shapes, transposed, factors);
  },
  Identity: passing,
  MatMul: ({ node, constants, shapes }) =>
    shapes.get(node.inputs[0])?.length === 2
      ? fullyConnected(node, constants, shapes, false, { alpha: 1, beta: 1 })
      : undefined,
  Mul: (context) => scaling(context, (c) => c, true),
  Neg: ({ node }) =>
    affineNode(node.inputs[0], (channels) => affine(channels, { scale: new Float64Array(channels).fill(-1) })),
  Pad: pad,
  Slice: slice,
  Split: split,
  Sub: (context) => arithmetic(context, [1, -1], (c) => ({ shift: c.map((x) => -x) })),
  Sum: ({ node }) => ({ kind: "sum", inputs: node.inputs, signs: node.inputs.map(() => 1) }),
};

function passing({ node }: Context): LinearNode {
  return { kind: "unary", input: node.inputs[0], free: true, macs: () => 0, after: (map) => map };
}
