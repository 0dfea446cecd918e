import type { DType } from "../core/named-arrays.js";
import { roundHalfEven } from "../core/rounding.js";
import { flagAttribute, floatAttribute, stringAttribute } from "../graph/attributes.js";
import { mapped } from "../graph/evaluate/broadcast.js";
import type { GraphNode } from "../graph/graph.js";
import { choice } from "../graph/operator/checks.js";
import { type NodeContext, type Operator, refuse } from "../graph/operator/operator.js";
import { all, floats, numbers, signature, signed } from "../graph/operator/signature.js";
import { erf } from "./erf.js";

const clamp = (x: number, low: number, high: number): number => Math.min(high, Math.max(low, x));
const sigmoid = (x: number): number => 1 / (1 + Math.exp(-x));
/** log(1 + eˣ) without overflow. */
const softplus = (x: number): number => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x)));
const gelu = (x: number): number => 0.5 * x * (1 + erf(x / Math.SQRT2));
const geluTanh = (x: number): number => 0.5 * x * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3)));

type Make = (node: GraphNode) => (x: number) => number;

interface Unary {
  readonly versions: readonly number[];
  readonly types?: readonly DType[];
  /** Element type of the result where it is not the operand's. */
  readonly gives?: DType;
  /** The function of one element, made from the node's attributes. */
  readonly make: Make;
  readonly check?: (context: NodeContext) => void;
}

const alphaOf = (node: GraphNode, otherwise: number): number => floatAttribute(node, "alpha", otherwise);
const plain =
  (f: (x: number) => number): Make =>
  () =>
    f;

