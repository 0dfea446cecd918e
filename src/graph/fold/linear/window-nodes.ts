import { compose } from "../../../conv-algebra/compose.js";
import type { Pads, Pair } from "../../../conv-algebra/geometry.js";
import type { Refusal } from "../../../conv-algebra/linear-map.js";
import { convolutionMap } from "../../../conv-algebra/linear-map.js";
import { padOutput } from "../../../conv-algebra/pad.js";
import { averagePoolMap } from "../../../conv-algebra/pool.js";
import { elementCount, toFloat64 } from "../../../core/named-arrays.js";
import { attribute, intAttribute, intsAttribute, stringAttribute } from "../../attributes.js";
import { windowOf } from "../../window.js";
import type { Context, LinearNode } from "./linear-node.js";
import { numbersOf } from "./stored-numbers.js";

export function convolution({ node, constants, shapes }: Context): LinearNode | Refusal {
  const [input, weightName, biasName] = node.inputs;
  const weight = constants.get(weightName);
  const bias = biasName ? constants.get(biasName) : undefined;
  if (!weight || (biasName && !bias)) return { refused: "its weight is not a constant" };
  if (weight.shape.length !== 4) return { refused: "only 2-D convolutions fold" };
  const [outChannels, groupChannels, kh, kw] = weight.shape;
  const groups = intAttribute(node, "group", 1);
  if (groups < 1 || outChannels < 1 || groupChannels < 1 || outChannels % groups !== 0) {
    return { refused: `its ${groups} groups do not divide its channels` };
  }
  if (bias && elementCount(bias.shape) !== outChannels) return { refused: "its bias is not one for each channel" };
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

export function averagePool({ node, shapes }: Context): LinearNode | Refusal {
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

export function pad({ node, constants }: Context): LinearNode | Refusal {
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
