import type { KernelCall } from "../backend/backend.js";
import { flagAttribute, intsAttribute } from "../graph/attributes.js";
import { windowOf } from "../graph/window.js";
import type { Constant } from "../lowering/constants.js";
import { lower } from "../lowering/registry.js";
import { extents } from "../lowering/step.js";
import {
  type ByteTensor,
  type ByteValues,
  dequantize,
  limitsOf,
  quantize,
  rowBytes,
  rowsOf,
  zeroOf,
} from "./byte-values.js";
import { lowerIntegerConvolution, type PlanByteConvolution as Planner } from "./convolution.js";
import type { IntegerOp, IntegerResult } from "./integer-op.js";

type Op<Kind extends IntegerOp["kind"]> = Extract<IntegerOp, { readonly kind: Kind }>;

const lowerings: { readonly [Kind in IntegerOp["kind"]]: (values: ByteValues, op: Op<Kind>, plan: Planner) => void } = {
  add: lowerAdd,
  average: lowerAverage,
  concat: lowerConcat,
  convolution: lowerIntegerConvolution,
  dequantize: lowerDequantize,
  gate: lowerGate,
  move: lowerMove,
  quantize: lowerQuantize,
  table: lowerTable,
};

/** Emits the step of an integer operation. */
export function lowerInteger(values: ByteValues, op: IntegerOp, plan: Planner): void {
  const lowering = lowerings[op.kind] as (values: ByteValues, op: IntegerOp, plan: Planner) => void;
  lowering(values, op, plan);
}

/** The step's result, in memory. */
function outputOf(values: ByteValues, { value, quantization }: IntegerResult): ByteTensor {
  const output = values.create(value, values.lowering.shapeOf(value), quantization.dtype);
  values.define(value, output);
  return output;
}

function lowerQuantize(values: ByteValues, { node, op, value, result }: Op<"quantize">): void {
  const { scale, dtype } = result.quantization;
  const how = { op, dtype, scale, zero: zeroOf(result.quantization) };
  const output = quantize(values, node.name, result.value, values.lowering.tensor(value, node), how);
  values.define(result.value, output);
}

function lowerDequantize(values: ByteValues, { node, op, operand, result }: Op<"dequantize">): void {
  const input = values.readOperand(operand, node);
  const how = { op, scale: operand.quantization.scale, zero: zeroOf(operand.quantization) };
  dequantize(values, node.name, result.value, input, how);
}

function lowerAdd(values: ByteValues, { node, op, operands, result }: Op<"add">): void {
  const [a, b] = operands.map((operand) => values.readOperand(operand, node)) as [ByteTensor, ByteTensor];
  const [ofA, ofB] = operands.map(({ quantization: { scale } }) => Math.fround(scale / result.quantization.scale));
  const [aZero, bZero] = operands.map(({ quantization }) => zeroOf(quantization));
  const output = outputOf(values, result);
  values.lowering.emit({
    ...{ name: node.name, op, algorithm: "u8_add", reads: [a, b], output, mayOverwrite: [a, b] },
    calls: (at) => [
      {
        kernel: "u8_add_forward",
        args: {
          ...{ a: at.of(a.buffer), b: at.of(b.buffer), y: at.of(output.buffer), n: 4 * output.buffer.words },
          ...{ a_zero: aZero!, a_multiplier: ofA!, b_zero: bZero!, b_multiplier: ofB! },
          ...limitsOf(result),
        },
      },
    ],
  });
}

/** A value times one number a channel: squeeze and excitation. */
function lowerGate(values: ByteValues, { node, op, operands, result }: Op<"gate">): void {
  const [x, gate] = operands.map((operand) => values.readOperand(operand, node)) as [ByteTensor, ByteTensor];
  const [ofX, ofGate] = [operands[0].quantization, operands[1].quantization];
  const multiplier = Math.fround(Math.fround(ofX.scale * ofGate.scale) / result.quantization.scale);
  const output = outputOf(values, result);
  values.lowering.emit({
    ...{ name: node.name, op, algorithm: "u8_multiply_channel", reads: [x, gate], output, mayOverwrite: [x] },
    calls: (at) => [
      {
        kernel: "u8_multiply_channel_forward",
        args: {
          ...{ x: at.of(x.buffer), scale: at.of(gate.buffer), y: at.of(output.buffer), ...extents(x.shape) },
          ...{ x_zero: zeroOf(ofX), scale_zero: zeroOf(ofGate), multiplier },
          ...limitsOf(result),
        },
      },
    ],
  });
}

function lowerAverage(values: ByteValues, { node, op, operand, result }: Op<"average">): void {
  const input = values.readOperand(operand, node);
  const output = outputOf(values, result);
  const scaling = {
    x_zero: zeroOf(operand.quantization),
    multiplier: Math.fround(operand.quantization.scale / result.quantization.scale),
    ...limitsOf(result),
  };
  const isGlobal = node.op !== "AveragePool";
  values.lowering.emit({
    ...{ name: node.name, op, reads: [input], output },
    algorithm: isGlobal ? "u8_global_average_pool" : "u8_average_pool",
    calls: (at): KernelCall[] => {
      const places = { x: at.of(input.buffer), y: at.of(output.buffer) };
      if (isGlobal)
        return [
          {
            kernel: "u8_global_average_pool_forward",
            args: { ...places, ...extents(input.shape), ...scaling, floats: 0 },
          },
        ];
      const { pass, behind } = windowPass(node, input.shape, output.shape);
      const include_pad = Number(flagAttribute(node, "count_include_pad", false));
      return [{ kernel: "u8_average_pool_forward", args: { ...places, ...pass, ...behind, include_pad, ...scaling } }];
    },
  });
}

