import { UserError } from "../../../core/errors.js";
import { elementCount, type NamedArray, toFloat32 } from "../../../core/named-arrays.js";
import type { GraphNode } from "../../../graph/graph.js";
import type { Constant } from "../constants.js";
import { extents, type Tensor } from "../step.js";
import { type Axis, axesInMemory, collapsed, inMemoryOrder } from "./axes.js";
import type { Lowering } from "./context.js";

/** As the kernel broadcast_forward counts them. */
const operations: Readonly<Record<string, number>> = { Add: 0, Sub: 1, Mul: 2, Div: 3, Max: 4, Min: 5, PRelu: 6 };

/**
 * Two operands, computed or constant, with numpy's broadcasting. Sums of one shape and constants of one number a channel do not
 * come here: fusion takes them in.
 */
function lowerBinary(lowering: Lowering, node: GraphNode): void {
  if (node.inputs.length !== 2) {
    throw new UserError({
      expected: `two operands of node "${node.name}" (${node.op})`,
      received: `${node.inputs.length}`,
    });
  }
  const fast = node.op === "Mul" ? fastProduct(lowering, node) : undefined;
  lowering.define(node.outputs[0]!, fast ?? broadcast(lowering, node));
}

export const binaryLowerings = Object.fromEntries(Object.keys(operations).map((op) => [op, lowerBinary]));

/** Products of one shape, and of [N, C, …] by a gate [N, C, 1, …], have kernels of their own. */
function fastProduct(lowering: Lowering, node: GraphNode): Tensor | undefined {
  if (node.inputs.some((value) => lowering.graph.constants.has(value))) return undefined;
  const [a, b] = node.inputs.map((value) => lowering.tensor(value, node)) as [Tensor, Tensor];
  const last = (tensor: Tensor): Tensor => lowering.channelsLast(tensor);
  if (`${a.shape}` === `${b.shape}`) return multiply(lowering, node, last(a), last(b));
  if (isGateOf(b, a)) return multiplyByChannel(lowering, node, last(a), last(b));
  return isGateOf(a, b) ? multiplyByChannel(lowering, node, last(b), last(a)) : undefined;
}

function isGateOf(gate: Tensor, x: Tensor): boolean {
  const [g, e] = [extents(gate.shape), extents(x.shape)];
  return gate.shape.length === x.shape.length && g.batch === e.batch && g.channels === e.channels && g.positions === 1;
}

function multiply(lowering: Lowering, node: GraphNode, a: Tensor, b: Tensor): Tensor {
  const output = lowering.create(node.outputs[0]!, a.shape);
  return lowering.emit({
    name: node.name,
    op: node.op,
    algorithm: "multiply",
    reads: [a, b],
    output,
    mayOverwrite: [a, b],
    calls: (at) => [
      {
        kernel: "multiply",
        args: {
          a: at.of(a.buffer),
          b: at.of(b.buffer),
          y: at.of(output.buffer),
          n: output.buffer.words,
          accumulate: 0,
        },
      },
    ],
  });
}

function multiplyByChannel(lowering: Lowering, node: GraphNode, x: Tensor, gate: Tensor): Tensor {
  const output = lowering.create(node.outputs[0]!, x.shape);
  return lowering.emit({
    name: node.name,
    op: node.op,
    algorithm: "multiply_channel",
    reads: [x, gate],
    output,
    mayOverwrite: [x],
    calls: (at) => [
      {
        kernel: "multiply_channel_forward",
        args: { x: at.of(x.buffer), scale: at.of(gate.buffer), y: at.of(output.buffer), ...extents(x.shape) },
      },
    ],
  });
}

/** An operand where it stands in memory, with axes of size 1 in front up to the result's rank. */
interface Operand {
  readonly shape: readonly number[];
  readonly source: Tensor | Constant;
}

