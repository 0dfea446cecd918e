import { type DType, elementCount, type NamedArray, toFloat64 } from "../core/named-arrays.js";
import { intAttribute } from "./attributes.js";
import type { Graph, GraphNode } from "./graph.js";

/** How whole numbers of 8 bits stand for real ones: x = (q − zero) · scale. */
export interface Quantization {
  readonly scale: number;
  readonly zero: number;
  readonly dtype: "u8" | "i8";
}

/** The lowest and the highest number of the type. */
export const rangeOf = ({ dtype }: Pick<Quantization, "dtype">): readonly [low: number, high: number] =>
  dtype === "u8" ? [0, 255] : [-128, 127];

export const sameQuantization = (a: Quantization, b: Quantization): boolean =>
  a.scale === b.scale && a.zero === b.zero && a.dtype === b.dtype;

/** What is known of the values around a node. */
export interface Known {
  readonly constants: ReadonlyMap<string, NamedArray>;
  readonly dtypes: ReadonlyMap<string, DType>;
}

/** Whether a node is ONNX's own operator of this name. */
export const isOperator = ({ domain, op }: GraphNode, name: string): boolean => domain === "" && op === name;

/** How a node from or to 8 bits quantizes, where it has one constant scale and zero point for all its numbers; undefined for other forms. */
export function quantizationOf(node: GraphNode, { constants, dtypes }: Known): Quantization | undefined {
  const dtype = dtypes.get((node.op === "QuantizeLinear" ? node.outputs : node.inputs)[0]!);
  const scale = constants.get(node.inputs[1]!);
  const zero = node.inputs[2] ? constants.get(node.inputs[2]) : undefined;
  if ((dtype !== "u8" && dtype !== "i8") || !scale || (node.inputs[2] && !zero)) return undefined;
  if (intAttribute(node, "block_size", 0) > 0 || elementCount(scale.shape) !== 1) return undefined;
  return { scale: toFloat64(scale)[0]!, zero: zero ? toFloat64(zero)[0]! : 0, dtype };
}

/** The 8-bit value that a node takes for real numbers, and how; undefined where it is no such node, or its operand is constant. */
export function dequantized(node: GraphNode, known: Known): Quantization | undefined {
  if (!isOperator(node, "DequantizeLinear") || known.constants.has(node.inputs[0]!)) return undefined;
  return quantizationOf(node, known);
}

/** How a node rounds real numbers to 8 bits. */
export function quantized(node: GraphNode, known: Known): Quantization | undefined {
  return isOperator(node, "QuantizeLinear") ? quantizationOf(node, known) : undefined;
}

/** Operators that say that a net has been quantized. */
const quantizedOperators = /^(Quantize|Dequantize|DynamicQuantize)Linear$|^QLinear|Integer$/;

/** Whether a graph has numbers that are quantized: QuantizeLinear and its kin, QLinearConv, ConvInteger. */
export function isQuantized({ nodes }: Pick<Graph, "nodes">): boolean {
  return nodes.some(({ op, domain }) => domain === "" && quantizedOperators.test(op));
}
