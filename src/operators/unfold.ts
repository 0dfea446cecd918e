import { elementCount } from "../core/named-arrays.js";
import { intsAttribute } from "../graph/attributes.js";
import { tensor64, zeros } from "../graph/evaluate/tensor64.js";
import { integers, ranked, sameSize } from "../graph/operator/checks.js";
import { type NodeContext, type Operator, refuse, type Shape } from "../graph/operator/operator.js";
import { floats, numbers, signature } from "../graph/operator/signature.js";
import { type Window, windowOf, windowOutput } from "../graph/window.js";
import { forEachTap, window3 } from "./taps.js";

const col2ImSignature = signature("input:T image_shape:i64 block_shape:i64 -> output:T", { T: numbers });

interface Columns {
  readonly image: readonly number[];
  readonly block: readonly number[];
  readonly window: Window & { readonly pads: readonly number[] };
  /** Blocks along each axis. */
  readonly counts: readonly number[];
}

/** How the columns of a Col2Im lie in its image; undefined where a size is computed. @throws ShapeError. */
function columnsOf(context: NodeContext): Columns | undefined {
  const [image, block] = [integers(context, 1), integers(context, 2)];
  if (!image || !block) return undefined;
  if (image.length !== block.length || image.length < 1 || image.length > 3)
    refuse(context, "an image and a block of as many sizes, 1 to 3", `[${image.join(", ")}] and [${block.join(", ")}]`);
  if ([...image, ...block].some((size) => size < 1))
    refuse(context, "sizes from 1", `[${image.join(", ")}] and [${block.join(", ")}]`);
  const window = windowOf(context.node, block) as Columns["window"];
  const counts = image.map((size, axis) => windowOutput(window, axis, size));
  if (counts.some((count) => count < 1))
    refuse(context, `a block that fits the image [${image.join(", ")}]`, `[${block.join(", ")}]`);
  return { image, block, window, counts };
}

/** Columns of blocks [N, C·Π block, L] added into an image [N, C, …image]: what PyTorch calls fold. */
const col2Im: Operator = {
  name: "Col2Im",
  versions: [18],
  signature: () => col2ImSignature,
  infer(context) {
    const x = ranked(context, 0, [3], "columns [N, C × block, L]");
    const columns = columnsOf(context);
    if (!x || !columns) return [undefined];
    const { image, block, counts } = columns;
    const each = elementCount(block);
    sameSize(context, "columns (one a block)", elementCount(counts), x[2]);
    if (typeof x[1] === "number" && x[1] % each !== 0) refuse(context, `rows that ${each} divides`, `${x[1]}`);
    const channels = typeof x[1] === "number" ? x[1] / each : `${context.node.outputs[0]}:1`;
    return [[x[0], channels, ...image]];
  },
  evaluate: (call) => {
    const x = call.inputs[0]!;
    const { image, block, window, counts } = columnsOf(call)!;
    const shape = call.outputShapes[0]!;
    const [pixels, taps, length] = [elementCount(image), elementCount(block), elementCount(counts)];
    const result = zeros(shape);
    forEachTap(window3(window, image, counts), (output, input, tap) => {
      if (input < 0) return;
      for (let plane = 0; plane < shape[0] * shape[1]; plane++)
        result[plane * pixels + input] += x.data[(plane * taps + tap) * length + output];
    });
    return [tensor64(shape, result, x.dtype)];
  },
};

const unpoolSignature = signature("X:T I:i64 output_shape?:i64 -> output:T", { T: floats });

function unpooledShape(context: NodeContext, x: Shape): Shape {
  const kernel = intsAttribute(context.node, "kernel_shape") ?? refuse(context, "a kernel_shape", "none");
  if (x.length !== kernel.length + 2) refuse(context, `a value of ${kernel.length + 2} axes`, `${x.length}`);
  const { strides, pads } = windowOf(context.node, kernel) as Columns["window"];
  const sizes = x
    .slice(2)
    .map((size, axis) =>
      typeof size === "number"
        ? (size - 1) * strides[axis] + kernel[axis] - pads[axis] - pads[axis + kernel.length]
        : `${context.node.outputs[0]}:${axis + 2}`,
    );
  return [...x.slice(0, 2), ...sizes];
}

/** The numbers at the places (in the flattened output) that a MaxPool found them at; zeros elsewhere. */
const maxUnpool: Operator = {
  name: "MaxUnpool",
  versions: [9, 11, 22],
  signature: () => unpoolSignature,
  infer(context) {
    const [x, places] = [context.shape(0), context.shape(1)];
    if (!x) return [undefined];
    for (const [axis, size] of (places ?? []).entries()) sameSize(context, `indices along axis ${axis}`, x[axis], size);
    const shape = unpooledShape(context, x);
    const stated = integers(context, 2);
    // Places count in what the window gives; in another shape the definition and ONNX Runtime put them elsewhere.
    if (stated && !stated.every((size, axis) => size === shape[axis] || typeof shape[axis] === "string"))
      refuse(context, `output_shape [${shape.join(", ")}], as its window gives it`, `[${stated.join(", ")}]`);
    return [shape];
  },
  evaluate: (call) => {
    const [x, places] = [call.inputs[0]!, call.inputs[1]!];
    const result = zeros(call.outputShapes[0]!);
    x.data.forEach((value, i) => {
      const at = places.data[i];
      if (!(at >= 0 && at < result.length)) refuse(call, `indices below ${result.length}`, `${at}`);
      result[at] = value;
    });
    return [tensor64(call.outputShapes[0]!, result, x.dtype)];
  },
};

/** What was taken apart by windows, put together again. */
export const unfoldOperators: readonly Operator[] = [col2Im, maxUnpool];
