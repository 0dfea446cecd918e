import { elementCount } from "../core/named-arrays.js";
import { flagAttribute, intAttribute, intsAttribute } from "../graph/attributes.js";
import { type Tensor64, tensor64, zeros } from "../graph/evaluate/tensor64.js";
import { ranked } from "../graph/operator/checks.js";
import { type NodeCall, type NodeContext, type Operator, refuse, type Shape } from "../graph/operator/operator.js";
import { floats, signature } from "../graph/operator/signature.js";
import { type Window, windowOf } from "../graph/window.js";
import { windowedSizes } from "./conv.js";
import { forEachTap, type Window3, window3 } from "./taps.js";

function kernelOf(context: NodeContext): readonly number[] {
  const kernel = intsAttribute(context.node, "kernel_shape");
  if (!kernel || kernel.length < 1 || kernel.length > 3)
    refuse(context, "a kernel_shape of 1 to 3 sizes", kernel ? `[${kernel.join(", ")}]` : "none");
  return kernel;
}

function inferPool(context: NodeContext): readonly (Shape | undefined)[] {
  const kernel = kernelOf(context);
  const x = ranked(
    context,
    0,
    [kernel.length + 2],
    `an input of ${kernel.length + 2} axes for a kernel of ${kernel.length}`,
  );
  const sizes = x && windowedSizes(context, x.slice(2), kernel);
  return context.node.outputs.map(() => x && sizes && [...x.slice(0, 2), ...sizes]);
}

function windowOfCall({ node, inputs: [x], outputShapes: [shape] }: NodeCall): Window3 {
  const sizes = x!.shape.slice(2);
  const window = windowOf(node, intsAttribute(node, "kernel_shape") ?? [], sizes) as Window & {
    pads: readonly number[];
  };
  return window3(window, sizes, shape!.slice(2));
}

interface Accumulation {
  readonly start: number;
  step(total: number, x: number): number;
  end?(total: number, position: number): number;
}

/** Each plane by itself: what a window's taps inside the input make together. */
function pooled(call: NodeCall, { start, step, end }: Accumulation): Tensor64 {
  const x = call.inputs[0]!;
  const shape = call.outputShapes[0]!;
  const window = windowOfCall(call);
  const [inArea, outArea] = [elementCount(window.input), elementCount(window.output)];
  const planes = x.shape[0] * x.shape[1];
  const result = zeros(shape).fill(start);
  forEachTap(window, (output, input) => {
    if (input < 0) return;
    for (let c = 0; c < planes; c++) {
      result[c * outArea + output] = step(result[c * outArea + output], x.data[c * inArea + input]);
    }
  });
  if (end) for (let p = 0; p < result.length; p++) result[p] = end(result[p], p % outArea);
  return tensor64(shape, result, x.dtype);
}

/** How many taps of each window lie inside the input; with `padded`, inside the input and its padding (ceil mode adds more, which never count). */
function tapCounts(call: NodeCall, padded: boolean): Float64Array {
  const window = windowOfCall(call);
  const counts = new Float64Array(elementCount(window.output));
  const { node, inputs } = call;
  const kernel = intsAttribute(node, "kernel_shape") ?? [];
  const { pads } = windowOf(node, kernel, inputs[0]!.shape.slice(2)) as Window & { pads: readonly number[] };
  const ends = [...new Array<number>(3 - kernel.length).fill(0), ...pads.slice(kernel.length)];
  const input = window.input.map((size, axis) => size + window.begins[axis] + ends[axis]);
  forEachTap(padded ? { ...window, input, begins: [0, 0, 0] } : window, (output, position) => {
    if (position >= 0) counts[output]++;
  });
  return counts;
}

const poolSignature = signature("X:T -> Y:T", { T: floats });

const averagePool: Operator = {
  name: "AveragePool",
  versions: [1, 7, 10, 11, 19, 22],
  signature: () => poolSignature,
  infer: inferPool,
  evaluate: (call) => {
    const counts = tapCounts(call, flagAttribute(call.node, "count_include_pad", false));
    return [pooled(call, { start: 0, step: (sum, x) => sum + x, end: (sum, position) => sum / counts[position] })];
  },
};

