import type { DType } from "../../core/named-arrays.js";
import { attribute, floatAttribute, intAttribute, stringAttribute } from "../attributes.js";
import type { GraphNode } from "../graph.js";
import { broadcastShapes } from "../shapes.js";
import type { Operator, Operators } from "./operator.js";
import { required } from "./operator.js";
import type { Tensor64 } from "./tensor64.js";
import { isInteger, stridesOf, tensor64 } from "./tensor64.js";

const sigmoid = (x: number): number => 1 / (1 + Math.exp(-x));
const clamp = (x: number, low: number, high: number): number => Math.min(high, Math.max(low, x));

/** Error function: its series Σ (−1)ⁿ x²ⁿ⁺¹ / (n!·(2n+1)) near zero, the continued fraction of erfc beyond (both to 1e-15). */
export function erf(x: number): number {
  const z = Math.abs(x);
  if (z > 6) return Math.sign(x);
  if (z < 2.5) {
    let term = x;
    let sum = x;
    for (let n = 1; Math.abs(term) > 1e-17 * Math.abs(sum); n++) {
      term *= (-x * x) / n;
      sum += term / (2 * n + 1);
    }
    return (2 / Math.sqrt(Math.PI)) * sum;
  }
  let fraction = 0;
  for (let n = 60; n > 0; n--) fraction = n / 2 / (z + fraction);
  return Math.sign(x) * (1 - Math.exp(-z * z) / (Math.sqrt(Math.PI) * (z + fraction)));
}

const gelu = (x: number): number => 0.5 * x * (1 + erf(x / Math.SQRT2));
const geluTanh = (x: number): number => 0.5 * x * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3)));

/** For each operator the function of one element, made from the node's attributes. */
const unary: Record<string, (node: GraphNode) => (x: number) => number> = {
  Abs: () => Math.abs,
  Ceil: () => Math.ceil,
  Elu: (n) => {
    const alpha = floatAttribute(n, "alpha", 1);
    return (x) => (x < 0 ? alpha * Math.expm1(x) : x);
  },
  Erf: () => erf,
  Exp: () => Math.exp,
  Floor: () => Math.floor,
  Gelu: (n) => (stringAttribute(n, "approximate", "none") === "tanh" ? geluTanh : gelu),
  HardSigmoid: (n) => {
    const [alpha, beta] = [floatAttribute(n, "alpha", 0.2), floatAttribute(n, "beta", 0.5)];
    return (x) => clamp(alpha * x + beta, 0, 1);
  },
  HardSwish: () => (x) => x * clamp(x / 6 + 0.5, 0, 1),
  Identity: () => (x) => x,
  LeakyRelu: (n) => {
    const alpha = floatAttribute(n, "alpha", 0.01);
    return (x) => (x < 0 ? alpha * x : x);
  },
  Log: () => Math.log,
  Mish: () => (x) => x * Math.tanh(Math.log1p(Math.exp(x))),
  Neg: () => (x) => -x,
  Not: () => (x) => (x === 0 ? 1 : 0),
  Reciprocal: () => (x) => 1 / x,
  Relu: () => (x) => Math.max(0, x),
  Round: () => (x) => (Math.abs(x % 1) === 0.5 ? 2 * Math.round(x / 2) : Math.round(x)),
  Sigmoid: () => sigmoid,
  Sign: () => Math.sign,
  Softplus: () => (x) => Math.log1p(Math.exp(x)),
  Sqrt: () => Math.sqrt,
  Swish: (n) => {
    const alpha = floatAttribute(n, "alpha", 1);
    return (x) => x * sigmoid(alpha * x);
  },
  Tanh: () => Math.tanh,
};

const arithmetic: Record<string, (x: number, y: number) => number> = {
  Add: (x, y) => x + y,
  Div: (x, y) => x / y,
  Max: Math.max,
  Min: Math.min,
  Mul: (x, y) => x * y,
  Pow: (x, y) => x ** y,
  PRelu: (x, slope) => (x < 0 ? slope * x : x),
  Sub: (x, y) => x - y,
  Sum: (x, y) => x + y,
};

const comparison: Record<string, (x: number, y: number) => boolean> = {
  And: (x, y) => x !== 0 && y !== 0,
  Equal: (x, y) => x === y,
  Greater: (x, y) => x > y,
  GreaterOrEqual: (x, y) => x >= y,
  Less: (x, y) => x < y,
  LessOrEqual: (x, y) => x <= y,
  Or: (x, y) => x !== 0 || y !== 0,
};

