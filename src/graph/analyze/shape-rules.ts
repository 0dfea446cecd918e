import { attribute, intAttribute, intsAttribute } from "../attributes.js";
import { sliceRange, splitSizes, unsqueezed } from "../evaluate/layout.js";
import { normalAxis } from "../evaluate/tensor64.js";
import type { Dimension, GraphNode } from "../graph.js";
import { broadcastShapes } from "../shapes.js";
import { windowOf, windowOutput } from "../window.js";
import { remainingDimension, windowedDimension } from "./dimensions.js";

type Shape = readonly Dimension[];

/** What a rule may ask about a node's inputs. */
export interface RuleContext {
  readonly node: GraphNode;
  readonly shapes: readonly (Shape | undefined)[];
  /** Elements of a small input (shape, axes, pads, scales), dynamic sizes by name; undefined where unknown or absent. */
  contents(input: number): readonly Dimension[] | undefined;
}

/** Shapes of a node's outputs, or undefined where they cannot be told. Called with the first input's shape known. */
export type ShapeRule = (context: RuleContext, x: Shape) => (Shape | undefined)[] | undefined;

const same: ShapeRule = (_, x) => [x];

const broadcasted: ShapeRule = ({ shapes }) =>
  shapes.includes(undefined) ? undefined : [shapes.reduce<Shape>((a, b) => broadcastShapes(a, b!), [])];

/** Integers of an input, or of the attribute that older opsets have in its place, where all are static. */
function numbers({ node, contents }: RuleContext, input: number, attribute?: string): readonly number[] | undefined {
  if (node.inputs[input]) {
    const values = contents(input);
    return values?.every((v) => typeof v === "number") ? (values as number[]) : undefined;
  }
  return attribute === undefined ? undefined : intsAttribute(node, attribute);
}

const isAbsent = (node: GraphNode, input: number): boolean => !node.inputs[input];

function windowed(node: GraphNode, x: Shape, kernel: readonly number[]): Dimension[] | undefined {
  const sizes = x.slice(2);
  const window = windowOf(node, kernel, sizes);
  const { pads } = window;
  if (!pads || sizes.length !== kernel.length) return undefined;
  return sizes.map((size, axis) => {
    if (typeof size === "number") return windowOutput({ ...window, pads }, axis, size);
    const extent = (kernel[axis] - 1) * window.dilations[axis] + 1;
    const growth = pads[axis] + pads[axis + kernel.length] - extent;
    return windowedDimension(size, window.ceilMode ? growth + window.strides[axis] - 1 : growth, window.strides[axis]);
  });
}

const pool: ShapeRule = ({ node }, x) => {
  const sizes = windowed(node, x, intsAttribute(node, "kernel_shape") ?? []);
  return sizes && [[...x.slice(0, 2), ...sizes]];
};

const globalPool: ShapeRule = (_, x) => [[...x.slice(0, 2), ...x.slice(2).map(() => 1)]];

const reduced: ShapeRule = (context, x) => {
  const { node } = context;
  const axes = numbers(context, 1, "axes") ?? (isAbsent(node, 1) ? [] : undefined);
  if (!axes) return undefined;
  if (axes.length === 0 && intAttribute(node, "noop_with_empty_axes", 0)) return [x];
  const all = new Set(axes.length === 0 ? x.keys() : axes.map((axis) => normalAxis(axis, x.length)));
  if (intAttribute(node, "keepdims", 1) === 1) return [x.map((size, axis) => (all.has(axis) ? 1 : size))];
  return [x.filter((_, axis) => !all.has(axis))];
};

const reshape: ShapeRule = ({ node, contents }, x) => {
  const target = contents(1);
  if (!target) return undefined;
  const allowZero = intAttribute(node, "allowzero", 0) === 1;
  const sizes = target.map((size, axis) => (size === 0 && !allowZero ? x[axis] : size));
  const unknown = sizes.indexOf(-1);
  if (unknown < 0) return [sizes];
  const rest = remainingDimension(x, sizes.toSpliced(unknown, 1));
  return [sizes.with(unknown, rest ?? `${node.outputs[0]}:${unknown}`)];
};

