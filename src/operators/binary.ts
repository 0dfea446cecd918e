import type { DType } from "../core/named-arrays.js";
import { flagAttribute, intAttribute } from "../graph/attributes.js";
import { broadcast, mapped } from "../graph/evaluate/broadcast.js";
import { isInteger } from "../graph/evaluate/tensor64.js";
import type { Dimension, GraphNode } from "../graph/graph.js";
import { broadcasted, broadcastsTo } from "../graph/operator/checks.js";
import { describe, type NodeContext, type Operator, refuse, type Shape } from "../graph/operator/operator.js";
import { all, floats, numbers, signature } from "../graph/operator/signature.js";

/**
 * Before version 7, operands had one shape, or attribute `broadcast` said that the second one is repeated along axes from `axis` on.
 * Read where that is numpy's broadcasting. @throws ShapeError where it is not.
 */
function checkOldBroadcast(context: NodeContext): void {
  if (context.version >= 7) return;
  const [a, b] = [context.shape(0), context.shape(1)];
  const asked = flagAttribute(context.node, "broadcast", false);
  if (!a || !b) refuse(context, "operands of known shapes (operator set below 7)", "unknown ones");
  const axis = intAttribute(context.node, "axis", a.length - b.length);
  const same = `${a}` === `${b}`;
  if (same || (asked && axis === a.length - b.length)) return;
  refuse(
    context,
    "operands of one shape, or the second repeated along the first axes",
    `${describe(a)} and ${describe(b)}, axis ${axis}`,
  );
}

function operator(
  name: string,
  versions: readonly number[],
  line: string,
  types: Readonly<Record<string, readonly DType[]>>,
  f: (node: GraphNode, whole: boolean) => (x: number, y: number) => number,
  extra: Partial<Operator> = {},
): Operator {
  const own = signature(line, types);
  const gives = own.outputs[0]!.type === "bool" ? "bool" : undefined;
  return {
    name,
    versions,
    signature: () => own,
    infer: (context) => {
      checkOldBroadcast(context);
      return [broadcasted(context, [0, 1])];
    },
    evaluate: ({ node, inputs: [a, b] }) => [broadcast(a!, b!, gives ?? a!.dtype, f(node, isInteger(a!.dtype)))],
    ...extra,
  };
}

/** Elements of a result of integer vectors, sizes by name passing where the other operand is neutral. */
const contents =
  (f: (a: number, b: number) => number, neutral: number, commutes: boolean) =>
  (context: NodeContext): readonly Dimension[] | undefined => {
    const [a, b] = [context.contents(0), context.contents(1)];
    if (!a || !b || (a.length !== b.length && a.length !== 1 && b.length !== 1)) return undefined;
    const result = Array.from({ length: Math.max(a.length, b.length) }, (_, i): Dimension | undefined => {
      const [x, y] = [a[a.length === 1 ? 0 : i]!, b[b.length === 1 ? 0 : i]!];
      if (typeof x === "number" && typeof y === "number") return Math.trunc(f(x, y));
      if (y === neutral) return x;
      return commutes && x === neutral ? y : undefined;
    });
    return result.includes(undefined) ? undefined : (result as Dimension[]);
  };

const T = { T: numbers };
const arithmetic = "A:T B:T -> C:T";
const versions = [6, 7, 13, 14];

const arithmeticOperators: readonly Operator[] = [
  operator("Add", versions, arithmetic, T, () => (x, y) => x + y, { contents: contents((a, b) => a + b, 0, true) }),
  operator("Sub", versions, arithmetic, T, () => (x, y) => x - y, { contents: contents((a, b) => a - b, 0, false) }),
  operator("Mul", versions, arithmetic, T, () => (x, y) => x * y, { contents: contents((a, b) => a * b, 1, true) }),
  operator("Div", versions, arithmetic, T, (_, whole) => (whole ? (x, y) => Math.trunc(x / y) : (x, y) => x / y), {
    contents: contents((a, b) => a / b, 1, false),
  }),
  operator(
    "Mod",
    [10, 13],
    arithmetic,
    T,
    (node) => (flagAttribute(node, "fmod", false) ? (x, y) => x % y : (x, y) => x - y * Math.floor(x / y)),
    {
      infer: (context) => {
        const dtype = context.dtype(0);
        if (dtype && !isInteger(dtype) && !flagAttribute(context.node, "fmod", false))
          refuse(context, "fmod = 1 for floating-point numbers", "fmod = 0");
        return [broadcasted(context, [0, 1])];
      },
    },
  ),
  operator("Pow", [1, 7, 12, 13, 15], "X:T Y:T1 -> Z:T", { T: [...floats, "i32", "i64"], T1: numbers }, (_, whole) =>
    whole ? (x, y) => Math.trunc(x ** y) : (x, y) => x ** y,
  ),
  operator("PRelu", [6, 7, 9, 16], "X:T slope:T -> Y:T", T, () => (x, slope) => (x < 0 ? slope * x : x), {
    infer: (context) => {
      const [x, slope] = [context.shape(0), context.shape(1)];
      if (context.version >= 7) broadcastsTo(context, "a slope", slope, x);
      else checkOldSlope(context, x, slope);
      return [x];
    },
  }),
];

