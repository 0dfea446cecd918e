import { toFloat64 } from "../core/named-arrays.js";
import { flagAttribute } from "../graph/attributes.js";
import { isInteger } from "../graph/evaluate/tensor64.js";
import type { GraphNode } from "../graph/graph.js";
import { broadcastShapes } from "../graph/shapes.js";
import { type Constant, plainConstant } from "./constants.js";
import type { Lowering } from "./context.js";
import { broadcastOf, type Operand, sizes, steps } from "./operands.js";
import { lowerIdentity } from "./shape.js";
import { extents, type Tensor } from "./step.js";
import { placeOf } from "./strided.js";
import { lowerSquareRoot } from "./unary.js";
import { mayGrow, wholeCheck } from "./whole-numbers.js";

/** As the kernel broadcast_forward counts them. */
const operations: Readonly<Record<string, number>> = {
  Add: 0,
  And: 11,
  Div: 3,
  Equal: 8,
  Greater: 9,
  GreaterOrEqual: 10,
  Max: 4,
  Min: 5,
  Mul: 2,
  Or: 12,
  PRelu: 6,
  Pow: 7,
  Sub: 1,
  Xor: 13,
};

/** Those that are another one with its operands exchanged. */
const exchanged: Readonly<Record<string, string>> = { Less: "Greater", LessOrEqual: "GreaterOrEqual" };
const [addition, division, wholeDivision, power, remainder, modulus] = [0, 3, 14, 7, 15, 16];

/**
 * Two operands, computed or constant, with numpy's broadcasting. Sums of one shape and constants of one number a channel do not
 * come here: fusion takes them in.
 */
function lowerBinary(lowering: Lowering, node: GraphNode): void {
  const value = node.outputs[0]!;
  const fast = node.op === "Mul" && !mayGrow(lowering, node) ? fastProduct(lowering, node) : undefined;
  const [a, b] = (node.op in exchanged ? node.inputs.toReversed() : node.inputs) as [string, string];
  lowering.define(
    value,
    fast ?? emitBinary(lowering, node, operationOf(lowering, node), [a, b], value, lowering.shapeOf(value)),
  );
}

function operationOf(lowering: Lowering, node: GraphNode): number {
  if (node.op === "Mod") return flagAttribute(node, "fmod", false) ? remainder : modulus;
  const whole = isInteger(lowering.graph.dtypes.get(node.inputs[0]!) ?? "f32");
  return node.op === "Div" && whole ? wholeDivision : operations[exchanged[node.op] ?? node.op]!;
}

/** A square and a root are powers that have kernels of their own. */
function lowerPower(lowering: Lowering, node: GraphNode): void {
  const exponent = lowering.graph.constants.get(node.inputs[1]!);
  const value = exponent?.data.length === 1 ? toFloat64(exponent)[0] : undefined;
  const sameShape = `${lowering.shapeOf(node.inputs[0]!)}` === `${lowering.shapeOf(node.outputs[0]!)}`;
  if (!sameShape || mayGrow(lowering, node)) lowerBinary(lowering, node);
  else if (value === 1) lowerIdentity(lowering, node);
  else if (value === 2) lowerBinary(lowering, { ...node, op: "Mul", inputs: [node.inputs[0]!, node.inputs[0]!] });
  else if (value === 0.5) lowerSquareRoot(lowering, node);
  else lowerBinary(lowering, node);
}

/** Sum, Mean, Max and Min of any number of operands: two at a time. */
function lowerVariadic(lowering: Lowering, node: GraphNode): void {
  const operation = operations[node.op] ?? addition;
  const value = node.outputs[0]!;
  const [first, ...others] = node.inputs as [string, ...string[]];
  const averaged = node.op === "Mean" && others.length > 0;
  let total = first;
  let shape = lowering.shapeOf(first);
  others.forEach((name, i) => {
    const last = i === others.length - 1 && !averaged;
    const partial = last ? value : `${value} (${i + 2} of ${node.inputs.length})`;
    shape = broadcastShapes(shape, lowering.shapeOf(name)) as readonly number[];
    lowering.define(partial, emitBinary(lowering, node, operation, [total, name], partial, shape));
    total = partial;
  });
  if (others.length === 0) lowerIdentity(lowering, node);
  if (averaged) {
    const count = plainConstant(`${node.inputs.length} operands`, [node.inputs.length]);
    lowering.define(value, emitBinary(lowering, node, division, [total, count], value, shape));
  }
}

export const binaryLowerings: Readonly<Record<string, (lowering: Lowering, node: GraphNode) => void>> = {
  ...Object.fromEntries([...Object.keys(operations), ...Object.keys(exchanged), "Mod"].map((op) => [op, lowerBinary])),
  ...Object.fromEntries(["Max", "Mean", "Min", "Sum"].map((op) => [op, lowerVariadic])),
  Pow: lowerPower,
};

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

/** One pass of broadcast_forward. */
function emitBinary(
  lowering: Lowering,
  node: GraphNode,
  operation: number,
  names: readonly (string | Constant)[],
  value: string,
  shape: readonly number[],
): Tensor {
  const { operands, channelsLast, axes } = broadcastOf(lowering, node, names, shape);
  const [a, b] = operands as [Operand, Operand];
  const output = channelsLast ? lowering.create(value, shape) : lowering.createRowMajor(value, shape);
  const tensors = operands.flatMap(({ source }) => ("buffer" in source ? [source] : []));
  const check = wholeCheck(lowering, node);
  const truncates = operation === power && mayGrow(lowering, node);
  const n = output.buffer.words;
  return lowering.emit({
    name: node.name,
    op: node.op,
    algorithm: "broadcast",
    reads: tensors,
    output,
    mayOverwrite: tensors.filter((tensor) => `${tensor.shape}` === `${shape}`),
    constants: operands.flatMap(({ source }) => ("buffer" in source ? [] : [source])),
    ...(check && { refusal: check.refusal }),
    calls: (at) => {
      const y = at.of(output.buffer);
      const pointers = { a: placeOf(a.source, at), b: placeOf(b.source, at), y };
      return [
        {
          kernel: "broadcast_forward",
          args: { ...pointers, operation, ...sizes(axes), ...steps(axes, "a", 0), ...steps(axes, "b", 1) },
        },
        ...(truncates
          ? [{ kernel: "unary_forward", args: { x: y, y, n, operation: 6, alpha: 0, beta: 0, gamma: 0 } } as const]
          : []),
        ...(check?.calls(output, at) ?? []),
      ];
    },
  });
}