/** A window over the last one or two axes, as the kernels count it. */
function windowPass(node: IntegerOp["node"], shape: readonly number[], out: readonly number[]) {
  const [batch, channels, ...sizes] = shape as [number, number, ...number[]];
  const { kernel, strides, dilations, pads } = windowOf(node, intsAttribute(node, "kernel_shape") ?? [], sizes);
  const rank = sizes.length;
  const two = (numbers: readonly number[], missing: number): readonly [number, number] =>
    rank === 1 ? [missing, numbers[0]!] : [numbers[0]!, numbers[1]!];
  const [in_height, in_width] = two(sizes, 1);
  const [out_height, out_width] = two(out.slice(2), 1);
  const [kernel_height, kernel_width] = two(kernel, 1);
  const [stride_y, stride_x] = two(strides, 1);
  const [dilation_y, dilation_x] = two(dilations, 1);
  const [pad_y, pad_x] = two(pads!.slice(0, rank), 0);
  const [pad_bottom, pad_right] = two(pads!.slice(rank), 0);
  return {
    pass: {
      ...{ batch, in_height, in_width, channels, out_height, out_width, kernel_height, kernel_width },
      ...{ stride_y, stride_x, pad_y, pad_x, dilation_y, dilation_x },
    },
    behind: { pad_bottom, pad_right },
  };
}

/** Channels beside channels: each operand in the result's scale. */
function lowerConcat(values: ByteValues, { node, op, operands, result }: Op<"concat">): void {
  const inputs = operands.map((operand) => values.readOperand(operand, node));
  const output = outputOf(values, result);
  const y_row = rowBytes(rowsOf(output.shape).channels);
  values.lowering.emit({
    ...{ name: node.name, op, algorithm: "u8_requantize", reads: inputs, output },
    calls: (at) => {
      let y_offset = 0;
      return operands.map(({ quantization }, i): KernelCall => {
        const { rows, channels } = rowsOf(inputs[i]!.shape);
        const call: KernelCall = {
          kernel: "u8_requantize_forward",
          args: {
            ...{ x: at.of(inputs[i]!.buffer), y: at.of(output.buffer), rows, channels },
            ...{ x_row: rowBytes(channels), x_offset: 0, y_row, y_offset, x_zero: zeroOf(quantization) },
            multiplier: Math.fround(quantization.scale / result.quantization.scale),
            ...limitsOf(result),
          },
        };
        y_offset += channels;
        return call;
      });
    },
  });
}

function lowerTable(values: ByteValues, { node, op, operand, table, result }: Op<"table">): void {
  const input = values.readOperand(operand, node);
  const output = outputOf(values, result);
  const constant: Constant = {
    ...{ key: `${result.value} table`, words: 64, count: 64 },
    write: (target) => new Uint8Array(target.buffer, target.byteOffset, 256).set(table),
  };
  const { rows, channels } = rowsOf(input.shape);
  const row = rowBytes(channels);
  values.lowering.emit({
    ...{ name: node.name, op, algorithm: "u8_table", reads: [input], output, mayOverwrite: [input] },
    constants: [constant],
    calls: (at) => [
      {
        kernel: "u8_table_forward",
        args: {
          ...{ x: at.of(input.buffer), table: at.constant(constant), y: at.of(output.buffer), rows, channels },
          ...{ x_row: row, x_offset: 0, y_row: row, y_offset: 0, by_channel: 0 },
        },
      },
    ],
  });
}

/** Integers moved as they are: bytes stay where they lie, or go by way of float32 words. */
function lowerMove(values: ByteValues, { node, op, operand, dtype, value }: Op<"move">): void {
  const { lowering } = values;
  const shape = lowering.shapeOf(value);
  const given = lowering.shapeOf(operand);
  if (node.op === "MaxPool" && given.length <= 4) {
    const input = values.read(operand, dtype, node);
    const output = values.create(value, shape, dtype);
    const { pass } = windowPass(node, given, shape);
    values.define(value, output);
    lowering.emit({
      ...{ name: node.name, op, algorithm: "u8_max_pool", reads: [input], output },
      calls: (at) => [
        { kernel: "u8_max_pool_forward", args: { x: at.of(input.buffer), y: at.of(output.buffer), ...pass } },
      ],
    });
  } else if (node.op !== "MaxPool" && JSON.stringify(extents(shape)) === JSON.stringify(extents(given))) {
    const { buffer } = values.read(operand, dtype, node);
    values.define(value, { shape, dtype, buffer });
  } else lower(lowering, { kind: "node", node });
}