/** f(a, b) with numpy's broadcasting. */
export function broadcast(a: Tensor64, b: Tensor64, dtype: DType, f: (x: number, y: number) => number): Tensor64 {
  const shape = broadcastShapes(a.shape, b.shape) as number[];
  const result = new Float64Array(shape.reduce((n, size) => n * size, 1));
  const [stepsA, stepsB] = [broadcastStrides(a.shape, shape), broadcastStrides(b.shape, shape)];
  const last = shape.length - 1;
  const width = shape.length === 0 ? 1 : shape[last];
  const [stepA, stepB] = [stepsA[last] ?? 0, stepsB[last] ?? 0];
  const index = new Array<number>(shape.length).fill(0);
  for (let at = 0; at < result.length; at += width) {
    let [from, with_] = [0, 0];
    for (let axis = 0; axis < last; axis++) {
      from += index[axis] * stepsA[axis];
      with_ += index[axis] * stepsB[axis];
    }
    for (let j = 0; j < width; j++) result[at + j] = f(a.data[from + j * stepA], b.data[with_ + j * stepB]);
    for (let axis = last - 1; axis >= 0 && ++index[axis] === shape[axis]; axis--) index[axis] = 0;
  }
  return tensor64(shape, result, dtype);
}

/** Strides of a value read with a larger shape: 0 along the axes it is repeated along. */
function broadcastStrides(own: readonly number[], shape: readonly number[]): number[] {
  const strides = stridesOf(own);
  const missing = shape.length - own.length;
  return shape.map((_, axis) => (axis < missing || own[axis - missing] === 1 ? 0 : strides[axis - missing]));
}

function unaryOperator(make: (node: GraphNode) => (x: number) => number): Operator {
  return (inputs, node) => {
    const x = required(inputs, 0, node);
    return [tensor64(x.shape, x.data.map(make(node)), x.dtype)];
  };
}

function arithmeticOperator(f: (x: number, y: number) => number): Operator {
  return (inputs, node) => {
    let result = required(inputs, 0, node);
    for (let i = 1; i < inputs.length; i++) {
      const next = required(inputs, i, node);
      const whole = isInteger(result.dtype);
      result = broadcast(result, next, result.dtype, whole ? (x, y) => Math.trunc(f(x, y)) : f);
    }
    return [result];
  };
}

const comparisonOperator =
  (f: (x: number, y: number) => boolean): Operator =>
  (inputs, node) => [
    broadcast(required(inputs, 0, node), required(inputs, 1, node), "bool", (x, y) => (f(x, y) ? 1 : 0)),
  ];

const mapValues = <A, B>(table: Record<string, A>, f: (value: A) => B): Record<string, B> =>
  Object.fromEntries(Object.entries(table).map(([key, value]) => [key, f(value)]));

/** ONNX TensorProto.DataType codes that Cast may name. */
const dtypes: Readonly<Record<number, DType>> = {
  1: "f32",
  2: "u8",
  3: "i8",
  4: "u16",
  5: "i16",
  6: "i32",
  7: "i64",
  9: "bool",
  10: "f16",
  11: "f64",
  12: "u32",
  13: "u64",
  16: "bf16",
};

/** The element type that an integer attribute names, or undefined where we have none like it. */
export function dtypeOfCode(code: number): DType | undefined {
  return dtypes[code];
}

function castTo(x: number, dtype: DType): number {
  if (dtype === "bool") return x === 0 ? 0 : 1;
  return isInteger(dtype) ? Math.trunc(x) : x;
}

export const elementwiseOperators: Operators = {
  ...mapValues(unary, unaryOperator),
  ...mapValues(arithmetic, arithmeticOperator),
  ...mapValues(comparison, comparisonOperator),
  Cast: (inputs, node) => {
    const x = required(inputs, 0, node);
    const dtype = dtypeOfCode(intAttribute(node, "to", 1)) ?? x.dtype;
    return [
      tensor64(
        x.shape,
        x.data.map((v) => castTo(v, dtype)),
        dtype,
      ),
    ];
  },
  Clip: (inputs, node) => {
    const x = required(inputs, 0, node);
    const low = inputs[1]?.data[0] ?? attribute(node, "min", "float") ?? Number.NEGATIVE_INFINITY;
    const high = inputs[2]?.data[0] ?? attribute(node, "max", "float") ?? Number.POSITIVE_INFINITY;
    return [
      tensor64(
        x.shape,
        x.data.map((v) => clamp(v, low, high)),
        x.dtype,
      ),
    ];
  },
  Dropout: (inputs, node) => {
    const x = required(inputs, 0, node);
    return [x, tensor64(x.shape, new Float64Array(x.data.length).fill(1), "bool")];
  },
  Mean: (inputs, node) => {
    const [total] = elementwiseOperators.Sum(inputs, node);
    return [
      tensor64(
        total.shape,
        total.data.map((v) => v / inputs.length),
        total.dtype,
      ),
    ];
  },
  Where: (inputs, node) => {
    const [condition, x, y] = [0, 1, 2].map((i) => required(inputs, i, node));
    const chosen = broadcast(condition, x, x.dtype, (c, v) => (c === 0 ? 0 : v));
    const other = broadcast(condition, y, y.dtype, (c, v) => (c === 0 ? v : 0));
    return [broadcast(chosen, other, x.dtype, (a, b) => a + b)];
  },
};
