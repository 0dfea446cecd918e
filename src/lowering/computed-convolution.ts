import { convMacs } from "../core/conv-geometry.js";
import { elementCount } from "../core/named-arrays.js";
import type { GraphNode } from "../graph/graph.js";
import { refuse } from "../graph/operator/operator.js";
import type { Lowering } from "./context.js";
import { convGeometryOf, transposedGeometryOf } from "./conv-geometry.js";
import { packingOf } from "./convolution.js";
import { operandsOfStep, rowMajorOperand } from "./operands.js";
import { placeOf } from "./strided.js";

/** Conv and ConvTranspose whose weights or bias are computed (dynamic convolutions): packed anew in each run. */
export function lowerComputedConvolution(lowering: Lowering, node: GraphNode): void {
  const input = lowering.channelsLast(lowering.tensor(node.inputs[0]!, node));
  const weight = rowMajorOperand(lowering, node, 1);
  const bias = node.inputs[2] ? rowMajorOperand(lowering, node, 2) : undefined;
  const transposed = node.op === "ConvTranspose";
  const geometry = transposed
    ? transposedGeometryOf(lowering, node, input.shape, weight.shape)
    : convGeometryOf(node, input.shape, weight.shape);
  const plan = transposed ? lowering.planTransposedConvolution(geometry) : lowering.planConvolution(geometry);
  if (plan.largestWeight !== undefined) {
    refuse(
      lowering.context(node),
      "constant weights, which halfWeights checks",
      "computed ones",
      "leave halfWeights out",
    );
  }
  const { roomWords, calls: pack } = packingOf({ geometry, weight, layout: "oihw" }, plan);
  const value = node.outputs[0]!;
  const output = lowering.create(value, lowering.shapeOf(value));
  const { reads, constants } = operandsOfStep(bias ? [weight, bias] : [weight]);
  const n = elementCount(weight.shape);
  lowering.emit({
    name: node.name,
    op: node.op,
    algorithm: plan.algorithm,
    macs: convMacs(geometry),
    ...(!transposed && { convolution: geometry }),
    reads: [input, ...reads],
    output,
    constants,
    workspaceWords: plan.packedWords + Math.max(roomWords, plan.workspaceWords),
    calls: (at) => {
      const [packed, room] = [at.workspace, at.workspace + plan.packedWords];
      return [
        { kernel: "copy", args: { x: placeOf(weight.source, at), y: room, n } },
        ...pack(room, packed),
        ...plan.run({
          input: at.of(input.buffer),
          packed,
          output: at.of(output.buffer),
          workspace: room,
          ...(bias && { bias: placeOf(bias.source, at) }),
          relu: false,
          accumulate: false,
        }),
      ];
    },
  });
  lowering.define(value, output);
}
