import { compose } from "../../conv-algebra/compose.js";
import { everyAxis } from "../../conv-algebra/geometry.js";
import type { LinearMap } from "../../conv-algebra/linear-map.js";
import { convolutionMap } from "../../conv-algebra/linear-map.js";
import { toFloat64 } from "../../core/named-arrays.js";
import { flagAttribute, floatAttribute } from "../../graph/attributes.js";
import { type Refusal, refuse } from "../refusals.js";
import { isPerChannel } from "./affine-nodes.js";
import type { Context, LinearNode } from "./linear-node.js";
import type { Rule } from "./rule.js";
import { notConstant, numbersOf } from "./stored-numbers.js";

/** y = α·x·B + β·C on [batch, features]. */
function gemm({ node, constants, producers }: Context): LinearNode | Refusal {
  if (flagAttribute(node, "transA", false)) return refuse("transposed-input", "it transposes its input");
  const [input, weightName, biasName] = node.inputs;
  const weight = constants.get(weightName);
  const bias = biasName ? constants.get(biasName) : undefined;
  if (weight?.shape.length !== 2 || (biasName && !bias)) return notConstant({ producers }, weightName);
  const transposed = flagAttribute(node, "transB", false);
  const outChannels = weight.shape[transposed ? 0 : 1];
  if (bias && !isPerChannel(bias.shape, 2)) {
    return refuse("varies-over-positions", `its bias of shape [${bias.shape.join(", ")}] is not one a column`);
  }
  const offsets = bias && toFloat64(bias);
  if (offsets && offsets.length !== 1 && offsets.length !== outChannels) {
    return refuse("channels", `its bias has ${offsets.length} numbers for ${outChannels} columns`);
  }
  const beta = floatAttribute(node, "beta", 1);
  const values =
    offsets && Float64Array.from({ length: outChannels }, (_, o) => beta * offsets[offsets.length === 1 ? 0 : o]);
  return matrixNode(input, weight, transposed, floatAttribute(node, "alpha", 1), values, 2);
}

/** x·B along the last axis: PyTorch's Linear on a value of any rank. */
function matrixProduct({ node, constants }: Context): LinearNode | Refusal | undefined {
  const [input, weightName] = node.inputs;
  const weight = constants.get(weightName);
  if (!weight) return constants.has(input) ? refuse("constant-on-the-left", "its left side is a constant") : undefined;
  return weight.shape.length === 2 ? matrixNode(input, weight, false, 1, undefined) : undefined;
}

/** A 1×1 convolution in which the channels lie on the last axis. `transposed`: the weight is [out, in], as PyTorch stores Linear. */
function matrixNode(
  input: string,
  weight: NonNullable<ReturnType<Context["constants"]["get"]>>,
  transposed: boolean,
  alpha: number,
  bias: Float64Array | undefined,
  onlyRank?: number,
): LinearNode {
  const [outChannels, inChannels] = transposed ? weight.shape : weight.shape.toReversed();
  const rows =
    transposed && alpha === 1
      ? numbersOf(weight)
      : scaledRows(toFloat64(weight), outChannels, inChannels, transposed, alpha);
  const ofRank = (rank: number): LinearMap =>
    convolutionMap(rows, bias, { outChannels, inChannels, kernelSize: everyAxis(rank, 1) });
  return {
    kind: "unary",
    input,
    free: false,
    weighted: true,
    channelsLast: true,
    macs: () => outChannels * inChannels,
    after(map, { rank, channelAxis }) {
      if (channelAxis !== rank - 1 || (onlyRank !== undefined && rank !== onlyRank)) return undefined;
      return compose(ofRank(map.kernelSize.length), map);
    },
    afterPixels(map, image) {
      if (image.length !== 1) return undefined;
      const composed = compose(ofRank(map.kernelSize.length), map);
      return "refused" in composed ? composed : { map: composed, image: [outChannels] };
    },
  };
}

/** α·weight as [out, in]. */
function scaledRows(
  stored: ArrayLike<number>,
  outChannels: number,
  inChannels: number,
  transposed: boolean,
  alpha: number,
): Float64Array {
  const rows = new Float64Array(outChannels * inChannels);
  for (let o = 0, at = 0; o < outChannels; o++) {
    for (let i = 0; i < inChannels; i++, at++) rows[at] = alpha * stored[transposed ? at : i * outChannels + o];
  }
  return rows;
}

export const matrix: Rule = {
  id: "matrix",
  nodes: "Gemm on [batch, features]; MatMul with a constant on the right, on a value of any rank",
  effect:
    "multiplies by a matrix along the last axis: a pointwise convolution where Transposes put the channels there and back",
  refuses: ["computed", "quantized", "transposed-input", "constant-on-the-left", "varies-over-positions"],
  makers: { Gemm: gemm, MatMul: matrixProduct },
};