const slice: ShapeRule = (context, x) => {
  const { node } = context;
  const starts = numbers(context, 1, "starts");
  const ends = numbers(context, 2, "ends");
  const axes = isAbsent(node, 3) ? (intsAttribute(node, "axes") ?? starts?.map((_, i) => i)) : numbers(context, 3);
  const steps = isAbsent(node, 4) ? starts?.map(() => 1) : numbers(context, 4);
  if (!starts || !ends || !axes || !steps) return undefined;
  const shape = [...x];
  axes.forEach((named, i) => {
    const axis = normalAxis(named, x.length);
    const size = x[axis];
    shape[axis] =
      typeof size === "number" ? sliceRange(size, starts[i], ends[i], steps[i]).count : `${node.outputs[0]}:${axis}`;
  });
  return [shape];
};

const pad: ShapeRule = (context, x) => {
  const pads = numbers(context, 1, "pads");
  const axes = isAbsent(context.node, 3) ? [...x.keys()] : numbers(context, 3);
  if (!pads || !axes) return undefined;
  const shape = [...x];
  axes.forEach((named, i) => {
    const axis = normalAxis(named, x.length);
    shape[axis] = windowedDimension(x[axis], pads[i] + pads[i + axes.length] - 1, 1);
  });
  return [shape];
};

const resize: ShapeRule = ({ contents }, x) => {
  const sizes = contents(3);
  if (sizes) return [sizes];
  const scales = contents(2);
  return scales?.length === x.length ? [x.map((size, axis) => scaled(size, scales[axis]))] : undefined;
};

function scaled(size: Dimension, scale: Dimension): Dimension {
  if (scale === 1) return size;
  return typeof size === "number" && typeof scale === "number" ? Math.floor(size * scale) : `floor(${size}*${scale})`;
}

const elementwise = [
  "Abs,BatchNormalization,Cast,Ceil,Clip,Dropout,Elu,Erf,Exp,Floor,Gelu,HardSigmoid,HardSwish,Identity,LayerNormalization",
  "LeakyRelu,Log,LogSoftmax,Mish,Neg,Not,PRelu,Reciprocal,Relu,Round,Sigmoid,Sign,Softmax,Softplus,Sqrt,Swish,Tanh,InstanceNormalization",
].flatMap((names) => names.split(","));
const broadcasting =
  "Add,And,Div,Equal,Greater,GreaterOrEqual,Less,LessOrEqual,Max,Mean,Min,Mul,Or,Pow,Sub,Sum,Where".split(",");
const reducing = "ReduceL1,ReduceL2,ReduceMax,ReduceMean,ReduceMin,ReduceProd,ReduceSum".split(",");

const table = (names: readonly string[], rule: ShapeRule): Record<string, ShapeRule> =>
  Object.fromEntries(names.map((name) => [name, rule]));

