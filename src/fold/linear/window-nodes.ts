import { compose } from "../../conv-algebra/compose.js";
import { product } from "../../conv-algebra/geometry.js";
import type { LinearMap } from "../../conv-algebra/linear-map.js";
import { convolutionMap } from "../../conv-algebra/linear-map.js";
import { pixelMap } from "../../conv-algebra/pixels.js";
import { averagePoolMap } from "../../conv-algebra/pool.js";
import { transposedConvolutionMap } from "../../conv-algebra/transposed.js";
import { toFloat64 } from "../../core/named-arrays.js";
import { flagAttribute, intAttribute, intsAttribute, stringAttribute } from "../../graph/attributes.js";
import type { Dimension, GraphNode } from "../../graph/graph.js";
import { windowOf } from "../../graph/window.js";
import { transposedWindow } from "../../operators/conv.js";
import { type Refusal, refuse } from "../refusals.js";
import type { Context, LinearNode, UnaryNode } from "./linear-node.js";
import { isPlain } from "./linear-node.js";
import type { Rule } from "./rule.js";
import { notConstant, numbersOf } from "./stored-numbers.js";

const unknownPads = refuse("unknown-size", "its padding depends on an input size that is not known");

/** A convolution over any number of axes. Its operands have passed the operator's checks. */
function convolution({ node, constants, producers, shapes }: Context): LinearNode | Refusal {
  const found = weightsOf({ node, constants, producers });
  if ("refused" in found) return found;
  const { weight, bias, groups, kernelSize } = found;
  const [outChannels, groupChannels] = weight.shape;
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
function transposedConvolution({ node, own, constants, producers, shapes }: Context): LinearNode | Refusal {
  const found = weightsOf({ node, constants, producers });
  if ("refused" in found) return found;
  const { weight, bias, groups, kernelSize } = found;
  const [inChannels, groupChannels] = weight.shape;
  const outChannels = groupChannels * groups;
  const sizes = spatialSizes(node, shapes) ?? kernelSize.map(() => "?");
  const sized = stringAttribute(node, "auto_pad", "NOTSET").startsWith("SAME") || node.attributes.output_shape;
  if (sized && !sizes.every((size) => typeof size === "number")) return unknownPads;
  // Else the pads are the same for any size.
  const window = transposedWindow(own, kernelSize, sized ? (sizes as number[]) : kernelSize);
  const map = transposedConvolutionMap(toFloat64(weight), bias, {
    ...{ inChannels, outChannels, groups, kernelSize, pads: window.pads },
    stride: window.strides,
    dilation: window.dilations,
    outputPadding: intsAttribute(node, "output_padding") ?? kernelSize.map(() => 0),
  });
  const macs = (inChannels * groupChannels * product(kernelSize)) / product(window.strides);
  return windowNode(node.inputs[0], map, macs);
}

interface Weights {
  readonly weight: NonNullable<ReturnType<Context["constants"]["get"]>>;
  readonly bias: Float64Array | undefined;
  readonly groups: number;
  readonly kernelSize: readonly number[];
}

type OfWeights = Pick<Context, "node" | "constants" | "producers">;

function weightsOf({ node, constants, producers }: OfWeights): Weights | Refusal {
  const [, weightName, biasName] = node.inputs;
  const weight = constants.get(weightName);
  const bias = biasName ? constants.get(biasName) : undefined;
  if (!weight || (biasName && !bias)) return notConstant({ producers }, weightName);
  if (weight.shape.includes(0)) {
    return refuse("no-weights", `its weight of shape [${weight.shape.join(", ")}] is not a convolution's`);
  }
  const groups = intAttribute(node, "group", 1);
  return { weight, bias: bias && toFloat64(bias), groups, kernelSize: weight.shape.slice(2) };
}

const spatialSizes = ({ inputs }: GraphNode, shapes: Context["shapes"]): readonly Dimension[] | undefined =>
  shapes.get(inputs[0])?.slice(2);

function windowNode(input: string, map: LinearMap, macs: number): UnaryNode {
  return {
    kind: "unary",
    input,
    free: false,
    weighted: true,
    macs: () => macs,
    after: (inner, view) => (isPlain(view, inner) ? compose(map, inner) : undefined),
    afterPixels(inner, image) {
      if (image.length !== map.kernelSize.length + 1) return undefined;
      const pixels = pixelMap(map, image);
      if ("refused" in pixels) return pixels;
      const composed = compose(pixels.map, inner);
      return "refused" in composed ? composed : { map: composed, image: pixels.image };
    },
  };
}

function averagePool({ node, shapes }: Context): LinearNode | Refusal {
  const kernel = intsAttribute(node, "kernel_shape") ?? [];
  const sizes = spatialSizes(node, shapes);
  const { strides, dilations, pads, ceilMode } = windowOf(node, kernel, sizes);
  if (!pads) return unknownPads;
  if (pads.some((p) => p !== 0) && !flagAttribute(node, "count_include_pad", false)) {
    return refuse(
      "uncounted-padding",
      "an average that leaves its padding out of the count is not a convolution at the border",
    );
  }
  const uneven = (axis: number): boolean => {
    const size = sizes?.[axis];
    if (strides[axis] === 1) return false;
    if (typeof size !== "number") return true;
    const room = size + pads[axis] + pads[axis + kernel.length] - (kernel[axis] - 1) * dilations[axis] - 1;
    return room % strides[axis] !== 0;
  };
  if (ceilMode && kernel.some((_, axis) => uneven(axis))) {
    return refuse("incomplete-windows", "with ceil_mode its last windows may be incomplete");
  }
  const window = { kernelSize: kernel, stride: strides, pads, dilation: dilations };
  return {
    kind: "unary",
    input: node.inputs[0],
    free: false,
    macs: () => 0, // it only adds: alone it is cheaper than the convolution that it would become
    after: (map, view) => (isPlain(view, map) ? compose(averagePoolMap(map.outChannels, window), map) : undefined),
  };
}

export const composition: Rule = {
  id: "composition",
  nodes: "Conv with constant weights, after a map",
  effect: "composes its kernel with the map's: a kernel of both extents, the product of strides, pads of both",
  refuses: [
    ...([
      "computed",
      "quantized",
      "unknown-size",
      "no-weights",
      "bias-before-padding",
      "input-beyond-the-edge",
    ] as const),
    "strided-and-transposed",
  ],
  makers: { Conv: convolution },
};

export const transposed: Rule = {
  id: "transposed",
  nodes: "ConvTranspose with constant weights, after a map",
  effect: "composes its flipped kernel with the map's, with zeros between the positions that it reads",
  refuses: [
    ...([
      "computed",
      "quantized",
      "unknown-size",
      "no-weights",
      "bias-before-transposed",
      "strided-and-transposed",
    ] as const),
    "input-beyond-the-edge",
  ],
  makers: { ConvTranspose: transposedConvolution },
};

export const averages: Rule = {
  id: "average-pool",
  nodes: "AveragePool, unpadded or counting its padding",
  effect: "composes a depthwise kernel of 1/k for a window of k positions",
  refuses: [
    ...(["unknown-size", "uncounted-padding", "incomplete-windows", "bias-before-padding"] as const),
    ...(["input-beyond-the-edge", "strided-and-transposed"] as const),
  ],
  makers: { AveragePool: averagePool },
};
