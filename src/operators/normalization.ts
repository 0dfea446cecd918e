import { elementCount } from "../core/named-arrays.js";
import { floatAttribute, intAttribute, intsAttribute } from "../graph/attributes.js";
import { broadcastStrides } from "../graph/evaluate/broadcast.js";
import { stridesOf, type Tensor64, tensor64, zeros } from "../graph/evaluate/tensor64.js";
import { axesOf, axisAttribute, broadcastsTo, ranked, vectorOf } from "../graph/operator/checks.js";
import { type NodeContext, type Operator, refuse } from "../graph/operator/operator.js";
import { floats, signature } from "../graph/operator/signature.js";

/** Mean, and 1/√(variance + ε), of numbers that lie side by side. */
function moments(row: Float64Array, epsilon: number): { readonly mean: number; readonly inverse: number } {
  const mean = row.reduce((sum, v) => sum + v, 0) / row.length;
  const variance = row.reduce((sum, v) => sum + (v - mean) ** 2, 0) / row.length;
  return { mean, inverse: 1 / Math.sqrt(variance + epsilon) };
}

const epsilonOf = (context: NodeContext): number => floatAttribute(context.node, "epsilon", 1e-5);

/** Rows of `width` numbers, each normalized; then scale and shift, which broadcast to the value's shape. */
function normalizedRows(
  x: Tensor64,
  width: number,
  epsilon: number,
  centred: boolean,
): { y: Float64Array; means: Float64Array; inverses: Float64Array } {
  const rows = width === 0 ? 0 : x.data.length / width;
  const y = zeros(x.shape);
  const [means, inverses] = [new Float64Array(rows), new Float64Array(rows)];
  for (let r = 0; r < rows; r++) {
    const row = x.data.subarray(r * width, (r + 1) * width);
    const own = centred
      ? moments(row, epsilon)
      : { mean: 0, inverse: 1 / Math.sqrt(row.reduce((sum, v) => sum + v * v, 0) / width + epsilon) };
    for (let j = 0; j < width; j++) y[r * width + j] = (row[j] - own.mean) * own.inverse;
    means[r] = own.mean;
    inverses[r] = own.inverse;
  }
  return { y, means, inverses };
}

/** y · scale + shift with operands that broadcast to y. */
function scaled(y: Float64Array, shape: readonly number[], scale: Tensor64, shift: Tensor64 | undefined): Float64Array {
  const own = stridesOf(shape);
  const at = (operand: Tensor64): ((i: number) => number) => {
    const steps = broadcastStrides(operand.shape, shape);
    return (i) =>
      operand.data[steps.reduce((offset, step, axis) => offset + (Math.floor(i / own[axis]) % shape[axis]) * step, 0)];
  };
  const [a, b] = [at(scale), shift && at(shift)];
  return y.map((v, i) => v * a(i) + (b ? b(i) : 0));
}

const layerSignature = signature("X:T Scale:T B?:T -> Y:T Mean?:U InvStdDev?:U", { T: floats, U: ["f32", "bf16"] });

/** Over all axes from `axis` on (Ba et al., arXiv 1607.06450). */
const layerNormalization: Operator = {
  name: "LayerNormalization",
  versions: [17],
  signature: () => layerSignature,
  infer(context) {
    const x = context.shape(0);
    if (!x) return [undefined];
    const axis = axisAttribute(context, "axis", -1, x.length);
    broadcastsTo(context, "Scale", context.shape(1), x);
    broadcastsTo(context, "B", context.shape(2), x);
    const statistics = x.map((size, i) => (i < axis ? size : 1));
    return [x, ...context.node.outputs.slice(1).map(() => statistics)];
  },
  dtypes: (context) => [context.dtype(0), "f32", "f32"],
  evaluate: (call) => {
    const [x, scale, bias] = call.inputs;
    const axis = axisAttribute(call, "axis", -1, x!.shape.length);
    const { y, means, inverses } = normalizedRows(x!, elementCount(x!.shape.slice(axis)), epsilonOf(call), true);
    const statistics = x!.shape.map((size, i) => (i < axis ? size : 1));
    return [
      tensor64(x!.shape, scaled(y, x!.shape, scale!, bias), x!.dtype),
      tensor64(statistics, means, "f32"),
      tensor64(statistics, inverses, "f32"),
    ];
  },
};

