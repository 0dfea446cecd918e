import { compose } from "../../../conv-algebra/compose.js";
import { product } from "../../../conv-algebra/geometry.js";
import type { LinearMap, Refusal } from "../../../conv-algebra/linear-map.js";
import { convolutionMap } from "../../../conv-algebra/linear-map.js";
import { averagePoolMap } from "../../../conv-algebra/pool.js";
import { transposedConvolutionMap } from "../../../conv-algebra/transposed.js";
import { toFloat64 } from "../../../core/named-arrays.js";
import { intAttribute, intsAttribute } from "../../attributes.js";
import type { Dimension, GraphNode } from "../../graph.js";
import { windowOf } from "../../window.js";
import type { Context, LinearNode, UnaryNode } from "./linear-node.js";
import { isPlain } from "./linear-node.js";
import { numbersOf } from "./stored-numbers.js";

const unknownPads = { refused: "its padding depends on an input size that is not known" };

/** A convolution over any number of axes. */
export function convolution({ node, constants, shapes }: Context): LinearNode | Refusal {
  const found = weightsOf(node, constants);
  if ("refused" in found) return found;
  const { weight, bias, groups, kernelSize } = found;
  const [outChannels, groupChannels] = weight.shape;
  if (outChannels % groups !== 0) return { refused: `its ${groups} groups do not divide its channels` };
  if (bias && bias.length !== outChannels) return { refused: "its bias is not one for each channel" };
  const window = windowOf(node, kernelSize, spatialSizes(node, shapes));
  if (!window.pads) return unknownPads;
  const map = convolutionMap(numbersOf(weight), bias, {
    outChannels,
    inChannels: groupChannels * groups,
    groups,
    kernelSize,
    stride: window.strides,
    pads: window.pads,
    dilation: window.dilations,
  });
  return windowNode(node.inputs[0], map, outChannels * groupChannels * product(kernelSize));
}

/** A transposed convolution with constant weights [in, out/groups, …kernel]. */
export function transposedConvolution({ node, constants, shapes }: Context): LinearNode | Refusal {
  const found = weightsOf(node, constants);
  if ("refused" in found) return found;
  const { weight, bias, groups, kernelSize } = found;
  const [inChannels, groupChannels] = weight.shape;
  const outChannels = groupChannels * groups;
  if (inChannels % groups !== 0) return { refused: `its ${groups} groups do not divide its channels` };
  if (bias && bias.length !== outChannels) return { refused: "its bias is not one for each channel" };
  const { strides, dilations } = windowOf({ ...node, attributes: withoutAutoPad(node) }, kernelSize);
  const outputPadding = intsAttribute(node, "output_padding") ?? kernelSize.map(() => 0);
  const pads = transposedPads(node, { kernelSize, strides, dilations, outputPadding }, spatialSizes(node, shapes));
  if (!pads) return unknownPads;
  if (outputPadding.length !== kernelSize.length || outputPadding.some((p, axis) => p < 0 || p >= strides[axis])) {
    return { refused: "its output padding is not less than its stride" };
  }
  const map = transposedConvolutionMap(toFloat64(weight), bias, {
    ...{ inChannels, outChannels, groups, kernelSize, pads, outputPadding },
    stride: strides,
    dilation: dilations,
  });
  return windowNode(node.inputs[0], map, (inChannels * groupChannels * product(kernelSize)) / product(strides));
}

interface Weights {
  readonly weight: NonNullable<ReturnType<Context["constants"]["get"]>>;
  readonly bias: Float64Array | undefined;
  readonly groups: number;
  readonly kernelSize: readonly number[];
}

function weightsOf(node: GraphNode, constants: Context["constants"]): Weights | Refusal {
  const [, weightName, biasName] = node.inputs;
  const weight = constants.get(weightName);
  const bias = biasName ? constants.get(biasName) : undefined;
  if (!weight || (biasName && !bias)) return { refused: "its weight is not a constant" };
  if (weight.shape.length < 3 || weight.shape.includes(0)) {
    return { refused: `its weight of shape [${weight.shape.join(", ")}] is not a convolution's` };
  }
  const groups = intAttribute(node, "group", 1);
  if (groups < 1) return { refused: `its ${groups} groups do not divide its channels` };
  return { weight, bias: bias && toFloat64(bias), groups, kernelSize: weight.shape.slice(2) };
}