/** (Σ |x|ᵖ)^(1/p) */
const lpPool: Operator = {
  name: "LpPool",
  versions: [2, 11, 18, 22],
  signature: () => poolSignature,
  infer: inferPool,
  evaluate: (call) => {
    const p = intAttribute(call.node, "p", 2);
    return [pooled(call, { start: 0, step: (sum, x) => sum + Math.abs(x) ** p, end: (sum) => sum ** (1 / p) })];
  },
};

const maxSignature = signature("X:T -> Y:T Indices?:i64", { T: [...floats, "i8", "u8"] });

const maxPool: Operator = {
  name: "MaxPool",
  versions: [1, 8, 10, 11, 12, 22],
  signature: () => maxSignature,
  infer: inferPool,
  evaluate: (call) => {
    const maximum = pooled(call, {
      start: Number.NEGATIVE_INFINITY,
      step: (a, b) => (Number.isNaN(a) ? a : b > a || Number.isNaN(b) ? b : a),
    });
    return call.node.outputs[1] ? [maximum, maximumPlaces(call)] : [maximum];
  },
};

/** Index of each maximum in the flattened input; with storage_order 1 planes are counted column by column. */
function maximumPlaces(call: NodeCall): Tensor64 {
  const x = call.inputs[0]!;
  const shape = call.outputShapes[0]!;
  const window = windowOfCall(call);
  const [inArea, outArea] = [elementCount(window.input), elementCount(window.output)];
  const planes = x.shape[0] * x.shape[1];
  const best = zeros(shape).fill(-1);
  forEachTap(window, (output, input) => {
    if (input < 0) return;
    for (let c = 0; c < planes; c++) {
      const at = c * outArea + output;
      if (best[at] < 0 || x.data[c * inArea + input] > x.data[best[at]]) best[at] = c * inArea + input;
    }
  });
  if (flagAttribute(call.node, "storage_order", false)) {
    const sizes = x.shape.slice(2);
    best.forEach((place, i) => {
      let inside = place % inArea;
      const index = sizes.toReversed().map((size) => {
        const own = inside % size;
        inside = Math.floor(inside / size);
        return own;
      });
      index.reverse();
      const turned = index.reduceRight((total, own, axis) => total * sizes[axis] + own, 0);
      best[i] = place - (place % inArea) + turned;
    });
  }
  return tensor64(shape, best, "i64");
}

/** Max and mean over all positions of each plane. */
const globalPools = (
  [
    ["GlobalAveragePool", [1, 22], (values) => values.reduce((sum, v) => sum + v, 0) / values.length],
    ["GlobalMaxPool", [1, 22], (values) => values.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY)],
    [
      "GlobalLpPool",
      [2, 22],
      (values, node) =>
        values.reduce((sum, v) => sum + Math.abs(v) ** intAttribute(node, "p", 2), 0) **
        (1 / intAttribute(node, "p", 2)),
    ],
  ] as readonly [string, readonly number[], (values: Float64Array, node: NodeCall["node"]) => number][]
).map(
  ([name, versions, f]): Operator => ({
    name,
    versions,
    signature: () => poolSignature,
    infer: (context) => {
      const x = ranked(context, 0, (rank) => rank >= 3, "an input [N, C, positions…]");
      return [x && [...x.slice(0, 2), ...x.slice(2).map(() => 1)]];
    },
    evaluate: ({ node, inputs: [x], outputShapes: [shape] }) => {
      const area = elementCount(x!.shape.slice(2));
      return [
        tensor64(
          shape!,
          zeros(shape!).map((_, plane) => f(x!.data.subarray(plane * area, (plane + 1) * area), node)),
          x!.dtype,
        ),
      ];
    },
  }),
);

export const poolOperators: readonly Operator[] = [averagePool, lpPool, maxPool, ...globalPools];
