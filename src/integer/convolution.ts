import type { KernelCall, Pointer } from "../backend/backend.js";
import { type ConvGeometry, convGeometry, convMacs } from "../core/conv-geometry.js";
import { type Constant, plainConstant } from "../lowering/constants.js";
import { convGeometryOf } from "../lowering/conv-geometry.js";
import type { ByteValues } from "./byte-values.js";
import { limitsOf, zeroOf } from "./byte-values.js";
import { multipliersOf } from "./find-convolution.js";
import type { IntegerOp, IntegerWeight } from "./integer-op.js";

type ConvolutionOp = Extract<IntegerOp, { readonly kind: "convolution" }>;

/** Emits a convolution of bytes by int8 weights, to bytes or to real numbers. */
export function lowerIntegerConvolution(
  values: ByteValues,
  op: ConvolutionOp,
  planConvolution: PlanIntegerConvolution,
): void {
  const { node, weight, bias, result } = op;
  const { lowering } = values;
  const { quantization } = op.input;
  const input = values.readOperand(op.input, node);
  const geometry = geometryOf(op, input.shape);
  const plan = planConvolution(geometry, largestMagnitude(weight));
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
    ...{ name: node.name, op: op.op, algorithm: plan.algorithm, macs: convMacs(geometry), convolution: geometry },
    ...{ reads: [input], output: held, constants: [packed, sums, multipliers], workspaceWords: plan.workspaceWords },
    calls: (at) =>
      plan.run({
        ...{ input: at.of(input.buffer), packed: at.constant(packed), output: at.of(held.buffer) },
        ...{ bias: at.constant(sums), multiplier: at.constant(multipliers), workspace: at.workspace },
        ...{ xZero: zeroOf(quantization), floats: result.kind === "real" },
        ...(result.kind === "integers" ? limitsOf(result) : { y_zero: 0, low: 0, high: 255 }),
      }),
  });
  if ("dtype" in held) values.define(value, held);
  else lowering.define(value, held);
}

function geometryOf({ node, weight }: ConvolutionOp, input: readonly number[]): ConvGeometry {
  if (node.op === "Conv") return convGeometryOf(node, input, weight.shape);
  const [outChannels, inChannels] = weight.shape as [number, number];
  return convGeometry({ batch: input[0]!, height: 1, width: 1, inChannels, outChannels, kernel: 1 });
}

/** Largest Σ |w| of an output. */
function largestMagnitude({ data, shape }: IntegerWeight): number {
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

/** Where a planned convolution finds its memory, and how its sums become results. */
export interface IntegerConvArguments {
  readonly input: Pointer;
  readonly packed: Pointer;
  readonly bias: Pointer;
  readonly multiplier: Pointer;
  readonly output: Pointer;
  readonly workspace: Pointer;
  readonly xZero: number;
  readonly floats: boolean;
  readonly y_zero: number;
  readonly low: number;
  readonly high: number;
}

export interface IntegerConvPlan {
  readonly algorithm: string;
  readonly packedWords: number;
  readonly workspaceWords: number;
  pack(weight: Pointer, packed: Pointer): readonly KernelCall[];
  run(at: IntegerConvArguments): readonly KernelCall[];
}

export type PlanIntegerConvolution = (geometry: ConvGeometry, largestMagnitude: number) => IntegerConvPlan;
