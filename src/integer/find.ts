import { type NamedArray, toFloat64 } from "../core/named-arrays.js";
import { intsAttribute } from "../graph/attributes.js";
import { toNamedArray, toTensor64 } from "../graph/evaluate/tensor64.js";
import type { GraphNode } from "../graph/graph.js";
import { apply } from "../graph/operator/apply.js";
import { nodeContext } from "../graph/operator/node-context.js";
import { isOperator, rangeOf } from "../graph/quantization.js";
import type { PreparedGraph } from "../lowering/prepare.js";
import { concatAxis } from "../operators/concat.js";
import { checkScales, checkZero } from "../operators/quantize.js";
import { findConvolution, products } from "./find-convolution.js";
import { type FloatLayer, type IntegerOp, type IntegerResult, type Operand, stored } from "./integer-op.js";
import { Surroundings } from "./surroundings.js";
import { findTable } from "./table.js";
import { Reason } from "./weights.js";

/** What of a graph runs on 8-bit numbers. */
export interface IntegerParts {
  /** Each node that an integer step does; the last of a step's nodes has the step. */
  readonly taken: ReadonlyMap<GraphNode, IntegerOp | undefined>;
  /** The graph for the rest: constants that it reads are dequantized. */
  readonly graph: PreparedGraph;
  /** Layers with quantized operands that run in float32, and why. */
  readonly inFloat: readonly FloatLayer[];
}

interface Found {
  readonly op: IntegerOp;
  readonly taken: readonly GraphNode[];
}

/**
 * Finds integer steps in a quantized graph of {@link canonical} form: products, sums, averages, joined channels and functions between DequantizeLinear and
 * QuantizeLinear; what is left of these two is a step by itself.
 */
export function findIntegers(graph: PreparedGraph): IntegerParts {
  checkQuantization(graph);
  const around = new Surroundings(graph);
  const taken = new Map<GraphNode, IntegerOp | undefined>();
  const inFloat: FloatLayer[] = [];
  const take = ({ op, taken: nodes }: Found): void => {
    for (const node of nodes) taken.set(node, undefined);
    taken.set(nodes.at(-1)!, op);
  };
  for (const node of graph.nodes) {
    if (node.domain !== "" || taken.has(node)) continue;
    const found = products.has(node.op) ? findConvolution(around, node) : findOther(around, node);
    if (found instanceof Reason) inFloat.push({ name: node.name, op: node.op, reason: found.text });
    else if (found && !found.taken.some((other) => taken.has(other))) take(found);
  }
  const borders = graph.nodes.filter((node) => !taken.has(node));
  for (const node of borders) {
    const border = findBorder(around, node, taken);
    if (border) take(border);
  }
  return { taken, graph: withDequantizedConstants(graph, taken), inFloat };
}

/** @throws ShapeError for constant scales that are no scales, wherever they stand */
function checkQuantization({ nodes, constants }: PreparedGraph): void {
  for (const node of nodes) {
    if (!isOperator(node, "DequantizeLinear") && !isOperator(node, "QuantizeLinear")) continue;
    const [, scale, zero] = node.inputs.map((name) => constants.get(name));
    if (scale) checkScales({ node }, toFloat64(scale));
    if (zero) checkZero({ node }, { dtype: zero.dtype, data: toFloat64(zero) });
  }
}

function findOther(around: Surroundings, node: GraphNode): Found | undefined {
  switch (node.op) {
    case "Add":
    case "Sum":
      return findSum(around, node);
    case "Mul":
      return findGate(around, node);
    case "AveragePool":
    case "GlobalAveragePool":
    case "ReduceMean":
      return findAverage(around, node);
    case "Concat":
      return findConcat(around, node);
    case "QuantizeLinear":
      return findTable(around, node);
    default:
      return undefined;
  }
}

/** A node whose result is quantized next, clamped or not. */
function withIntegerResult(
  around: Surroundings,
  node: GraphNode,
): { readonly op: string; readonly result: IntegerResult; readonly taken: readonly GraphNode[] } | undefined {
  const { result, taken } = around.resultOf(node);
  if (result.kind === "real") return undefined;
  const op = taken.filter((each) => !isOperator(each, "QuantizeLinear")).map((each) => each.op);
  return { op: op.join("+"), result, taken };
}

function findSum(around: Surroundings, node: GraphNode): Found | undefined {
  const [a, b, ...others] = node.inputs.map((input) => around.operand(input));
  const shapes = node.inputs.map((input) => `${around.graph.shapes.get(input)}`);
  const end = withIntegerResult(around, node);
  if (!a || !b || others.length > 0 || shapes[0] !== shapes[1] || !end) return undefined;
  return { op: { kind: "add", node, operands: [a, b], op: end.op, result: end.result }, taken: end.taken };
}

/** [N, C, …] times [N, C, 1, …], in either order. */
function findGate(around: Surroundings, node: GraphNode): Found | undefined {
  const shape = around.graph.shapes.get(node.outputs[0]!);
  const whole = (input: string): boolean => `${around.graph.shapes.get(input)}` === `${shape}`;
  const [x, gate] = whole(node.inputs[0]!) ? node.inputs : node.inputs.toReversed();
  const perChannel = shape?.map((size, axis) => (axis < 2 ? size : 1));
  const fits = shape && shape.length > 2 && whole(x!) && `${around.graph.shapes.get(gate!)}` === `${perChannel}`;
  const operands = [x!, gate!].map((value) => around.operand(value));
  const end = withIntegerResult(around, node);
  if (!fits || !operands[0] || !operands[1] || !end) return undefined;
  return {
    op: { kind: "gate", node, operands: [operands[0], operands[1]], op: end.op, result: end.result },
    taken: end.taken,
  };
}

