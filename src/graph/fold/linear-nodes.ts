import type { Affine } from "../../conv-algebra/affine.js";
import { affine, applyAffine, batchNormAffine } from "../../conv-algebra/affine.js";
import { compose } from "../../conv-algebra/compose.js";
import type { Pads, Pair } from "../../conv-algebra/geometry.js";
import type { LinearMap, Refusal } from "../../conv-algebra/linear-map.js";
import { convolutionMap } from "../../conv-algebra/linear-map.js";
import { padOutput } from "../../conv-algebra/pad.js";
import { averagePoolMap } from "../../conv-algebra/pool.js";
import type { NamedArray } from "../../core/named-arrays.js";
import { toFloat64 } from "../../core/named-arrays.js";
import { attribute, floatAttribute, intAttribute, intsAttribute, stringAttribute } from "../attributes.js";
import type { Dimension, Graph, GraphNode } from "../graph.js";
import { windowOf } from "../window.js";

/** A node that is linear in its inputs, as what it does to the maps that give them. */
export type LinearNode = UnaryNode | JoiningNode;

export interface UnaryNode {
  readonly kind: "unary";
  readonly input: string;
  /** The node after a map. */
  after(map: LinearMap): LinearMap | Refusal;
  /** Per-channel affine: after any map it costs nothing and is always exact. */
  readonly free: boolean;
  /** Multiply-accumulates for one output position, of a value with that many channels. */
  macs(channels: number): number;
}

export interface JoiningNode {
  readonly kind: "sum" | "concat";
  readonly inputs: readonly string[];
  /** For sums: +1 or −1 of each input. */
  readonly signs: readonly number[];
}

type Shapes = ReadonlyMap<string, readonly Dimension[]>;

/**
 * How a node is linear; a refusal where it would be but for something in it; undefined where it is not (ReLU, SE's product, …) and
 * bounds regions.
 */
export function linearNode(node: GraphNode, graph: Graph, shapes: Shapes): LinearNode | Refusal | undefined {
  if (node.domain !== "" || !Object.hasOwn(makers, node.op)) return undefined;
  return makers[node.op]({ node, constants: graph.initializers, shapes });
}

interface Context {
  readonly node: GraphNode;
  readonly constants: ReadonlyMap<string, NamedArray>;
  readonly shapes: Shapes;
}

type Maker = (context: Context) => LinearNode | Refusal | undefined;

const makers: Readonly<Record<string, Maker>> = {
  Add: (context) => arithmetic(context, [1, 1], (c) => ({ shift: c })),
  AveragePool: averagePool,
  BatchNormalization: batchNormalization,
  Concat: ({ node }) => {
    if (intAttribute(node, "axis", 0) !== 1) return undefined;
    return { kind: "concat", inputs: node.inputs, signs: node.inputs.map(() => 1) };
  },
  Conv: convolution,
  Div: (context) => scaling(context, (c) => c.map((x) => 1 / x), false),
  Dropout: passing,
  Identity: passing,
  Mul: (context) => scaling(context, (c) => c, true),
  Neg: ({ node }) =>
    affineNode(node.inputs[0], (channels) => affine(channels, { scale: new Float64Array(channels).fill(-1) })),
  Pad: pad,
  Sub: (context) => arithmetic(context, [1, -1], (c) => ({ shift: c.map((x) => -x) })),
  Sum: ({ node }) => ({ kind: "sum", inputs: node.inputs, signs: node.inputs.map(() => 1) }),
};

function affineNode(input: string, make: (channels: number) => Affine | Refusal, macs = 1): UnaryNode {
  return {
    kind: "unary",
    input,
    free: true,
    macs: (channels) => macs * channels,
    after(map) {
      const made = make(map.outChannels);
      return "refused" in made ? made : applyAffine(map, made);
    },
  };
}

function passing({ node }: Context): LinearNode {
  return { kind: "unary", input: node.inputs[0], free: true, macs: () => 0, after: (map) => map };
}

function convolution({ node, constants, shapes }: Context): LinearNode | Refusal {
  const [input, weightName, biasName] = node.inputs;
  const weight = constants.get(weightName);
  const bias = biasName ? constants.get(biasName) : undefined;
  if (!weight || (biasName && !bias)) return { refused: "its weight is not a constant" };
  if (weight.shape.length !== 4) return { refused: "only 2-D convolutions fold" };
  const [outChannels, groupChannels, kh, kw] = weight.shape;
  const groups = intAttribute(node, "group", 1);
  const window = windowOf(node, [kh, kw], shapes.get(input)?.slice(2));
  if (!window.pads) return { refused: "its auto_pad depends on an input size that is not known" };
  const map = convolutionMap(numbersOf(weight), bias && toFloat64(bias), {
    outChannels,
    inChannels: groupChannels * groups,
    groups,
    kernelSize: [kh, kw],
    stride: window.strides as unknown as Pair,
    pads: window.pads as unknown as Pads,
    dilation: window.dilations as unknown as Pair,
  });
  const macs = outChannels * groupChannels * kh * kw;
  return { kind: "unary", input, free: false, macs: () => macs, after: (inner) => compose(map, inner) };
}

/** The stored numbers themselves where they are numbers already: a 100 MB weight is not copied to be planned with. */
function numbersOf(array: NamedArray): ArrayLike<number> {
  return array.dtype === "f32" ? array.data : toFloat64(array);
}

