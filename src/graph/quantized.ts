import type { Graph } from "./graph.js";

/** Operators that say that a net has been quantized. */
const quantizedOperators = /^(Quantize|Dequantize|DynamicQuantize)Linear$|^QLinear|Integer$/;

/** Whether a graph has numbers that are quantized: QuantizeLinear and its kin, QLinearConv, ConvInteger. */
export function isQuantized({ nodes }: Pick<Graph, "nodes">): boolean {
  return nodes.some(({ op, domain }) => domain === "" && quantizedOperators.test(op));
}
