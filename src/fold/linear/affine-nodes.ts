import type { Affine } from "../../conv-algebra/affine.js";
import { affine, applyAffine, batchNormAffine } from "../../conv-algebra/affine.js";
import type { Refusal } from "../../conv-algebra/linear-map.js";
import type { NamedArray } from "../../core/named-arrays.js";
import { toFloat64 } from "../../core/named-arrays.js";
import { floatAttribute } from "../../graph/attributes.js";
import { batchNormMode } from "../../operators/batch-normalization.js";
import type { Context, LinearNode, UnaryNode, View } from "./linear-node.js";

type MakeAffine = (channels: number, view: View) => Affine | Refusal | undefined;

/** A per-channel affine operator: exact after any map. */
export function affineNode(input: string, make: MakeAffine, channelsLast = false): UnaryNode {
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
  };
}

export function batchNormalization({ node, own, constants }: Context): LinearNode | Refusal {
  const mode = batchNormMode(own);
  if (mode === "training" || node.outputs.slice(1).some((output) => output !== "")) {
    return { refused: "BatchNormalization in training mode depends on the batch: export the model in evaluation mode" };
  }
  if (mode === "by-position") return { refused: "BatchNormalization with spatial = 0 is not per channel" };
  const [gamma, beta, mean, variance] = node.inputs.slice(1).map((name) => constants.get(name));
  if (!gamma || !beta || !mean || !variance) return { refused: "its scale, bias or statistics are not constants" };
  if (new Set([gamma, beta, mean, variance].map(({ data }) => data.length)).size > 1) {
    return { refused: "its scale, bias and statistics have different numbers of channels" };
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
      : { refused: `statistics for ${made.scale.length} channels do not fit ${channels}` };
  });
}

/** Add and Sub: of a constant per channel, or of two values. */
export function arithmetic(
  { node, constants }: Context,
  signs: readonly [number, number],
  shift: (constant: Float64Array) => { shift: Float64Array },
): LinearNode | Refusal {
  const [a, b] = node.inputs;
  const [left, right] = [constants.get(a), constants.get(b)];
  if (right) return channelConstant(a, right, (c, channels) => affine(channels, shift(c)));
  if (!left) return { kind: "sum", inputs: [a, b], signs };
  return channelConstant(b, left, (c, channels) =>
    affine(channels, { shift: c, scale: new Float64Array(channels).fill(signs[1]) }),
  );
}

/** Mul and Div by a constant per channel. */
export function scaling(
  { node, constants }: Context,
  scale: (constant: Float64Array) => Float64Array,
  commutes: boolean,
): LinearNode | Refusal | undefined {
  const [a, b] = node.inputs;
  const [left, right] = [constants.get(a), constants.get(b)];
  const make = (c: Float64Array, channels: number): Affine => affine(channels, { scale: scale(c) });
  if (right) return channelConstant(a, right, make);
  if (!left) return undefined;
  return commutes ? channelConstant(b, left, make) : { refused: "a constant divided by a value is not linear" };
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
      return { refused: `its constant of shape [${shape.join(", ")}] varies over positions, not only over channels` };
    }
    const size = padded(shape, rank)[channelAxis];
    if (size !== 1 && size !== channels) return { refused: `its constant has ${size} channels, the value ${channels}` };
    const values = toFloat64(constant);
    return make(size === channels ? values : new Float64Array(channels).fill(values[0]), channels);
  };
  return affineNode(input, ofView, channelsLast);
}
