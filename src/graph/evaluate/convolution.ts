import { ShapeError } from "../../core/errors.js";
import { intAttribute, intsAttribute } from "../attributes.js";
import type { GraphNode } from "../graph.js";
import type { Window } from "../window.js";
import { windowOf, windowOutput } from "../window.js";
import type { Operators } from "./operator.js";
import { required } from "./operator.js";
import type { Tensor64 } from "./tensor64.js";
import { tensor64 } from "./tensor64.js";

/** A window written for three spatial axes, missing ones in front: one loop nest serves 1-D, 2-D and 3-D. */
interface Window3 {
  readonly input: readonly number[];
  readonly output: readonly number[];
  readonly kernel: readonly number[];
  readonly strides: readonly number[];
  readonly dilations: readonly number[];
  readonly begins: readonly number[];
}

function resolve(node: GraphNode, x: Tensor64, kernel: readonly number[]): { window: Window3; outputShape: number[] } {
  const sizes = x.shape.slice(2);
  if (sizes.length !== kernel.length || sizes.length < 1 || sizes.length > 3) {
    throw new ShapeError({
      expected: `an input of ${kernel.length} spatial axes (1 to 3) for ${node.op} "${node.name}"`,
      received: `[${x.shape.join(", ")}]`,
    });
  }
  const window = windowOf(node, kernel, sizes) as Window & { pads: readonly number[] };
  const outputShape = sizes.map((size, axis) => windowOutput(window, axis, size));
  if (outputShape.some((size) => size < 1)) {
    throw new ShapeError({
      expected: `an input of at least the kernel's size for ${node.op} "${node.name}"`,
      received: `[${x.shape.join(", ")}]`,
    });
  }
  const fill = (values: readonly number[], missing: number): number[] => [
    ...new Array<number>(3 - values.length).fill(missing),
    ...values,
  ];
  return {
    outputShape,
    window: {
      input: fill(sizes, 1),
      output: fill(outputShape, 1),
      kernel: fill(kernel, 1),
      strides: fill(window.strides, 1),
      dilations: fill(window.dilations, 1),
      begins: fill(window.pads.slice(0, kernel.length), 0),
    },
  };
}

/** Calls `visit(output position, input position or −1 in the padding, tap)` for every output position and tap of a window. */
function forEachTap(w: Window3, visit: (output: number, input: number, tap: number) => void): void {
  const at = (axis: number, output: number, tap: number): number =>
    output * w.strides[axis] - w.begins[axis] + tap * w.dilations[axis];
  const [kd, kh, kw] = w.kernel;
  const [od, oh, ow] = w.output;
  for (let tap = 0; tap < kd * kh * kw; tap++) {
    const [tz, ty, tx] = [Math.floor(tap / (kh * kw)), Math.floor(tap / kw) % kh, tap % kw];
    for (let z = 0, output = 0; z < od; z++) {
      const iz = at(0, z, tz);
      for (let y = 0; y < oh; y++) {
        const iy = at(1, y, ty);
        const row = iz >= 0 && iz < w.input[0] && iy >= 0 && iy < w.input[1] ? (iz * w.input[1] + iy) * w.input[2] : -1;
        for (let x = 0; x < ow; x++, output++) {
          const ix = at(2, x, tx);
          visit(output, row >= 0 && ix >= 0 && ix < w.input[2] ? row + ix : -1, tap);
        }
      }
    }
  }
}

const area = (sizes: readonly number[]): number => sizes.reduce((product, size) => product * size, 1);

