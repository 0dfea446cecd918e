import { elementCount } from "../core/named-arrays.js";
import { flagAttribute, intAttribute } from "../graph/attributes.js";
import { type Tensor64, tensor64, zeros } from "../graph/evaluate/tensor64.js";
import { axisAttribute, axisOf, listContents, ranked, sameSize, scalar } from "../graph/operator/checks.js";
import { type NodeContext, type Operator, refuse } from "../graph/operator/operator.js";
import { indices, numbers, signature } from "../graph/operator/signature.js";

const topAttribute = signature("X:T -> Values:T Indices:i64", { T: numbers });
const topInput = signature("X:T K:i64 -> Values:T Indices:i64", { T: numbers });

/** How many a TopK keeps: attribute `k` in version 1, an input since; undefined where it is computed. */
export function topCount(context: NodeContext): number | undefined {
  const k = context.version < 10 ? intAttribute(context.node, "k", -1) : listContents(context, 1)?.[0];
  return typeof k === "number" ? k : undefined;
}

/** The k largest (smallest) along an axis, best first; of equal ones the one that stands first. */
const topK: Operator = {
  name: "TopK",
  versions: [1, 10, 11, 24],
  signature: (version) => (version < 10 ? topAttribute : topInput),
  infer(context) {
    const x = context.shape(0);
    if (!x) return [undefined, undefined];
    const axis = axisAttribute(context, "axis", -1, x.length);
    const k = topCount(context);
    const size = x[axis];
    if (k !== undefined && (!(k >= 0) || (typeof size === "number" && k > size)))
      refuse(context, `a K from 0 to ${size}`, String(k));
    const shape = x.with(axis, k ?? `${context.node.outputs[0]}:${axis}`);
    return [shape, shape];
  },
  evaluate: (call) => {
    const x = call.inputs[0]!;
    const shape = call.outputShapes[0]!;
    const axis = axisAttribute(call, "axis", -1, x.shape.length);
    const sign = call.version >= 11 && !flagAttribute(call.node, "largest", true) ? 1 : -1;
    const [size, k, inner] = [x.shape[axis], shape[axis], elementCount(x.shape.slice(axis + 1))];
    const [values, places] = [zeros(shape), zeros(shape)];
    for (let outer = 0; outer < elementCount(x.shape.slice(0, axis)); outer++) {
      for (let i = 0; i < inner; i++) {
        const at = (j: number): number => (outer * size + j) * inner + i;
        const order = Array.from({ length: size }, (_, j) => j).sort(
          (a, b) => sign * (x.data[at(a)] - x.data[at(b)]) || a - b,
        );
        for (let j = 0; j < k; j++) {
          values[(outer * k + j) * inner + i] = x.data[at(order[j])];
          places[(outer * k + j) * inner + i] = order[j];
        }
      }
    }
    return [tensor64(shape, values, x.dtype), tensor64(shape, places, "i64")];
  },
};

const cumSignature = signature("x:T axis:I -> y:T", { T: numbers, I: indices });

const cumSum: Operator = {
  name: "CumSum",
  versions: [11, 14],
  signature: () => cumSignature,
  infer(context) {
    const x = context.shape(0);
    scalar(context, 1, "axis");
    const axis = listContents(context, 1)?.[0];
    if (x && typeof axis === "number") axisOf(context, axis, x.length);
    return [x];
  },
  evaluate: (call) => {
    const [x, given] = call.inputs as readonly Tensor64[];
    const axis = axisOf(call, given.data[0], x.shape.length);
    const [exclusive, reverse] = [
      flagAttribute(call.node, "exclusive", false),
      flagAttribute(call.node, "reverse", false),
    ];
    const [size, inner] = [x.shape[axis], elementCount(x.shape.slice(axis + 1))];
    const y = zeros(x.shape);
    for (let row = 0; row < x.data.length / Math.max(size, 1); row++) {
      const first = Math.floor(row / inner) * size * inner + (row % inner);
      let total = 0;
      for (let j = 0; j < size; j++) {
        const at = first + (reverse ? size - 1 - j : j) * inner;
        if (!exclusive) total += x.data[at];
        y[at] = total;
        if (exclusive) total += x.data[at];
      }
    }
    return [tensor64(x.shape, y, x.dtype)];
  },
};

