import { flagAttribute } from "../graph/attributes.js";
import type { GraphNode } from "../graph/graph.js";
import { type NodeContext, refuse } from "../graph/operator/operator.js";
import type { Lowering } from "./context.js";
import { operandsOfStep, rowMajorOperand } from "./operands.js";
import type { Tensor } from "./step.js";
import { placeOf } from "./strided.js";

/** Candidates that a task's scratch memory holds; classes and boxes that a float32 counts are more. */
const mostBoxes = 2 ** 19;

/** NonMaxSuppression as an output of the net: how many boxes it selects stands behind them in memory. */
export function lowerNonMaxSuppression(lowering: Lowering, node: GraphNode): void {
  const context = lowering.context(node);
  const [corners, scores] = [rowMajorOperand(lowering, node, 0), rowMajorOperand(lowering, node, 1)];
  const [batch, classes, boxes] = scores.shape as [number, number, number];
  const limit = Math.min(boxes, number(context, 2, "max_output_boxes_per_class") ?? 0);
  if (!(limit >= 1)) refuse(context, "a max_output_boxes_per_class of at least 1", String(limit));
  if (boxes > mostBoxes) refuse(context, `at most ${mostBoxes} boxes`, String(boxes));
  const iou_threshold = number(context, 3, "iou_threshold") ?? 0;
  const score_threshold = number(context, 4, "score_threshold") ?? Number.NEGATIVE_INFINITY;
  const value = node.outputs[0]!;
  const rows = batch * classes;
  const words = rows * limit * 3;
  const output: Tensor = {
    shape: [rows * limit, 3],
    layout: "row-major",
    buffer: { name: value, words: words + 1 },
    counted: true,
  };
  lowering.emit({
    name: node.name,
    op: node.op,
    algorithm: "non_max_suppression",
    ...operandsOfStep([corners, scores]),
    output,
    workspaceWords: rows * (1 + limit),
    calls: (at) => {
      const [y, chosen] = [at.of(output.buffer), at.workspace];
      return [
        {
          kernel: "non_max_suppression_forward",
          args: {
            ...{
              boxes_at: placeOf(corners.source, at),
              scores: placeOf(scores.source, at),
              chosen,
              batch,
              classes,
              boxes,
              limit,
            },
            ...{ centers: Number(flagAttribute(node, "center_point_box", false)), iou_threshold, score_threshold },
          },
        },
        { kernel: "non_max_suppression_list", args: { chosen, y, count: y + words, rows, classes, limit } },
      ];
    },
  });
  lowering.define(value, output);
}

/** A number that has to be constant; undefined where it is absent. */
function number(context: NodeContext, input: number, name: string): number | undefined {
  if (!context.node.inputs[input]) return undefined;
  const value = context.contents(input)?.[0];
  return typeof value === "number" ? value : refuse(context, `a constant ${name}`, "a computed one");
}
