import type { Affine } from "../../../conv-algebra/affine.js";
import { affine, applyAffine, batchNormAffine } from "../../../conv-algebra/affine.js";
import type { Refusal } from "../../../conv-algebra/linear-map.js";
import type { NamedArray } from "../../../core/named-arrays.js";
import { toFloat64 } from "../../../core/named-arrays.js";
import { floatAttribute, intAttribute } from "../../attributes.js";
import type { Context, LinearNode, Shapes, UnaryNode } from "./linear-node.js";

/** A per-channel affine operator: exact after any map. */
export function affineNode(input: string, make: (channels: number) => Affine | Refusal, macs = 1): UnaryNode {
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

export function batchNormalization({ node, constants }: Context): LinearNode | Refusal {
  if (intAttribute(node, "training_mode", 0) === 1 || node.outputs.slice(1).some((output) => output !== "")) {
    return { refused: "BatchNormalization in training mode depends on the batch: export the model in evaluation mode" };
  }
  if (intAttribute(node, "spatial", 1) === 0)
    return { refused: "BatchNormalization with spatial = 0 is not per channel" };
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
  return affineNode(node.inputs[0], (channels) =>
    channels === made.scale.length
      ? made
      : { refused: `statistics for ${made.scale.length} channels do not fit ${channels}` },
  );
}

/** Add and Sub: of a constant per channel, or of two values. */
export function arithmetic(
  { node, constants, shapes }: Context,
  signs: readonly [number, number],
  shift: (constant: Float64Array) => { shift: Float64Array },
): LinearNode | Refusal {
  const [a, b] = node.inputs;
  const [left, right] = [constants.get(a), constants.get(b)];
  if (right)
    return affineNode(
      a,
      channelConstant(right, rankOf(a, shapes), (c, channels) => affine(channels, shift(c))),
    );
  if (!left) return { kind: "sum", inputs: [a, b], signs };
  return affineNode(
    b,
    channelConstant(left, rankOf(b, shapes), (c, channels) =>
      affine(channels, { shift: c, scale: new Float64Array(channels).fill(signs[1]) }),
    ),
  );
}

/** Mul and Div by a constant per channel. */
export function scaling(
  { node, constants, shapes }: Context,
  scale: (constant: Float64Array) => Float64Array,
  commutes: boolean,
): LinearNode | Refusal | undefined {
  const [a, b] = node.inputs;
  const [left, right] = [constants.get(a), constants.get(b)];
  const make = (constant: NamedArray, value: string): ((channels: number) => Affine | Refusal) =>
    channelConstant(constant, rankOf(value, shapes), (c, channels) => affine(channels, { scale: scale(c) }));
  if (right) return affineNode(a, make(right, a));
  if (!left) return undefined;
  return commutes ? affineNode(b, make(left, b)) : { refused: "a constant divided by a value is not linear" };
}

/** Values of unknown rank that a map reaches come out of a 2-D convolution: rank 4. */
const rankOf = (value: string, shapes: Shapes): number => shapes.get(value)?.length ?? 4;

/** Whether a constant broadcasts to [1, C, 1, 1] (or [1, C] for a value of rank 2). */
export function isPerChannel(shape: readonly number[], rank: number): boolean {
  const [batch, , ...positions] = padded(shape, rank);
  return shape.length <= rank && batch === 1 && positions.every((length) => length === 1);
}

const padded = (shape: readonly number[], rank: number): readonly number[] => [
  ...new Array<number>(Math.max(0, rank - shape.length)).fill(1),
  ...shape,
];

/** A constant by channel ({@link isPerChannel}) as C numbers. */
function channelConstant(
  constant: NamedArray,
  rank: number,
  make: (values: Float64Array, channels: number) => Affine,
): (channels: number) => Affine | Refusal {
  const { shape } = constant;
  const size = padded(shape, rank)[1];
  return (channels) => {
    if (!isPerChannel(shape, rank)) {
      return { refused: `its constant of shape [${shape.join(", ")}] varies over positions, not only over channels` };
    }
    if (size !== 1 && size !== channels) return { refused: `its constant has ${size} channels, the value ${channels}` };
    const values = toFloat64(constant);
    return make(size === channels ? values : new Float64Array(channels).fill(values[0]), channels);
  };
}