/** Version 6 repeats the slope from the channels on: numpy's broadcasting only where it is one number, or has all axes. */
function checkOldSlope(context: NodeContext, x: Shape | undefined, slope: Shape | undefined): void {
  if (!x || !slope) return;
  const one = slope.every((size) => size === 1);
  if (!one && `${x}` !== `${slope}`) refuse(context, "a slope of one number (operator set below 7)", describe(slope));
}

const comparison = (
  name: string,
  versions: readonly number[],
  types: readonly DType[],
  f: (x: number, y: number) => boolean,
): Operator => operator(name, versions, "A:T B:T -> C:bool", { T: types }, () => (x, y) => (f(x, y) ? 1 : 0));

const comparisonOperators: readonly Operator[] = [
  comparison("And", [1, 7], ["bool"], (x, y) => x !== 0 && y !== 0),
  comparison("Equal", [1, 7, 11, 13, 19], all, (x, y) => x === y),
  comparison("Greater", [1, 7, 9, 13], numbers, (x, y) => x > y),
  comparison("GreaterOrEqual", [12, 16], numbers, (x, y) => x >= y),
  comparison("Less", [1, 7, 9, 13], numbers, (x, y) => x < y),
  comparison("LessOrEqual", [12, 16], numbers, (x, y) => x <= y),
  comparison("Or", [1, 7], ["bool"], (x, y) => x !== 0 || y !== 0),
  comparison("Xor", [1, 7], ["bool"], (x, y) => (x !== 0) !== (y !== 0)),
];

function variadic(
  name: string,
  versions: readonly number[],
  types: readonly DType[],
  step: (total: number, x: number) => number,
  end: (total: number, count: number) => number = (total) => total,
): Operator {
  const own = signature("data*:T -> result:T", { T: types });
  return {
    name,
    versions,
    signature: () => own,
    infer: (context) => {
      if (context.node.inputs.some((input) => input === ""))
        refuse(context, "no absent operand", `[${context.node.inputs.join(", ")}]`);
      const all = context.node.inputs.map((_, i) => i);
      const shapes = all.map((i) => context.shape(i));
      if (context.version < 8 && shapes.some((shape) => shape && shapes[0] && `${shape}` !== `${shapes[0]}`)) {
        refuse(
          context,
          "operands of one shape (operator set below 8)",
          shapes.map((shape) => describe(shape ?? ["?"])).join(" and "),
        );
      }
      return [broadcasted(context, all)];
    },
    evaluate: ({ inputs }) => {
      const [first, ...others] = inputs.map((x) => x!);
      const total = others.reduce((a, b) => broadcast(a, b, a.dtype, step), first!);
      return [mapped(total, (x) => end(x, inputs.length))];
    },
  };
}

const variadicOperators: readonly Operator[] = [
  variadic("Max", [6, 8, 12, 13], numbers, Math.max),
  variadic(
    "Mean",
    [6, 8, 13],
    floats,
    (a, b) => a + b,
    (total, count) => total / count,
  ),
  variadic("Min", [6, 8, 12, 13], numbers, Math.min),
  variadic("Sum", [6, 8, 13], floats, (a, b) => a + b),
];

/** Operators of several operands that broadcast (numpy's rule). */
export const binaryOperators: readonly Operator[] = [
  ...arithmeticOperators,
  ...comparisonOperators,
  ...variadicOperators,
];