export const shapeRules: Readonly<Record<string, ShapeRule>> = {
  ...table(elementwise, same),
  ...table(broadcasting, broadcasted),
  ...table(reducing, reduced),
  ArgMax: ({ node }, x) => {
    const axis = normalAxis(intAttribute(node, "axis", 0), x.length);
    return [intAttribute(node, "keepdims", 1) === 1 ? x.with(axis, 1) : x.toSpliced(axis, 1)];
  },
  AveragePool: pool,
  Concat: ({ node, shapes }, x) => {
    if (shapes.includes(undefined)) return undefined;
    const axis = normalAxis(intAttribute(node, "axis", 0), x.length);
    const sizes = shapes.map((shape) => shape![axis]);
    const total = sizes.every((size) => typeof size === "number")
      ? sizes.reduce((a, b) => a + b, 0)
      : `${node.outputs[0]}:${axis}`;
    return [x.with(axis, total)];
  },
  ConstantOfShape: ({ contents }) => [contents(0)],
  Conv: ({ node, shapes: [, weight] }, x) => {
    if (!weight?.every((size) => typeof size === "number")) return undefined;
    const sizes = windowed(node, x, weight.slice(2) as number[]);
    return sizes && [[x[0], weight[0], ...sizes]];
  },
  DepthToSpace: ({ node }, [n, channels, ...sizes]) => {
    const size = intAttribute(node, "blocksize", 1);
    return typeof channels === "number" ? [[n, channels / size ** 2, ...sizes.map((s) => scaled(s, size))]] : undefined;
  },
  Expand: ({ contents }, x) => {
    const target = contents(1);
    return target && [broadcastShapes(x, target)];
  },
  Flatten: ({ node }, x) => {
    const axis = intAttribute(node, "axis", 1);
    const at = axis < 0 ? axis + x.length : axis;
    const join = (sizes: Shape, name: number): Dimension =>
      remainingDimension(sizes, []) ?? `${node.outputs[0]}:${name}`;
    return [[join(x.slice(0, at), 0), join(x.slice(at), 1)]];
  },
  Gather: ({ node, shapes: [, indices] }, x) => {
    const axis = normalAxis(intAttribute(node, "axis", 0), x.length);
    return indices && [[...x.slice(0, axis), ...indices, ...x.slice(axis + 1)]];
  },
  Gemm: ({ node, shapes: [, b] }, x) => {
    if (!b) return undefined;
    return [[x[intAttribute(node, "transA", 0) ? 1 : 0], b[intAttribute(node, "transB", 0) ? 0 : 1]]];
  },
  GlobalAveragePool: globalPool,
  GlobalMaxPool: globalPool,
  MatMul: ({ shapes: [, b] }, x) => {
    if (!b || x.length < 2 || b.length < 2) return undefined;
    return [[...broadcastShapes(x.slice(0, -2), b.slice(0, -2)), x.at(-2)!, b.at(-1)!]];
  },
  MaxPool: pool,
  Pad: pad,
  Reshape: reshape,
  Resize: resize,
  Shape: ({ node }, x) => [[x.slice(intAttribute(node, "start", 0), intAttribute(node, "end", x.length)).length]],
  Size: () => [[]],
  Slice: slice,
  Split: (context, x) => {
    const { node } = context;
    const axis = normalAxis(intAttribute(node, "axis", 0), x.length);
    const size = x[axis];
    const given = numbers(context, 1, "split");
    if (!isAbsent(node, 1) && !given) return undefined;
    if (typeof size !== "number" && !given) return undefined;
    return splitSizes(size as number, given, node.outputs.length).map((part) => x.with(axis, part));
  },
  Squeeze: (context, x) => {
    const axes = numbers(context, 1, "axes");
    if (!axes && (!isAbsent(context.node, 1) || x.some((size) => typeof size === "string"))) return undefined;
    const dropped = axes?.map((axis) => normalAxis(axis, x.length));
    return [x.filter((size, axis) => (dropped ? !dropped.includes(axis) : size !== 1))];
  },
  Tile: (context, x) => {
    const repeats = numbers(context, 1);
    return repeats && [x.map((size, axis) => scaled(size, repeats[axis]))];
  },
  Transpose: ({ node }, x) => [(intsAttribute(node, "perm") ?? [...x.keys()].reverse()).map((axis) => x[axis])],
  Upsample: ({ node, contents }, x) => {
    const scales = contents(1) ?? attribute(node, "scales", "floats");
    return scales && [x.map((size, axis) => scaled(size, scales[axis]))];
  },
  Unsqueeze: (context, x) => {
    const axes = numbers(context, 1, "axes");
    return axes && [unsqueezed<Dimension>(x, axes, 1)];
  },
};