function batchNormalization({ node, constants }: Context): LinearNode | Refusal {
  if (intAttribute(node, "training_mode", 0) === 1 || node.outputs.slice(1).some((output) => output !== "")) {
    return { refused: "BatchNormalization in training mode depends on the batch: export the model in evaluation mode" };
  }
  if (intAttribute(node, "spatial", 1) === 0)
    return { refused: "BatchNormalization with spatial = 0 is not per channel" };
  const [gamma, beta, mean, variance] = node.inputs.slice(1).map((name) => constants.get(name));
  if (!gamma || !beta || !mean || !variance) return { refused: "its scale, bias or statistics are not constants" };
  const made = batchNormAffine({
    gamma: toFloat64(gamma),
    beta: toFloat64(beta),
    mean: toFloat64(mean),
    variance: toFloat64(variance),
    epsilon: floatAttribute(node, "epsilon", 1e-5),
  });
  return affineNode(node.inputs[0], (channels) =>
    channels === made.scale.length
      ? made
      : { refused: `statistics for ${made.scale.length} channels do not fit ${channels}` },
  );
}

/** Add and Sub: of a constant per channel, or of two values. */
function arithmetic(
  { node, constants }: Context,
  signs: readonly [number, number],
  shift: (constant: Float64Array) => { shift: Float64Array },
): LinearNode | Refusal {
  const [a, b] = node.inputs;
  const [left, right] = [constants.get(a), constants.get(b)];
  if (right)
    return affineNode(
      a,
      channelConstant(right, (c, channels) => affine(channels, shift(c))),
    );
  if (!left) return { kind: "sum", inputs: [a, b], signs };
  return affineNode(
    b,
    channelConstant(left, (c, channels) =>
      affine(channels, { shift: c, scale: new Float64Array(channels).fill(signs[1]) }),
    ),
  );
}

/** Mul and Div by a constant per channel. */
function scaling(
  { node, constants }: Context,
  scale: (constant: Float64Array) => Float64Array,
  commutes: boolean,
): LinearNode | Refusal | undefined {
  const [a, b] = node.inputs;
  const [left, right] = [constants.get(a), constants.get(b)];
  const make = (constant: NamedArray): ((channels: number) => Affine | Refusal) =>
    channelConstant(constant, (c, channels) => affine(channels, { scale: scale(c) }));
  if (right) return affineNode(a, make(right));
  if (!left) return undefined;
  return commutes ? affineNode(b, make(left)) : { refused: "a constant divided by a value is not linear" };
}

/** A constant that broadcasts to [1, C, 1, 1], as C numbers. */
function channelConstant(
  constant: NamedArray,
  make: (values: Float64Array, channels: number) => Affine,
): (channels: number) => Affine | Refusal {
  const { shape } = constant;
  const [batch, size, height, width] = [...new Array<number>(Math.max(0, 4 - shape.length)).fill(1), ...shape];
  return (channels) => {
    if (shape.length > 4 || batch !== 1 || height !== 1 || width !== 1) {
      return { refused: `its constant of shape [${shape.join(", ")}] varies over positions, not only over channels` };
    }
    if (size !== 1 && size !== channels) return { refused: `its constant has ${size} channels, the value ${channels}` };
    const values = toFloat64(constant);
    return make(size === channels ? values : new Float64Array(channels).fill(values[0]), channels);
  };
}

function averagePool({ node, shapes }: Context): LinearNode | Refusal {
  const kernel = intsAttribute(node, "kernel_shape") ?? [];
  if (kernel.length !== 2) return { refused: "only 2-D pools fold" };
  const sizes = shapes.get(node.inputs[0])?.slice(2);
  const { strides, dilations, pads, ceilMode } = windowOf(node, kernel, sizes);
  if (!pads) return { refused: "its auto_pad depends on an input size that is not known" };
  if (pads.some((p) => p !== 0) && intAttribute(node, "count_include_pad", 0) === 0) {
    return { refused: "an average that leaves its padding out of the count is not a convolution at the border" };
  }
  const uneven = (axis: number): boolean => {
    const size = sizes?.[axis];
    if (strides[axis] === 1) return false;
    if (typeof size !== "number") return true;
    return (size + pads[axis] + pads[axis + 2] - (kernel[axis] - 1) * dilations[axis] - 1) % strides[axis] !== 0;
  };
  if (ceilMode && (uneven(0) || uneven(1))) return { refused: "with ceil_mode its last windows may be incomplete" };
  const window = {
    kernelSize: kernel as unknown as Pair,
    stride: strides as unknown as Pair,
    pads: pads as unknown as Pads,
    dilation: dilations as unknown as Pair,
  };
  return {
    kind: "unary",
    input: node.inputs[0],
    free: false,
    macs: () => 0, // it only adds: alone it is cheaper than the convolution that it would become
    after: (map) => compose(averagePoolMap(map.outChannels, window), map),
  };
}

function pad({ node, constants }: Context): LinearNode | Refusal {
  const [input, padsName, valueName, axesName] = node.inputs;
  const mode = stringAttribute(node, "mode", "constant");
  if (mode !== "constant")
    return { refused: `padding in mode "${mode}" repeats the input: a convolution pads with zeros` };
  const given = padsName ? constants.get(padsName) && toFloat64(constants.get(padsName)!) : intsAttribute(node, "pads");
  if (!given || axesName) return { refused: "its pads are not constants for all axes" };
  if (given.length !== 8 || given[0] || given[1] || given[4] || given[5]) {
    return { refused: "it pads other axes than height and width" };
  }
  const stored = valueName ? constants.get(valueName) : undefined;
  if (valueName && !stored) return { refused: "its pad value is not a constant" };
  const value = stored ? toFloat64(stored)[0] : (attribute(node, "value", "float") ?? 0);
  return {
    kind: "unary",
    input,
    free: false,
    macs: () => 0,
    after: (map) =>
      padOutput(
        map,
        [given[2], given[3], given[6], given[7]],
        value ? new Float64Array(map.outChannels).fill(value) : undefined,
      ),
  };
}