/** Averages over two spatial axes, or over all positions. */
function findAverage(around: Surroundings, node: GraphNode): Found | undefined {
  const operand = around.operand(node.inputs[0]!);
  const shape = around.graph.shapes.get(node.inputs[0]!);
  const end = withIntegerResult(around, node);
  if (!operand || !end || shape?.length !== 4 || (node.op === "ReduceMean" && !overPositions(around, node)))
    return undefined;
  return { op: { kind: "average", node, operand, op: end.op, result: end.result }, taken: end.taken };
}

function overPositions(around: Surroundings, node: GraphNode): boolean {
  const axes = node.inputs[1] ? around.numbers(node.inputs[1]) : intsAttribute(node, "axes");
  return `${axes?.map((axis) => (axis < 0 ? axis + 4 : axis)).sort()}` === "2,3";
}

function findConcat(around: Surroundings, node: GraphNode): Found | undefined {
  const operands = node.inputs.map((input) => around.operand(input));
  const end = withIntegerResult(around, node);
  const rank = around.graph.shapes.get(node.outputs[0]!)?.length;
  const context = nodeContext(node, around.graph);
  if (!end || !context || rank === undefined || rank < 2 || concatAxis(context, rank) !== 1) return undefined;
  if (!operands.every((operand): operand is Operand => operand !== undefined)) return undefined;
  return { op: { kind: "concat", node, operands, op: end.op, result: end.result }, taken: end.taken };
}

/** Where real numbers become integers and integers real ones, and what moves integers. */
function findBorder(around: Surroundings, node: GraphNode, taken: ReadonlyMap<GraphNode, unknown>): Found | undefined {
  const named = { node, op: node.op };
  const from = around.dequantized(node);
  if (from) {
    const read =
      around.isOutput(node.outputs[0]!) || around.readers(node.outputs[0]!).some((reader) => !taken.has(reader));
    const operand = { value: node.inputs[0]!, quantization: from };
    const result = { kind: "real", value: node.outputs[0]! } as const;
    return read ? { op: { kind: "dequantize", ...named, operand, result }, taken: [node] } : undefined;
  }
  const to = around.quantized(node);
  if (to) {
    const [low, high] = rangeOf(to);
    const result = { kind: "integers", value: node.outputs[0]!, quantization: to, low, high } as const;
    return { op: { kind: "quantize", ...named, value: node.inputs[0]!, result }, taken: [node] };
  }
  const dtype = around.graph.dtypes.get(node.outputs[0]!);
  if ((dtype !== "u8" && dtype !== "i8") || around.constants.has(node.inputs[0]!)) return undefined;
  if (node.op === "Clip") return findClip(around, node, dtype);
  if (!moves.has(node.op)) return undefined;
  const op = { kind: "move", ...named, operand: node.inputs[0]!, dtype, value: node.outputs[0]! } as const;
  return { op, taken: [node] };
}

/** Integers between two limits. */
function findClip(around: Surroundings, node: GraphNode, dtype: "u8" | "i8"): Found | undefined {
  const limits = around.limitsOf(node, node.inputs[0]!);
  if (!limits) return undefined;
  const quantization = { scale: 1, zero: 0, dtype };
  const [lowest, highest] = rangeOf(quantization);
  const [low, high] = [Math.max(lowest, limits[0]), Math.min(highest, limits[1])];
  const table = Uint8Array.from({ length: 256 }, (_, byte) =>
    stored(Math.min(high, Math.max(low, byte + lowest)), quantization),
  );
  const operand = { value: node.inputs[0]!, quantization };
  const result = { kind: "integers", value: node.outputs[0]!, quantization, low, high } as const;
  return { op: { kind: "table", node, op: node.op, operand, table, result }, taken: [node] };
}

const moves: ReadonlySet<string> = new Set(["Flatten", "Identity", "MaxPool", "Reshape", "Squeeze", "Unsqueeze"]);

/** Constants that float32 steps read become real numbers; those that only integer steps read stay what they are. */
function withDequantizedConstants(graph: PreparedGraph, taken: ReadonlyMap<GraphNode, unknown>): PreparedGraph {
  const read = new Set([
    ...graph.nodes.filter((node) => !taken.has(node)).flatMap(({ inputs }) => inputs),
    ...graph.outputs,
  ]);
  const constants = new Map(graph.constants);
  const nodes = graph.nodes.filter((node) => {
    if (taken.has(node) || !isOperator(node, "DequantizeLinear") || !constants.has(node.inputs[0]!)) return true;
    if (read.has(node.outputs[0]!)) constants.set(node.outputs[0]!, dequantizedConstant(node, constants));
    return false;
  });
  const unread = nodes.filter((node) => taken.has(node) || !isUnread(node, read, taken));
  return { ...graph, nodes: unread, constants };
}

/** A DequantizeLinear whose readers all take the integers before it. */
function isUnread(node: GraphNode, read: ReadonlySet<string>, taken: ReadonlyMap<GraphNode, unknown>): boolean {
  return !taken.has(node) && isOperator(node, "DequantizeLinear") && !read.has(node.outputs[0]!);
}

function dequantizedConstant(node: GraphNode, constants: ReadonlyMap<string, NamedArray>): NamedArray {
  const operands = node.inputs.map((name) => constants.get(name)).map((array) => array && toTensor64(array));
  return toNamedArray(apply(node, operands)[0]!);
}