const table: Readonly<Record<string, Unary>> = {
  Abs: { versions: [1, 6, 13], types: numbers, make: plain(Math.abs) },
  Acos: { versions: [7, 22], make: plain(Math.acos) },
  Acosh: { versions: [9, 22], make: plain(Math.acosh) },
  Asin: { versions: [7, 22], make: plain(Math.asin) },
  Asinh: { versions: [9, 22], make: plain(Math.asinh) },
  Atan: { versions: [7, 22], make: plain(Math.atan) },
  Atanh: { versions: [9, 22], make: plain(Math.atanh) },
  Ceil: { versions: [1, 6, 13], make: plain(Math.ceil) },
  /** max(0, x) + min(0, α(e^(x/α) − 1)) (Barron, arXiv 1704.07483). */
  Celu: {
    versions: [12, 28],
    make: (node) => {
      const alpha = alphaOf(node, 1);
      return (x) => Math.max(0, x) + Math.min(0, alpha * Math.expm1(x / alpha));
    },
    check: (context) => {
      if (alphaOf(context.node, 1) === 0) refuse(context, "an alpha other than 0", "0");
    },
  },
  Cos: { versions: [7, 22], make: plain(Math.cos) },
  Cosh: { versions: [9, 22], make: plain(Math.cosh) },
  Elu: {
    versions: [1, 6, 22],
    make: (node) => {
      const alpha = alphaOf(node, 1);
      return (x) => (x < 0 ? alpha * Math.expm1(x) : x);
    },
  },
  Erf: { versions: [9, 13], types: numbers, make: plain(erf) },
  Exp: { versions: [1, 6, 13], make: plain(Math.exp) },
  Floor: { versions: [1, 6, 13], make: plain(Math.floor) },
  Gelu: {
    versions: [20],
    make: (node) => (stringAttribute(node, "approximate", "none") === "tanh" ? geluTanh : gelu),
    check: (context) => void choice(context, "approximate", ["none", "tanh"], "none"),
  },
  HardSigmoid: {
    versions: [1, 6, 22],
    make: (node) => {
      const [alpha, beta] = [alphaOf(node, 0.2), floatAttribute(node, "beta", 0.5)];
      return (x) => clamp(alpha * x + beta, 0, 1);
    },
  },
  HardSwish: { versions: [14, 22], make: plain((x) => x * clamp(x / 6 + 0.5, 0, 1)) },
  Identity: { versions: [1, 13, 14, 16, 19, 21, 23, 24, 25], types: all, make: plain((x) => x) },
  IsInf: {
    versions: [10, 20],
    gives: "bool",
    make: (node) => {
      const [negative, positive] = ["detect_negative", "detect_positive"].map((name) =>
        flagAttribute(node, name, true),
      );
      return (x) =>
        (x === Number.POSITIVE_INFINITY && positive) || (x === Number.NEGATIVE_INFINITY && negative) ? 1 : 0;
    },
  },
  IsNaN: { versions: [9, 13, 20], gives: "bool", make: plain((x) => (Number.isNaN(x) ? 1 : 0)) },
  LeakyRelu: {
    versions: [1, 6, 16],
    make: (node) => {
      const alpha = alphaOf(node, 0.01);
      return (x) => (x < 0 ? alpha * x : x);
    },
  },
  Log: { versions: [1, 6, 13], make: plain(Math.log) },
  Mish: { versions: [18, 22], make: plain((x) => x * Math.tanh(softplus(x))) },
  Neg: { versions: [1, 6, 13], types: signed, make: plain((x) => -x) },
  Not: { versions: [1], types: ["bool"], make: plain((x) => (x === 0 ? 1 : 0)) },
  Reciprocal: { versions: [1, 6, 13], make: plain((x) => 1 / x) },
  Relu: { versions: [1, 6, 13, 14], types: signed, make: plain((x) => Math.max(0, x)) },
  Round: { versions: [11, 22], make: plain(roundHalfEven) },
  /** Klambauer et al., arXiv 1706.02515; version 1 has other defaults. */
  Selu: {
    versions: [6, 22],
    make: (node) => {
      const [alpha, gamma] = [alphaOf(node, 1.6732631921768188), floatAttribute(node, "gamma", 1.0507010221481323)];
      return (x) => gamma * (x > 0 ? x : alpha * Math.expm1(x));
    },
  },
  Shrink: {
    versions: [9],
    types: numbers,
    make: (node) => {
      const [bias, lambda] = [floatAttribute(node, "bias", 0), floatAttribute(node, "lambd", 0.5)];
      return (x) => (x < -lambda ? x + bias : x > lambda ? x - bias : 0);
    },
  },
  Sigmoid: { versions: [1, 6, 13], make: plain(sigmoid) },
  Sign: { versions: [9, 13], types: numbers, make: plain(Math.sign) },
  Sin: { versions: [7, 22], make: plain(Math.sin) },
  Sinh: { versions: [9, 22], make: plain(Math.sinh) },
  Softplus: { versions: [1, 22], make: plain(softplus) },
  Softsign: { versions: [1, 22], make: plain((x) => x / (1 + Math.abs(x))) },
  Sqrt: { versions: [1, 6, 13], make: plain(Math.sqrt) },
  Swish: {
    versions: [24],
    make: (node) => {
      const alpha = alphaOf(node, 1);
      return (x) => x * sigmoid(alpha * x);
    },
  },
  Tan: { versions: [7, 22], make: plain(Math.tan) },
  Tanh: { versions: [1, 6, 13], make: plain(Math.tanh) },
  ThresholdedRelu: {
    versions: [10, 22],
    make: (node) => {
      const alpha = alphaOf(node, 1);
      return (x) => (x > alpha ? x : 0);
    },
  },
};

/** Functions of one element: the output has the operand's shape. */
export const unaryOperators: readonly Operator[] = Object.entries(table).map(
  ([name, { versions, types = floats, gives, make, check }]) => {
    const own = signature(`X:T -> Y:${gives ?? "T"}`, { T: types });
    return {
      name,
      versions,
      signature: () => own,
      infer: (context) => {
        check?.(context);
        return [context.shape(0)];
      },
      evaluate: ({ node, inputs: [x] }) => [mapped(x!, make(node), gives ?? x!.dtype)],
      ...(name === "Identity" && { contents: (context: NodeContext) => context.contents(0) }),
    };
  },
);
