import { UserError } from "../../core/errors.js";
import { elementCount } from "../../core/named-arrays.js";
import { dtypeOf } from "../../formats/onnx/tensor.js";
import { attribute, flagAttribute, intAttribute } from "../attributes.js";
import { type Tensor64, tensor64, toTensor64, zeros } from "../evaluate/tensor64.js";
import type { Dimension, GraphNode } from "../graph.js";
import { listContents, ranked, scalar } from "./checks.js";
import { describe, type NodeContext, type Operator, refuse } from "./operator.js";
import { all, floats, signature, wholes } from "./signature.js";

/** A Constant's value. @throws UserError for strings and sparse ones. */
function constantValue(node: GraphNode): Tensor64 {
  const value = attribute(node, "value", "tensor");
  if (value) return toTensor64(value);
  const number = attribute(node, "value_float", "float") ?? attribute(node, "value_int", "int");
  const dtype = node.attributes["value_int"] || node.attributes["value_ints"] ? "i64" : "f32";
  if (number !== undefined) return tensor64([], Float64Array.of(number), dtype);
  const numbers = attribute(node, "value_floats", "floats") ?? attribute(node, "value_ints", "ints");
  if (numbers) return tensor64([numbers.length], Float64Array.from(numbers), dtype);
  throw new UserError({ expected: `a dense numeric value in Constant "${node.name}"`, received: "another kind" });
}

/** Whether a Constant has a value that we can hold: dense and numeric. */
export function isDenseConstant(node: GraphNode): boolean {
  if (node.attributes["value"]) return node.attributes["value"].type === "tensor";
  return ["value_float", "value_floats", "value_int", "value_ints"].some((name) => name in node.attributes);
}

const constantSignature = signature("-> output:T", { T: all });

const constant: Operator = {
  name: "Constant",
  versions: [1, 9, 11, 12, 13, 19, 21, 23, 24, 25],
  signature: () => constantSignature,
  infer: ({ node }) => [isDenseConstant(node) ? constantValue(node).shape : undefined],
  dtypes: ({ node }) => [isDenseConstant(node) ? constantValue(node).dtype : undefined],
  evaluate: ({ node }) => [constantValue(node)],
};

const ofShapeSignature = signature("input:i64 -> output:T", { T: all });

const constantOfShape: Operator = {
  name: "ConstantOfShape",
  versions: [9, 20, 21, 23, 24, 25],
  signature: () => ofShapeSignature,
  infer(context) {
    const shape = listContents(context, 0);
    if (shape?.some((size) => typeof size === "number" && !(size >= 0)))
      refuse(context, "sizes from 0", describe(shape));
    return [shape];
  },
  dtypes: ({ node }) => [attribute(node, "value", "tensor")?.dtype ?? "f32"],
  evaluate: ({ node, outputShapes: [shape] }) => {
    const value = attribute(node, "value", "tensor");
    return [tensor64(shape!, zeros(shape!).fill(value ? toTensor64(value).data[0] : 0), value?.dtype ?? "f32")];
  },
  contents(context) {
    const [size] = context.contents(0) ?? [];
    const value = attribute(context.node, "value", "tensor");
    if (context.contents(0)?.length !== 1 || typeof size !== "number" || !(size >= 0 && size <= 64)) return undefined;
    return new Array<number>(size).fill(value ? toTensor64(value).data[0] : 0);
  },
};

const rangeSignature = signature("start:T limit:T delta:T -> output:T", { T: [...floats, ...wholes] });

const range: Operator = {
  name: "Range",
  versions: [11, 27],
  signature: () => rangeSignature,
  infer(context) {
    for (const [i, name] of ["start", "limit", "delta"].entries()) scalar(context, i, name);
    const [start, limit, delta] = [0, 1, 2].map((i) => listContents(context, i)?.[0]);
    if (delta === 0) refuse(context, "a delta other than 0", "0");
    if (typeof start !== "number" || typeof limit !== "number" || typeof delta !== "number")
      return [[`${context.node.outputs[0]}:0`]];
    return [[Math.max(0, Math.ceil((limit - start) / delta))]];
  },
  evaluate: ({ inputs: [start, , delta], outputShapes: [shape] }) => [
    tensor64(
      shape!,
      zeros(shape!).map((_, i) => start!.data[0] + i * delta!.data[0]),
      start!.dtype,
    ),
  ],
};