const nmsSignature = signature(
  "boxes:f32 scores:f32 max_output_boxes_per_class?:i64 iou_threshold?:f32 score_threshold?:f32 -> selected_indices:i64",
);

/** Corners of a box: [y1, x1, y2, x2] with the corners in any order, or [centre x, centre y, width, height]. */
function corners(
  boxes: Float64Array,
  at: number,
  centred: boolean,
): readonly [top: number, left: number, bottom: number, right: number] {
  const [a, b, c, d] = boxes.subarray(at, at + 4);
  if (centred) return [b - d / 2, a - c / 2, b + d / 2, a + c / 2];
  return [Math.min(a, c), Math.min(b, d), Math.max(a, c), Math.max(b, d)];
}

function overlap(a: ReturnType<typeof corners>, b: ReturnType<typeof corners>): number {
  const height = Math.min(a[2], b[2]) - Math.max(a[0], b[0]);
  const width = Math.min(a[3], b[3]) - Math.max(a[1], b[1]);
  if (height <= 0 || width <= 0) return 0;
  const area = (box: ReturnType<typeof corners>): number => (box[2] - box[0]) * (box[3] - box[1]);
  const common = height * width;
  const union = area(a) + area(b) - common;
  return union > 0 ? common / union : 0;
}

/** Boxes of each class from the best score on, without those that overlap a chosen one too much: [chosen][batch, class, box]. */
const nonMaxSuppression: Operator = {
  name: "NonMaxSuppression",
  versions: [10, 11],
  signature: () => nmsSignature,
  infer(context) {
    const boxes = ranked(context, 0, [3], "boxes [batch, boxes, 4]");
    const scores = ranked(context, 1, [3], "scores [batch, classes, boxes]");
    sameSize(context, "the boxes' last axis", 4, boxes?.[2]);
    sameSize(context, "the scores' batch", boxes?.[0], scores?.[0]);
    sameSize(context, "the scores' boxes", boxes?.[1], scores?.[2]);
    for (const [i, name] of ["max_output_boxes_per_class", "iou_threshold", "score_threshold"].entries()) {
      scalar(context, i + 2, name);
    }
    return [[`${context.node.outputs[0]}:0`, 3]];
  },
  evaluate: ({ node, inputs: [boxes, scores, most, iou, least] }) => {
    const centred = flagAttribute(node, "center_point_box", false);
    const [batch, classes, count] = scores!.shape;
    const limit = most?.data[0] ?? 0;
    const [threshold, floor] = [iou?.data[0] ?? 0, least?.data[0]];
    const chosen: number[] = [];
    for (let n = 0; n < batch; n++) {
      for (let c = 0; c < classes; c++) {
        const score = (i: number): number => scores!.data[(n * classes + c) * count + i];
        const order = Array.from({ length: count }, (_, i) => i)
          .filter((i) => floor === undefined || score(i) > floor)
          .sort((a, b) => score(b) - score(a) || a - b);
        const kept: ReturnType<typeof corners>[] = [];
        for (const i of order) {
          if (kept.length >= limit) break;
          const box = corners(boxes!.data, (n * count + i) * 4, centred);
          if (kept.some((other) => overlap(other, box) > threshold)) continue;
          kept.push(box);
          chosen.push(n, c, i);
        }
      }
    }
    return [tensor64([chosen.length / 3, 3], Float64Array.from(chosen), "i64")];
  },
};

export const selectOperators: readonly Operator[] = [cumSum, nonMaxSuppression, topK];