function broadcast(lowering: Lowering, node: GraphNode): Tensor {
  const value = node.outputs[0]!;
  const shape = lowering.shapeOf(value);
  const channelsLast = canBeChannelsLast(lowering, node, shape);
  const [a, b] = node.inputs.map((name) => operandOf(lowering, node, name, shape.length, channelsLast)) as [
    Operand,
    Operand,
  ];
  const output = channelsLast ? lowering.create(value, shape) : lowering.createRowMajor(value, shape);
  const axes = kernelAxes(node, shape, a, b, channelsLast);
  const tensors = [a, b].flatMap(({ source }) => ("buffer" in source ? [source] : []));
  return lowering.emit({
    name: node.name,
    op: node.op,
    algorithm: "broadcast",
    reads: tensors,
    output,
    mayOverwrite: tensors.filter((tensor) => `${tensor.shape}` === `${shape}`),
    constants: [a, b].flatMap(({ source }) => ("buffer" in source ? [] : [source])),
    calls: (at) => {
      const place = ({ source }: Operand) => ("buffer" in source ? at.of(source.buffer) : at.constant(source));
      const pointers = { a: place(a), b: place(b), y: at.of(output.buffer) };
      return [{ kernel: "broadcast_forward", args: { ...pointers, operation: operations[node.op]!, ...axes } }];
    },
  });
}

/** Where every computed operand has all axes of the result; a value of fewer axes stands row-major. */
function canBeChannelsLast(lowering: Lowering, node: GraphNode, shape: readonly number[]): boolean {
  const computed = node.inputs.filter((name) => !lowering.graph.constants.has(name));
  const ranks = computed.map((name) => lowering.tensor(name, node).shape.length);
  return shape.length > 2 && ranks.every((rank) => rank === shape.length);
}

function operandOf(lowering: Lowering, node: GraphNode, name: string, rank: number, channelsLast: boolean): Operand {
  const constant = lowering.graph.constants.get(name);
  if (constant) return constantOperand(name, constant, rank, channelsLast);
  const tensor = lowering.tensor(name, node);
  const source = channelsLast ? lowering.channelsLast(tensor) : lowering.rowMajor(tensor);
  return { shape: withRank(tensor.shape, rank), source };
}

function constantOperand(name: string, constant: NamedArray, rank: number, channelsLast: boolean): Operand {
  const shape = withRank(constant.shape, rank);
  const source: Constant = {
    key: `${name} ${channelsLast ? "channels-last" : "row-major"} [${shape}]`,
    words: elementCount(shape),
    count: elementCount(shape),
    write: (target) => target.set(inMemoryOrder(toFloat32(constant), shape, channelsLast)),
  };
  return { shape, source };
}

function withRank(shape: readonly number[], rank: number): readonly number[] {
  return [...Array<number>(rank - shape.length).fill(1), ...shape];
}

function kernelAxes(node: GraphNode, shape: readonly number[], a: Operand, b: Operand, channelsLast: boolean) {
  const axes = collapsed(axesInMemory(shape, [a.shape, b.shape], channelsLast));
  if (axes.length > 4) {
    throw new UserError({
      expected: `operands that broadcast along at most four groups of axes in node "${node.name}" (${node.op})`,
      received: `[${a.shape}] and [${b.shape}]`,
    });
  }
  const one: Axis = { size: 1, steps: [0, 0] };
  const [d0, d1, d2, d3] = [...Array<Axis>(4 - axes.length).fill(one), ...axes] as [Axis, Axis, Axis, Axis];
  return {
    ...{ size0: d0.size, size1: d1.size, size2: d2.size, size3: d3.size },
    ...{ a_step0: d0.steps[0]!, a_step1: d1.steps[0]!, a_step2: d2.steps[0]!, a_step3: d3.steps[0]! },
    ...{ b_step0: d0.steps[1]!, b_step1: d1.steps[1]!, b_step2: d2.steps[1]!, b_step3: d3.steps[1]! },
  };
}
