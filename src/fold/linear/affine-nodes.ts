import type { Affine } from "../../conv-algebra/affine.js";
import { affine, applyAffine, batchNormAffine } from "../../conv-algebra/affine.js";
import { product } from "../../conv-algebra/geometry.js";
import type { NamedArray } from "../../core/named-arrays.js";
import { toFloat64 } from "../../core/named-arrays.js";
import { floatAttribute } from "../../graph/attributes.js";
import { batchNormMode } from "../../operators/batch-normalization.js";
import { type Refusal, refuse } from "../refusals.js";
import type { Context, LinearNode, UnaryNode, View } from "./linear-node.js";
import type { Rule } from "./rule.js";

type MakeAffine = (channels: number, view: View) => Affine | Refusal | undefined;

/** A per-channel affine operator: exact after any map. */
function affineNode(input: string, make: MakeAffine, channelsLast = false): UnaryNode {
  return {
    kind: "unary",
    input,
    free: true,
    channelsLast,
    macs: (channels) => channels,
    after(map, view) {
      const made = make(map.outChannels, view);
      return !made || "refused" in made ? made : applyAffine(map, made);
    },
    afterPixels(map, image) {
      const made = make(image[0], { rank: image.length + 1, channelAxis: 1 });
      if (!made || "refused" in made) return made;
      const each = product(image.slice(1));
      const repeated = (of: Float64Array): Float64Array =>
        Float64Array.from(map.bias, (_, row) => of[Math.floor(row / each)]);
      const { scale, shift, shiftScale } = made;
      return {
        map: applyAffine(map, { scale: repeated(scale), shift: repeated(shift), shiftScale: repeated(shiftScale) }),
        image,
      };
    },
  };
}

function batchNormalization({ node, own, constants }: Context): LinearNode | Refusal {
  const mode = batchNormMode(own);
  if (mode === "training" || node.outputs.slice(1).some((output) => output !== "")) {
    return refuse(
      "training-mode",
      "BatchNormalization in training mode depends on the batch: export the model in evaluation mode",
    );
  }
  if (mode === "by-position")
    return refuse("varies-over-positions", "BatchNormalization with spatial = 0 is not per channel");
  const [gamma, beta, mean, variance] = node.inputs.slice(1).map((name) => constants.get(name));
  if (!gamma || !beta || !mean || !variance)
    return refuse("computed", "its scale, bias or statistics are not constants");
  if (new Set([gamma, beta, mean, variance].map(({ data }) => data.length)).size > 1) {
    return refuse("channels", "its scale, bias and statistics have different numbers of channels");
  }
  const made = batchNormAffine({
    gamma: toFloat64(gamma),
    beta: toFloat64(beta),
    mean: toFloat64(mean),
    variance: toFloat64(variance),
    epsilon: floatAttribute(node, "epsilon", 1e-5),
  });
  return affineNode(node.inputs[0], (channels, { channelAxis }) => {
    if (channelAxis !== 1) return undefined;
    return channels === made.scale.length
      ? made
      : refuse("channels", `statistics for ${made.scale.length} channels do not fit ${channels}`);
  });
}

/** Add and Sub of a constant per channel. @param sign of the second input */
function shifting({ node, constants }: Context, sign: 1 | -1): LinearNode | undefined {
  const [a, b] = node.inputs;
  const [left, right] = [constants.get(a), constants.get(b)];
  if (right) return channelConstant(a, right, (c, channels) => affine(channels, { shift: c.map((x) => sign * x) }));
  if (!left) return undefined;
  return channelConstant(b, left, (c, channels) =>
    affine(channels, { shift: c, scale: new Float64Array(channels).fill(sign) }),
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
  const make = (c: Float64Array, channels: number): Affine => affine(channels, { scale: scale(c) });
  if (right) return channelConstant(a, right, make);
  if (!left) return undefined;
  return commutes
    ? channelConstant(b, left, make)
    : refuse("not-linear", "a constant divided by a value is not linear");
}

/** Whether a constant broadcasts along the channels of a value of that rank only, without adding axes to it. */
export function isPerChannel(shape: readonly number[], rank: number, channelAxis = 1): boolean {
  return shape.length <= rank && padded(shape, rank).every((length, axis) => axis === channelAxis || length === 1);
}

const padded = (shape: readonly number[], rank: number): readonly number[] => [
  ...new Array<number>(Math.max(0, rank - shape.length)).fill(1),
  ...shape,
];

/** A constant by channel ({@link isPerChannel}) as C numbers. */
function channelConstant(
  input: string,
  constant: NamedArray,
  make: (values: Float64Array, channels: number) => Affine,
): UnaryNode {
  const { shape } = constant;
  const channelsLast = shape.every((length, axis) => length === 1 || axis === shape.length - 1);
  const ofView: MakeAffine = (channels, { rank, channelAxis }) => {
    if (!isPerChannel(shape, rank, channelAxis)) {
      return refuse(
        "varies-over-positions",
        `its constant of shape [${shape.join(", ")}] varies over positions, not only over channels`,
      );
    }
    const size = padded(shape, rank)[channelAxis];
    if (size !== 1 && size !== channels)
      return refuse("channels", `its constant has ${size} channels, the value ${channels}`);
    const values = toFloat64(constant);
    return make(size === channels ? values : new Float64Array(channels).fill(values[0]), channels);
  };
  return affineNode(input, ofView, channelsLast);
}

export const batchNorm: Rule = {
  id: "batch-norm",
  nodes: "BatchNormalization in inference",
  effect: "scales rows of the kernel and the bias by channel, and shifts the bias",
  refuses: ["training-mode", "varies-over-positions", "computed"],
  makers: { BatchNormalization: batchNormalization },
};

export const scaleAndShift: Rule = {
  id: "scale-and-shift",
  nodes: "Mul, Div, Add, Sub with a constant per channel or a scalar; Neg",
  effect: "scales rows of the kernel and the bias by channel, or shifts the bias",
  refuses: ["varies-over-positions", "channels", "not-linear"],
  makers: {
    Add: (context) => shifting(context, 1),
    Div: (context) => scaling(context, (c) => c.map((x) => 1 / x), false),
    Mul: (context) => scaling(context, (c) => c, true),
    Neg: ({ node }) =>
      affineNode(node.inputs[0], (channels) => affine(channels, { scale: new Float64Array(channels).fill(-1) }), true),
    Sub: (context) => shifting(context, -1),
  },
};
