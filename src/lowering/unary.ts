import { flagAttribute, floatAttribute, stringAttribute } from "../graph/attributes.js";
import { isInteger } from "../graph/evaluate/tensor64.js";
import type { GraphNode } from "../graph/graph.js";
import type { Lowering } from "./context.js";
import { lowerElementwise } from "./elementwise.js";
import { mayGrow } from "./whole-numbers.js";

/** As kernels/kernels.def numbers the functions of unary_forward, with their parameters. */
interface UnaryFunction {
  readonly operation: number;
  readonly alpha?: number;
  readonly beta?: number;
  readonly gamma?: number;
}

const constant =
  (operation: number): ((node: GraphNode) => UnaryFunction) =>
  () => ({ operation });

/** beta · x where x > 0, else alpha (exp(gamma · x) − 1) */
const exponential = (alpha: number, beta: number, gamma: number): UnaryFunction => ({
  operation: 15,
  alpha,
  beta,
  gamma,
});

const functions: Readonly<Record<string, (node: GraphNode) => UnaryFunction>> = {
  Abs: constant(0),
  Celu: (node) => {
    const alpha = floatAttribute(node, "alpha", 1);
    return exponential(alpha, 1, 1 / alpha);
  },
  Ceil: constant(4),
  Cos: constant(21),
  Elu: (node) => exponential(floatAttribute(node, "alpha", 1), 1, 1),
  Erf: constant(11),
  Exp: constant(9),
  Floor: constant(3),
  Gelu: (node) => ({ operation: stringAttribute(node, "approximate", "none") === "tanh" ? 13 : 12 }),
  IsInf: (node) => {
    const end = (name: string, value: number): number => (!flagAttribute(node, name, true) ? Number.NaN : value);
    const [alpha, beta] = [
      end("detect_positive", Number.POSITIVE_INFINITY),
      end("detect_negative", Number.NEGATIVE_INFINITY),
    ];
    return { operation: 25, alpha, beta };
  },
  IsNaN: constant(24),
  Log: constant(10),
  Mish: constant(16),
  Neg: constant(1),
  Not: constant(22),
  Reciprocal: constant(8),
  Round: constant(5),
  Selu: (node) => {
    const gamma = floatAttribute(node, "gamma", 1.0507010221481323);
    return exponential(gamma * floatAttribute(node, "alpha", 1.6732631921768188), gamma, 1);
  },
  Sign: constant(2),
  Sin: constant(20),
  Softplus: constant(17),
  Softsign: constant(18),
  Sqrt: constant(7),
  Tanh: constant(14),
  ThresholdedRelu: (node) => ({ operation: 19, alpha: floatAttribute(node, "alpha", 1) }),
};

function lowerUnary(lowering: Lowering, node: GraphNode): void {
  emitUnary(lowering, node, functions[node.op]!(node));
}

function emitUnary(lowering: Lowering, node: GraphNode, { operation, alpha = 0, beta = 0, gamma = 0 }: UnaryFunction) {
  const input = lowering.tensor(node.inputs[0]!, node);
  const output = lowerElementwise(lowering, node, input, (args) => ({
    kernel: "unary_forward",
    args: { ...args, operation, alpha, beta, gamma },
  }));
  lowering.define(node.outputs[0]!, output);
}

export const unaryLowerings = Object.fromEntries(Object.keys(functions).map((op) => [op, lowerUnary]));

/** √x of any node: what a power of ½ is. */
export function lowerSquareRoot(lowering: Lowering, node: GraphNode): void {
  emitUnary(lowering, node, { operation: 7 });
}

/**
 * Cast and CastLike. All values are float32 here: to an integer type they lose their fraction, to bool they become 0 or 1, and between
 * floating-point types they stay what they are. A number that the new type has not is refused as it is met.
 */
export function lowerCast(lowering: Lowering, node: GraphNode): void {
  const from = lowering.graph.dtypes.get(node.inputs[0]!);
  const to = lowering.graph.dtypes.get(node.outputs[0]!);
  if (to === "bool" && from !== "bool") emitUnary(lowering, node, { operation: 23 });
  else if (to && isInteger(to) && (!(from && isInteger(from)) || mayGrow(lowering, node)))
    emitUnary(lowering, node, { operation: 6 });
  else lowering.define(node.outputs[0]!, lowering.tensor(node.inputs[0]!, node));
}