const rmsSignature = signature("X:T scale:V -> Y:V", { T: floats, V: floats });

/** As LayerNormalization without the mean (Zhang and Sennrich, arXiv 1910.07467). */
const rmsNormalization: Operator = {
  name: "RMSNormalization",
  versions: [23],
  signature: () => rmsSignature,
  infer(context) {
    const x = context.shape(0);
    if (!x) return [undefined];
    axisAttribute(context, "axis", -1, x.length);
    broadcastsTo(context, "scale", context.shape(1), x);
    return [x];
  },
  evaluate: (call) => {
    const [x, scale] = call.inputs;
    const axis = axisAttribute(call, "axis", -1, x!.shape.length);
    const { y } = normalizedRows(x!, elementCount(x!.shape.slice(axis)), epsilonOf(call), false);
    return [tensor64(x!.shape, scaled(y, x!.shape, scale!, undefined), scale!.dtype)];
  },
};

const instanceSignature = signature("input:T scale:T B:T -> output:T", { T: floats });

/** [C] as it broadcasts to [N, C, positions…]. */
function byChannel(vector: Tensor64, rank: number): Tensor64 {
  return { ...vector, shape: [vector.data.length, ...new Array<number>(rank - 2).fill(1)] };
}

/** Each plane by its own mean and variance (Ulyanov et al., arXiv 1607.08022). */
const instanceNormalization: Operator = {
  name: "InstanceNormalization",
  versions: [1, 6, 22],
  signature: () => instanceSignature,
  infer(context) {
    const x = ranked(context, 0, (rank) => rank >= 3, "an input [N, C, positions…]");
    const channels = x?.[1] ?? context.shape(1)?.[0];
    vectorOf(context, 1, "scale", channels);
    vectorOf(context, 2, "B", channels);
    return [x];
  },
  evaluate: (call) => {
    const [x, scale, bias] = call.inputs as readonly Tensor64[];
    const { y } = normalizedRows(x, elementCount(x.shape.slice(2)), epsilonOf(call), true);
    return [
      tensor64(x.shape, scaled(y, x.shape, byChannel(scale, x.shape.length), byChannel(bias, x.shape.length)), x.dtype),
    ];
  },
};

const groupSignature = signature("X:T scale:T bias:T -> Y:T", { T: floats });

/** Groups of channels (Wu and He, arXiv 1803.08494). Scale and bias: one a group in version 18, one a channel since 21. */
const groupNormalization: Operator = {
  name: "GroupNormalization",
  versions: [18, 21],
  signature: () => groupSignature,
  infer(context) {
    const x = ranked(context, 0, (rank) => rank >= 2, "an input [N, C, …]");
    const groups = intAttribute(context.node, "num_groups", 0);
    if (!(groups >= 1)) refuse(context, "num_groups of at least 1", String(groups));
    const channels = x?.[1];
    if (typeof channels === "number" && channels % groups !== 0)
      refuse(context, `channels that ${groups} groups divide`, String(channels));
    const size = context.version < 21 ? groups : channels;
    vectorOf(context, 1, "scale", size);
    vectorOf(context, 2, "bias", size);
    return [x];
  },
  evaluate: (call) => {
    const [x, scale, bias] = call.inputs as readonly Tensor64[];
    const groups = intAttribute(call.node, "num_groups", 1);
    const [, channels, ...positions] = x.shape;
    const { y } = normalizedRows(x, (channels / groups) * elementCount(positions), epsilonOf(call), true);
    const each = (vector: Tensor64): Tensor64 => {
      const data =
        vector.data.length === channels
          ? vector.data
          : Float64Array.from({ length: channels }, (_, c) => vector.data[Math.floor((c * groups) / channels)]);
      return byChannel(tensor64([channels], data, x.dtype), x.shape.length);
    };
    return [tensor64(x.shape, scaled(y, x.shape, each(scale), each(bias)), x.dtype)];
  },
};

const oneSignature = signature("X:T -> Y:T", { T: floats });