/** y[n, o, p] = b[o] + Σ W[o, i, t] · x[n, i, p·stride − pad + t·dilation]: the definition, tap by tap. */
function conv(x: Tensor64, weight: Tensor64, bias: Tensor64 | undefined, node: GraphNode): Tensor64 {
  const groups = intAttribute(node, "group", 1);
  const [outChannels, groupChannels] = weight.shape;
  const [batch, inChannels] = x.shape;
  if (groupChannels * groups !== inChannels || outChannels % groups !== 0) {
    throw new ShapeError({
      expected: `${groupChannels * groups} input channels for Conv "${node.name}" (${groups} groups)`,
      received: `${inChannels}`,
    });
  }
  const { window, outputShape } = resolve(node, x, weight.shape.slice(2));
  const [inArea, outArea, taps] = [area(window.input), area(window.output), area(window.kernel)];
  const positions = new Int32Array(taps * outArea);
  forEachTap(window, (output, input, tap) => {
    positions[tap * outArea + output] = input;
  });
  const result = new Float64Array(batch * outChannels * outArea);
  for (let n = 0; n < batch; n++) {
    for (let o = 0; o < outChannels; o++) {
      const to = (n * outChannels + o) * outArea;
      if (bias) result.fill(bias.data[o], to, to + outArea);
      const firstInput = Math.floor(o / (outChannels / groups)) * groupChannels;
      for (let i = 0; i < groupChannels; i++) {
        const from = (n * inChannels + firstInput + i) * inArea;
        for (let tap = 0; tap < taps; tap++) {
          addTap(
            result,
            to,
            x.data,
            from,
            positions,
            tap * outArea,
            outArea,
            weight.data[(o * groupChannels + i) * taps + tap],
          );
        }
      }
    }
  }
  return tensor64([batch, outChannels, ...outputShape], result, x.dtype);
}

function addTap(
  result: Float64Array,
  to: number,
  x: Float64Array,
  from: number,
  positions: Int32Array,
  first: number,
  count: number,
  weight: number,
): void {
  for (let p = 0; p < count; p++) {
    const input = positions[first + p];
    if (input >= 0) result[to + p] += weight * x[from + input];
  }
}

type Fold = { start: number; step(total: number, x: number): number; end(total: number, inside: number): number };

function pool(x: Tensor64, node: GraphNode, fold: Fold): Tensor64 {
  const { window, outputShape } = resolve(node, x, intsAttribute(node, "kernel_shape") ?? []);
  const [inArea, outArea] = [area(window.input), area(window.output)];
  const planes = x.shape[0] * x.shape[1];
  const result = new Float64Array(planes * outArea).fill(fold.start);
  const inside = new Float64Array(outArea);
  forEachTap(window, (output, input) => {
    if (input < 0) return;
    inside[output]++;
    for (let c = 0; c < planes; c++) {
      result[c * outArea + output] = fold.step(result[c * outArea + output], x.data[c * inArea + input]);
    }
  });
  for (let p = 0; p < result.length; p++) result[p] = fold.end(result[p], inside[p % outArea]);
  return tensor64([...x.shape.slice(0, 2), ...outputShape], result, x.dtype);
}

/** How many taps of each window lie inside the input and its padding: what an average with counted padding divides by. */
function paddedCounts(x: Tensor64, node: GraphNode): Float64Array {
  const kernel = intsAttribute(node, "kernel_shape") ?? [];
  const { window } = resolve(node, x, kernel);
  const { pads } = windowOf(node, kernel, x.shape.slice(2)) as Window & { pads: readonly number[] };
  const ends = [...new Array<number>(3 - kernel.length).fill(0), ...pads.slice(kernel.length)];
  const counts = new Float64Array(area(window.output));
  // In coordinates of the padded input, nothing but what ceil mode adds lies outside.
  const input = window.input.map((size, axis) => size + window.begins[axis] + ends[axis]);
  forEachTap({ ...window, input, begins: [0, 0, 0] }, (output, position) => {
    if (position >= 0) counts[output]++;
  });
  return counts;
}

export const convolutionOperators: Operators = {
  Conv: (inputs, node) => [conv(required(inputs, 0, node), required(inputs, 1, node), inputs[2], node)],
  AveragePool: (inputs, node) => {
    const x = required(inputs, 0, node);
    if (intAttribute(node, "count_include_pad", 0) === 0) {
      return [pool(x, node, { start: 0, step: (sum, v) => sum + v, end: (sum, inside) => sum / inside })];
    }
    const counts = paddedCounts(x, node);
    const sums = pool(x, node, { start: 0, step: (sum, v) => sum + v, end: (sum) => sum });
    return [
      tensor64(
        sums.shape,
        sums.data.map((sum, p) => sum / counts[p % counts.length]),
        x.dtype,
      ),
    ];
  },
  MaxPool: (inputs, node) => [
    pool(required(inputs, 0, node), node, { start: Number.NEGATIVE_INFINITY, step: Math.max, end: (max) => max }),
  ],
};