const spatialSizes = ({ inputs }: GraphNode, shapes: Context["shapes"]): readonly Dimension[] | undefined =>
  shapes.get(inputs[0])?.slice(2);

function withoutAutoPad({ attributes }: GraphNode): GraphNode["attributes"] {
  const { auto_pad: _, pads: __, ...rest } = attributes;
  return rest;
}

/**
 * Pads of a transposed convolution: as listed, or what `output_shape` or `auto_pad` leave out, of which the odd position is the last one's
 * (SAME_UPPER) or the first one's (ONNX, ConvTranspose). Undefined where they depend on a size that is not known.
 */
function transposedPads(
  node: GraphNode,
  window: {
    kernelSize: readonly number[];
    strides: readonly number[];
    dilations: readonly number[];
    outputPadding: readonly number[];
  },
  sizes: readonly Dimension[] | undefined,
): readonly number[] | undefined {
  const { kernelSize, strides, dilations, outputPadding } = window;
  const auto = node.attributes.auto_pad;
  const mode = auto?.type === "string" ? auto.value : "NOTSET";
  const wanted = intsAttribute(node, "output_shape")?.slice(-kernelSize.length);
  if (!wanted && !mode.startsWith("SAME")) {
    const listed = mode === "VALID" ? undefined : intsAttribute(node, "pads");
    return listed ?? [...kernelSize, ...kernelSize].map(() => 0);
  }
  const totals = kernelSize.map((size, axis) => {
    const from = sizes?.[axis];
    if (typeof from !== "number") return Number.NaN;
    const full = strides[axis] * (from - 1) + outputPadding[axis] + (size - 1) * dilations[axis] + 1;
    return full - (wanted?.[axis] ?? from * strides[axis]);
  });
  if (!totals.every((total) => total >= 0)) return undefined;
  const small = totals.map((total) => Math.floor(total / 2));
  const large = totals.map((total) => Math.ceil(total / 2));
  return mode === "SAME_UPPER" ? [...small, ...large] : [...large, ...small];
}

function windowNode(input: string, map: LinearMap, macs: number): UnaryNode {
  return {
    kind: "unary",
    input,
    free: false,
    weighted: true,
    macs: () => macs,
    after: (inner, view) => (isPlain(view, inner) ? compose(map, inner) : undefined),
  };
}

export function averagePool({ node, shapes }: Context): LinearNode | Refusal {
  const kernel = intsAttribute(node, "kernel_shape") ?? [];
  const sizes = spatialSizes(node, shapes);
  const { strides, dilations, pads, ceilMode } = windowOf(node, kernel, sizes);
  if (!pads) return unknownPads;
  if (pads.some((p) => p !== 0) && intAttribute(node, "count_include_pad", 0) === 0) {
    return { refused: "an average that leaves its padding out of the count is not a convolution at the border" };
  }
  const uneven = (axis: number): boolean => {
    const size = sizes?.[axis];
    if (strides[axis] === 1) return false;
    if (typeof size !== "number") return true;
    const room = size + pads[axis] + pads[axis + kernel.length] - (kernel[axis] - 1) * dilations[axis] - 1;
    return room % strides[axis] !== 0;
  };
  if (ceilMode && kernel.some((_, axis) => uneven(axis))) {
    return { refused: "with ceil_mode its last windows may be incomplete" };
  }
  const window = { kernelSize: kernel, stride: strides, pads, dilation: dilations };
  return {
    kind: "unary",
    input: node.inputs[0],
    free: false,
    weighted: true,
    macs: () => 0, // it only adds: alone it is cheaper than the convolution that it would become
    after: (map, view) => (isPlain(view, map) ? compose(averagePoolMap(map.outChannels, window), map) : undefined),
  };
}
