import { compose } from "../../../conv-algebra/compose.js";
import type { Refusal } from "../../../conv-algebra/linear-map.js";
import { convolutionMap } from "../../../conv-algebra/linear-map.js";
import { toFloat64 } from "../../../core/named-arrays.js";
import type { GraphNode } from "../../graph.js";
import type { Context, LinearNode, Shapes } from "./linear-node.js";
import { numbersOf } from "./stored-numbers.js";

/** y = α·x·B + β·C on [batch, features]: a 1×1 convolution of one position. `transposed`: B is [out, in], as PyTorch's Linear. */
export function fullyConnected(
  node: GraphNode,
  constants: Context["constants"],
  shapes: Shapes,
  transposed: boolean,
  { alpha, beta }: { alpha: number; beta: number },
): LinearNode | Refusal | undefined {
  const [input, weightName, biasName] = node.inputs;
  const weight = constants.get(weightName);
  const bias = biasName ? constants.get(biasName) : undefined;
  if (!weight || (biasName && !bias)) return { refused: "its weight is not a constant" };
  if (weight.shape.length !== 2 || shapes.get(input)?.length !== 2) return undefined;
  const [outChannels, inChannels] = transposed ? weight.shape : weight.shape.toReversed();
  const rows =
    transposed && alpha === 1
      ? numbersOf(weight)
      : transposedWeight(toFloat64(weight), outChannels, inChannels, transposed, alpha);
  const offsets = bias && toFloat64(bias);
  if (offsets && offsets.length !== 1 && offsets.length !== outChannels)
    return { refused: "its bias is not one a channel" };
  const values =
    offsets && Float64Array.from({ length: outChannels }, (_, o) => beta * offsets[offsets.length === 1 ? 0 : o]);
  const map = convolutionMap(rows, values, { outChannels, inChannels, kernelSize: [1, 1] });
  return {
    kind: "unary",
    input,
    free: false,
    macs: () => outChannels * inChannels,
    after: (inner) => compose(map, inner),
  };
}

function transposedWeight(
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
