import type { ByteConvPlan, ByteRange } from "../backend/conv-bytes/plan.js";
import { type ConvGeometry, convGeometry, convMacs } from "../core/conv-geometry.js";
import { type Constant, plainConstant } from "../lowering/constants.js";
import type { Lowering } from "../lowering/context.js";
import { convGeometryOf } from "../lowering/conv-geometry.js";
import type { Tensor } from "../lowering/step.js";
import { type ByteValues, limitsOf, rowsOf, zeroOf } from "./byte-values.js";
import { multipliersOf } from "./find-convolution.js";
import type { IntegerOp, IntegerResult, IntegerWeight } from "./integer-op.js";

/** Chooses among the algorithms that hold weights of a largest Σ |w|; all of them give the same bits. */
export type PlanByteConvolution = (geometry: ConvGeometry, largestSum: number) => ByteConvPlan;

type ConvolutionOp = Extract<IntegerOp, { readonly kind: "convolution" }>;

/** Emits a convolution of bytes by int8 weights, to bytes or to real numbers. */
export function lowerIntegerConvolution(
  values: ByteValues,
  op: ConvolutionOp,
  planConvolution: PlanByteConvolution,
): void {
  const { node, weight, bias, result } = op;
  const residual = op.residual && values.readOperand(op.residual, node);
  const { lowering } = values;
  const { quantization } = op.input;
  const input = values.readOperand(op.input, node);
  const geometry = geometryOf(op, input.shape);
  const plan = planConvolution(geometry, largestWeightSumOf(weight));
  const { value } = result;
  const packed: Constant = {
    key: `${value} integers ${JSON.stringify(plan.pack(1, 2))}`,
    words: plan.packedWords,
    count: Math.ceil(weight.data.length / 4),
    write: (target) => writeHwio(weight, new Int8Array(target.buffer, target.byteOffset, weight.data.length)),
    packing: { roomWords: Math.ceil(weight.data.length / 4), calls: plan.pack },
  };
  const offsets = biasWithZero(weight, bias, zeroOf(quantization));
  const sums: Constant = {
    ...{ key: `${value} sums`, words: offsets.length, count: offsets.length },
    write: (target) => new Int32Array(target.buffer, target.byteOffset, offsets.length).set(offsets),
  };
  const multipliers = plainConstant(`${value} multipliers`, multipliersOf(weight, quantization.scale, result));
  const shape = lowering.shapeOf(value);
  const held =
    result.kind === "integers" ? values.create(value, shape, result.quantization.dtype) : lowering.create(value, shape);
  lowering.emit({
    ...{
      name: node.name,
      op: op.op,
      algorithm: `u8_${plan.algorithm}`,
      macs: convMacs(geometry),
      convolution: geometry,
    },
    ...{ reads: residual ? [input, residual] : [input], output: held, constants: [packed, sums, multipliers] },
    calls: (at) =>
      plan.run({
        ...{ input: at.of(input.buffer), inputZero: zeroOf(quantization), output: at.of(held.buffer) },
        ...{ packed: at.constant(packed), bias: at.constant(sums), multiplier: at.constant(multipliers) },
        ...(result.kind === "integers" && { bytes: byteRange(result) }),
        ...(residual && { residual: { at: at.of(residual.buffer), ...ofResidual(op) } }),
      }),
  });
  if ("dtype" in held) values.define(value, held);
  else lowering.define(value, op.rest ? withRest(lowering, op, held, op.rest) : held);
}

/** What the bias in whole units leaves, added to real numbers. */
function withRest(lowering: Lowering, { node }: ConvolutionOp, sums: Tensor, rest: Float64Array): Tensor {
  const output = lowering.create(sums.buffer.name, sums.shape);
  const [shift, scale] = [
    plainConstant(`${sums.buffer.name} rest`, rest),
    plainConstant(`${sums.buffer.name} ones`, new Float32Array(rest.length).fill(1)),
  ];
  const none = { scale1: 0, shift1: 0, x1: 0, scale2: 0, shift2: 0, x2: 0, relu: 0 };
  return lowering.emit({
    ...{ name: node.name, op: "Affine", algorithm: "branch_sum", reads: [sums], output, mayOverwrite: [sums] },
    constants: [scale, shift],
    calls: (at) => [
      {
        kernel: "branch_sum_forward",
        args: {
          ...{ x0: at.of(sums.buffer), scale0: at.constant(scale), shift0: at.constant(shift) },
          ...{ ...none, y: at.of(output.buffer), ...rowsOf(sums.shape) },
        },
      },
    ],
  });
}

/** Its scale in steps of the result. */
function ofResidual({ residual, result }: ConvolutionOp): { readonly zero: number; readonly multiplier: number } {
  if (!residual || result.kind === "real") throw new Error("only bytes have residuals");
  const { quantization } = residual;
  return { zero: zeroOf(quantization), multiplier: Math.fround(quantization.scale / result.quantization.scale) };
}

function byteRange(result: IntegerResult): ByteRange {
  const { y_zero: zero, low, high } = limitsOf(result);
  return { zero, low, high };
}

function geometryOf({ node, weight }: ConvolutionOp, input: readonly number[]): ConvGeometry {
  if (node.op === "Conv") return convGeometryOf(node, input, weight.shape);
  const [outChannels, inChannels] = weight.shape as [number, number];
  return convGeometry({ batch: input[0]!, height: 1, width: 1, inChannels, outChannels, kernel: 1 });
}

/** Largest Σ |w| of an output. */
function largestWeightSumOf({ data, shape }: IntegerWeight): number {
  const each = data.length / shape[0]!;
  let largest = 0;
  for (let o = 0; o < shape[0]!; o++) {
    let sum = 0;
    for (let i = o * each; i < (o + 1) * each; i++) sum += Math.abs(data[i]!);
    largest = Math.max(largest, sum);
  }
  return largest;
}

/** [O, I/groups, …taps] → [taps][I/groups][O]. */
function writeHwio({ data, shape }: IntegerWeight, target: Int8Array): void {
  const [outputs, inputs] = shape as [number, number];
  const taps = data.length / (outputs * inputs);
  for (let at = 0, o = 0; o < outputs; o++)
    for (let i = 0; i < inputs; i++)
      for (let tap = 0; tap < taps; tap++, at++) target[(tap * inputs + i) * outputs + o] = data[at]!;
}

/** The bias less zero · Σ w: taps outside the image read the zero point, so that it goes away everywhere. */
function biasWithZero({ data, shape }: IntegerWeight, bias: Int32Array, zero: number): Int32Array {
  const each = data.length / shape[0]!;
  return bias.map((b, o) => {
    let sum = 0;
    for (let i = o * each; i < (o + 1) * each; i++) sum += data[i]!;
    return b - zero * sum;
  });
}
