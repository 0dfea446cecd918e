import { ShapeError } from "../../core/errors.js";
import { floatAttribute, intAttribute } from "../attributes.js";
import { broadcastShapes } from "../shapes.js";
import { channelStatistics } from "./channel-statistics.js";
import { broadcast } from "./elementwise.js";
import type { Operators } from "./operator.js";
import { required } from "./operator.js";
import type { Tensor64 } from "./tensor64.js";
import { normalAxis, tensor64 } from "./tensor64.js";

function transposed({ shape: [rows, columns], data, dtype }: Tensor64): Tensor64 {
  const result = new Float64Array(data.length);
  for (let i = 0; i < rows; i++) for (let j = 0; j < columns; j++) result[j * rows + i] = data[i * columns + j];
  return tensor64([columns, rows], result, dtype);
}

/** [..., m, k] · [..., k, n] with the leading axes broadcast; vectors are rows on the left and columns on the right (numpy). */
function matMul(a: Tensor64, b: Tensor64): Tensor64 {
  const left = a.shape.length === 1 ? [1, ...a.shape] : a.shape;
  const right = b.shape.length === 1 ? [...b.shape, 1] : b.shape;
  const [m, k] = left.slice(-2);
  const n = right.at(-1)!;
  if (right.at(-2) !== k) {
    throw new ShapeError({ expected: `a right matrix of ${k} rows`, received: `[${b.shape.join(", ")}]` });
  }
  const batch = broadcastShapes(left.slice(0, -2), right.slice(0, -2)) as number[];
  const count = batch.reduce((product, size) => product * size, 1);
  const result = new Float64Array(count * m * n);
  for (let at = 0; at < count; at++) {
    const [fromA, fromB] = [batchOffset(at, batch, left) * m * k, batchOffset(at, batch, right) * k * n];
    for (let i = 0; i < m; i++) {
      for (let l = 0; l < k; l++) {
        const factor = a.data[fromA + i * k + l];
        for (let j = 0; j < n; j++) result[(at * m + i) * n + j] += factor * b.data[fromB + l * n + j];
      }
    }
  }
  const shape = [...batch, ...(a.shape.length === 1 ? [] : [m]), ...(b.shape.length === 1 ? [] : [n])];
  return tensor64(shape, result, a.dtype);
}

/** The matrix of `own` (its last two axes left out) that belongs to matrix `at` of the broadcast batch. */
function batchOffset(at: number, batch: readonly number[], own: readonly number[]): number {
  let offset = 0;
  let stride = 1;
  for (let axis = batch.length - 1, rest = at, o = own.length - 3; axis >= 0; axis--, o--) {
    const index = rest % batch[axis];
    rest = Math.floor(rest / batch[axis]);
    if (o < 0) break;
    offset += (own[o] === 1 ? 0 : index) * stride;
    stride *= own[o];
  }
  return offset;
}

export const matrixOperators: Operators = {
  MatMul: (inputs, node) => [matMul(required(inputs, 0, node), required(inputs, 1, node))],
  Gemm: (inputs, node) => {
    const [a, b] = [required(inputs, 0, node), required(inputs, 1, node)];
    const product = matMul(
      intAttribute(node, "transA", 0) ? transposed(a) : a,
      intAttribute(node, "transB", 0) ? transposed(b) : b,
    );
    const alpha = floatAttribute(node, "alpha", 1);
    const scaled = tensor64(
      product.shape,
      product.data.map((x) => alpha * x),
      a.dtype,
    );
    const beta = floatAttribute(node, "beta", 1);
    return [inputs[2] ? broadcast(scaled, inputs[2], a.dtype, (x, c) => x + beta * c) : scaled];
  },
  /** In training mode by the batch's own statistics, with the running ones as second and third result, as ONNX defines it. */
  BatchNormalization: (inputs, node) => {
    const [x, gamma, beta, runningMean, runningVariance] = [0, 1, 2, 3, 4].map((i) => required(inputs, i, node));
    const epsilon = floatAttribute(node, "epsilon", 1e-5);
    const batch = intAttribute(node, "training_mode", 0) === 1 ? channelStatistics(x) : undefined;
    const { mean, variance } = batch ?? { mean: runningMean.data, variance: runningVariance.data };
    const channels = x.shape[1];
    const area = x.shape.slice(2).reduce((product, size) => product * size, 1);
    const result = x.data.map((v, at) => {
      const c = Math.floor(at / area) % channels;
      return (gamma.data[c] * (v - mean[c])) / Math.sqrt(variance[c] + epsilon) + beta.data[c];
    });
    const y = tensor64(x.shape, result, x.dtype);
    if (!batch) return [y];
    const momentum = floatAttribute(node, "momentum", 0.9);
    const updated = (running: Tensor64, own: Float64Array): Tensor64 =>
      tensor64(
        running.shape,
        running.data.map((v, c) => v * momentum + own[c] * (1 - momentum)),
        running.dtype,
      );
    return [y, updated(runningMean, batch.mean), updated(runningVariance, batch.variance)];
  },
  LayerNormalization: (inputs, node) => {
    const x = required(inputs, 0, node);
    const axis = normalAxis(intAttribute(node, "axis", -1), x.shape.length);
    const width = x.shape.slice(axis).reduce((product, size) => product * size, 1);
    const epsilon = floatAttribute(node, "epsilon", 1e-5);
    const [scale, bias] = [required(inputs, 1, node), inputs[2]];
    const result = new Float64Array(x.data.length);
    for (let at = 0; at < result.length; at += width) {
      const row = x.data.subarray(at, at + width);
      const mean = row.reduce((sum, v) => sum + v, 0) / width;
      const variance = row.reduce((sum, v) => sum + (v - mean) ** 2, 0) / width;
      row.forEach((v, j) => {
        result[at + j] = ((v - mean) / Math.sqrt(variance + epsilon)) * scale.data[j] + (bias?.data[j] ?? 0);
      });
    }
    return [tensor64(x.shape, result, x.dtype)];
  },
};