/** Numbers along one axis, by their p-norm; all zero stays zero. */
const lpNormalization: Operator = {
  name: "LpNormalization",
  versions: [1, 22],
  signature: () => oneSignature,
  infer(context) {
    const x = context.shape(0);
    if (x) axisAttribute(context, "axis", -1, x.length);
    const p = intAttribute(context.node, "p", 2);
    if (p !== 1 && p !== 2) refuse(context, "p 1 or 2", String(p));
    return [x];
  },
  evaluate: (call) => {
    const x = call.inputs[0]!;
    const axis = axisAttribute(call, "axis", -1, x.shape.length);
    const p = intAttribute(call.node, "p", 2);
    const [size, inner] = [x.shape[axis], elementCount(x.shape.slice(axis + 1))];
    const y = x.data.map((v, i) => {
      const first = i - (Math.floor(i / inner) % size) * inner;
      let total = 0;
      for (let j = 0; j < size; j++) total += Math.abs(x.data[first + j * inner]) ** p;
      return total === 0 ? 0 : v / total ** (1 / p);
    });
    return [tensor64(x.shape, y, x.dtype)];
  },
};

/** (x − mean) / √(mean of squares − squared mean + 1e-9) over the given axes. */
const meanVarianceNormalization: Operator = {
  name: "MeanVarianceNormalization",
  versions: [9, 13],
  signature: () => oneSignature,
  infer(context) {
    const x = context.shape(0);
    if (x) axesOf(context, intsAttribute(context.node, "axes") ?? [0, 2, 3], x.length);
    return [x];
  },
  evaluate: (call) => {
    const x = call.inputs[0]!;
    const axes = new Set(axesOf(call, intsAttribute(call.node, "axes") ?? [0, 2, 3], x.shape.length));
    const kept = x.shape.map((size, axis) => (axes.has(axis) ? 1 : size));
    const [own, steps] = [stridesOf(x.shape), broadcastStrides(kept, x.shape)];
    const place = (i: number): number =>
      steps.reduce((offset, step, axis) => offset + (Math.floor(i / own[axis]) % x.shape[axis]) * step, 0);
    const [sums, squares, counts] = [zeros(kept), zeros(kept), zeros(kept)];
    x.data.forEach((v, i) => {
      const to = place(i);
      sums[to] += v;
      counts[to]++;
    });
    x.data.forEach((v, i) => {
      const to = place(i);
      squares[to] += (v - sums[to] / counts[to]) ** 2;
    });
    return [
      tensor64(
        x.shape,
        x.data.map(
          (v, i) => (v - sums[place(i)] / counts[place(i)]) / (Math.sqrt(squares[place(i)] / counts[place(i)]) + 1e-9),
        ),
        x.dtype,
      ),
    ];
  },
};

/** x / (bias + α/size · Σ of squares over `size` neighbouring channels)^β (Krizhevsky et al. 2012, §3.3). */
const localResponse: Operator = {
  name: "LRN",
  versions: [1, 13],
  signature: () => oneSignature,
  infer(context) {
    const x = ranked(context, 0, (rank) => rank >= 2, "an input [N, C, …]");
    const size = intAttribute(context.node, "size", 0);
    if (!(size >= 1)) refuse(context, "a size of at least 1", String(size));
    return [x];
  },
  evaluate: (call) => {
    const x = call.inputs[0]!;
    const size = intAttribute(call.node, "size", 1);
    const [alpha, beta, bias] = [
      floatAttribute(call.node, "alpha", 1e-4),
      floatAttribute(call.node, "beta", 0.75),
      floatAttribute(call.node, "bias", 1),
    ];
    const [, channels, ...positions] = x.shape;
    const area = elementCount(positions);
    const y = x.data.map((v, i) => {
      const c = Math.floor(i / area) % channels;
      let total = 0;
      const first = Math.max(0, c - Math.floor((size - 1) / 2));
      const last = Math.min(channels - 1, c + Math.ceil((size - 1) / 2));
      for (let other = first; other <= last; other++) total += x.data[i + (other - c) * area] ** 2;
      return v / (bias + (alpha / size) * total) ** beta;
    });
    return [tensor64(x.shape, y, x.dtype)];
  },
};

export const normalizationOperators: readonly Operator[] = [
  layerNormalization,
  rmsNormalization,
  instanceNormalization,
  groupNormalization,
  lpNormalization,
  meanVarianceNormalization,
  localResponse,
];