/** The sizes between attributes `start` and `end` (since version 15). */
function shapePart(context: NodeContext): readonly Dimension[] | undefined {
  const x = context.shape(0);
  return x?.slice(intAttribute(context.node, "start", 0), attribute(context.node, "end", "int") ?? x.length);
}

const shapeSignature = signature("data:T -> shape:i64", { T: all });

const shape: Operator = {
  name: "Shape",
  versions: [1, 13, 15, 19, 21, 23, 24, 25],
  signature: () => shapeSignature,
  infer: (context) => {
    const part = shapePart(context);
    return [part && [part.length]];
  },
  evaluate: (call) => {
    const part = shapePart(call) as readonly number[];
    return [tensor64([part.length], Float64Array.from(part), "i64")];
  },
  contents: shapePart,
};

const sizeSignature = signature("data:T -> size:i64", { T: all });

const size: Operator = {
  name: "Size",
  versions: [1, 13, 19, 21, 23, 24, 25],
  signature: () => sizeSignature,
  infer: () => [[]],
  evaluate: ({ inputs: [x] }) => [tensor64([], Float64Array.of(elementCount(x!.shape)), "i64")],
  contents: (context) => {
    const x = context.shape(0);
    return x?.every((s) => typeof s === "number") ? [elementCount(x as readonly number[])] : undefined;
  },
};

const eyeSignature = signature("input:T1 -> output:T2", { T1: all, T2: all });

const eyeLike: Operator = {
  name: "EyeLike",
  versions: [9, 22],
  signature: () => eyeSignature,
  infer: (context) => [ranked(context, 0, [2], "a matrix")],
  dtypes: (context) => [dtypeOf(intAttribute(context.node, "dtype", 0)) ?? context.dtype(0)],
  evaluate: ({ node, inputs: [x] }) => {
    const [k, columns] = [intAttribute(node, "k", 0), x!.shape[1]];
    return [
      tensor64(
        x!.shape,
        x!.data.map((_, i) => ((i % columns) - Math.floor(i / columns) === k ? 1 : 0)),
        dtypeOf(intAttribute(node, "dtype", 0)) ?? x!.dtype,
      ),
    ];
  },
};

const triluSignature = signature("input:T k?:i64 -> output:T", { T: all });

const trilu: Operator = {
  name: "Trilu",
  versions: [14],
  signature: () => triluSignature,
  infer: (context) => {
    scalar(context, 1, "k");
    return [ranked(context, 0, (rank) => rank >= 2, "matrices")];
  },
  evaluate: ({ node, inputs: [x, k] }) => {
    const [rows, columns] = x!.shape.slice(-2);
    const [offset, upper] = [k?.data[0] ?? 0, flagAttribute(node, "upper", true)];
    return [
      tensor64(
        x!.shape,
        x!.data.map((v, i) => {
          const distance = (i % columns) - (Math.floor(i / columns) % rows) - offset;
          return (upper ? distance >= 0 : distance <= 0) ? v : 0;
        }),
        x!.dtype,
      ),
    ];
  },
};

const nonZeroSignature = signature("X:T -> Y:i64", { T: all });

/** Indices of what is not zero, [rank][count]: the count depends on the data. */
const nonZero: Operator = {
  name: "NonZero",
  versions: [9, 13],
  signature: () => nonZeroSignature,
  infer: (context) => {
    const x = context.shape(0);
    return [x && [Math.max(x.length, 0), `${context.node.outputs[0]}:1`]];
  },
  evaluate: ({ inputs: [x] }) => {
    const places = [...x!.data.keys()].filter((i) => x!.data[i] !== 0);
    const strides = x!.shape.map((_, axis) => elementCount(x!.shape.slice(axis + 1)));
    const data = x!.shape.flatMap((own, axis) => places.map((i) => Math.floor(i / strides[axis]) % own));
    return [tensor64([x!.shape.length, places.length], Float64Array.from(data), "i64")];
  },
};

/** Values that are made, or told of a shape. */
export const constantOperators: readonly Operator[] = [
  constant,
  constantOfShape,
  eyeLike,
  nonZero,
  range,
  shape,
  size,
  trilu,
];
