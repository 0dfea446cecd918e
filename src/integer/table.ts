import { elementCount, type NamedArray } from "../core/named-arrays.js";
import { evaluate } from "../graph/evaluate/evaluate.js";
import type { Graph, GraphNode } from "../graph/graph.js";
import { rangeOf } from "../graph/quantization.js";
import { type IntegerOp, type Operand, stored } from "./integer-op.js";
import type { Surroundings } from "./surroundings.js";

/** Operators that take each number by itself; of those with two operands, all but one are single constants or come from the same number. */
const elementwise: ReadonlySet<string> = new Set([
  ...[
    "Abs",
    "Ceil",
    "Celu",
    "Clip",
    "Cos",
    "Elu",
    "Erf",
    "Exp",
    "Floor",
    "Gelu",
    "HardSigmoid",
    "HardSwish",
    "LeakyRelu",
  ],
  ...[
    "Log",
    "Mish",
    "Neg",
    "Reciprocal",
    "Relu",
    "Round",
    "Selu",
    "Sigmoid",
    "Sign",
    "Sin",
    "Softplus",
    "Softsign",
    "Sqrt",
  ],
  ...["Swish", "Tanh", "ThresholdedRelu", "Add", "Div", "Max", "Min", "Mul", "PRelu", "Pow", "Sub"],
]);

/** More nodes between two roundings are no activation function. */
const mostNodes = 16;

/**
 * A function of one number between an 8-bit value and the QuantizeLinear `last` as a table of its 256 results, made by the operators' definitions: an activation,
 * however it is spelled out, or other scales for the same numbers.
 */
export function findTable(
  around: Surroundings,
  last: GraphNode,
): { readonly op: IntegerOp; readonly taken: readonly GraphNode[] } | undefined {
  const quantization = around.quantized(last);
  const region = quantization && regionBefore(around, last);
  if (!quantization || !region) return undefined;
  const { operand, nodes } = region;
  const { shapes } = around.graph;
  const [from, to] = [shapes.get(operand.value), shapes.get(last.outputs[0]!)];
  if (!from || `${from}` !== `${to}`) return undefined;
  const table = tabulate(around, region, last);
  if (!table) return undefined;
  const [low, high] = rangeOf(quantization);
  const between = nodes.filter((node) => node.op !== "DequantizeLinear" && node !== last);
  const result = { kind: "integers", value: last.outputs[0]!, quantization, low, high } as const;
  const op = between.map((node) => node.op).join("+") || "Requantize";
  return {
    op: { kind: "table", node: between.at(-1) ?? last, op, operand, table, result },
    taken: [...between, last],
  };
}

interface RegionOfOne {
  readonly operand: Operand;
  /** In order, from the DequantizeLinear on. */
  readonly nodes: readonly GraphNode[];
}

/** All nodes between `last` and one 8-bit value; undefined where they read anything else, or others read what they give. */
function regionBefore(around: Surroundings, last: GraphNode): RegionOfOne | undefined {
  const nodes = new Set<GraphNode>([last]);
  const open = [last.inputs[0]!];
  let operand: Operand | undefined;
  for (let value = open.pop(); value !== undefined; value = open.pop()) {
    const giver = around.graph.producer.get(value);
    const source = around.operand(value);
    if (giver && source) {
      if (operand && operand.value !== source.value) return undefined;
      operand = source;
      nodes.add(giver);
    } else if (giver && giver.domain === "" && elementwise.has(giver.op) && nodes.size < mostNodes) {
      nodes.add(giver);
      open.push(...giver.inputs.filter((input) => input !== "" && !isNumber(around, input)));
    } else return undefined;
  }
  if (!operand) return undefined;
  const inner = [...nodes].filter((node) => node !== last && node.op !== "DequantizeLinear");
  const isClosed = inner.every(
    ({ outputs: [value] }) => !around.isOutput(value!) && around.readers(value!).every((reader) => nodes.has(reader)),
  );
  return isClosed ? { operand, nodes: around.graph.nodes.filter((node) => nodes.has(node)) } : undefined;
}

function isNumber({ constants }: Surroundings, value: string): boolean {
  const constant = constants.get(value);
  return constant !== undefined && elementCount(constant.shape) === 1;
}

/** Stored result for each stored number; undefined where one is no number. */
function tabulate(around: Surroundings, { operand, nodes }: RegionOfOne, last: GraphNode): Uint8Array | undefined {
  const { dtype } = operand.quantization;
  const all = Array.from({ length: 256 }, (_, byte) => (dtype === "u8" ? byte : byte - 128));
  const data = dtype === "u8" ? Uint8Array.from(all) : Int8Array.from(all);
  const value = { dtype, shape: [256], data } as NamedArray;
  const graph: Graph = {
    ...{ name: "table", inputs: [{ name: operand.value, dtype, shape: [256] }], nodes },
    ...{ outputs: [{ name: last.outputs[0]!, dtype, shape: undefined }], initializers: around.constants },
  };
  const results = evaluate(graph, new Map([[operand.value, value]])).get(last.outputs[0]!)!;
  if (results.data.length !== 256 || results.data.some((q) => Number.isNaN(q))) return undefined;
  const target = around.quantized(last)!;
  return Uint8Array.from(results.data, (q) => stored(q, target));
}
