import { f32, type NamedArray } from "../core/named-arrays.js";
import { roundHalfEven } from "../core/rounding.js";
import { int } from "../graph/attributes.js";
import { Names, node } from "../graph/build.js";
import type { Graph, GraphNode } from "../graph/graph.js";
import { valueNames } from "../graph/subgraphs.js";
import { biasOf, fromRows, type Layer } from "./layers.js";
import type { ActivationScale, QuantizedWeights } from "./scales.js";

/** A layer's numbers as they are written. */
export interface QuantizedLayer {
  readonly layer: Layer;
  readonly weights: QuantizedWeights;
  /** Default: the layer's own. */
  readonly bias?: Float64Array;
}

/**
 * A graph with its weights as whole numbers behind DequantizeLinear and, where activations have scales, a QuantizeLinear and DequantizeLinear behind each of
 * them (QDQ): ordinary ONNX of operator set 13 that integer engines read their integer steps from. A layer whose input has a scale gets its bias as int32
 * in units of (input's scale · weight's scale).
 * @param scales of activations by value name; without any only weights are quantized
 */
export function quantizedGraph(
  graph: Graph,
  quantized: readonly QuantizedLayer[],
  scales: ReadonlyMap<string, ActivationScale>,
): Graph {
  const writer = new Writer(graph);
  const layers = new Map(quantized.map((found) => [found.layer.name, found]));
  const floatLayers = new Set(
    graph.nodes.filter(({ name, op }) => !layers.has(name) && weighted.has(op)).map(({ name }) => name),
  );
  for (const { name } of graph.inputs) writer.activation(name, scales);
  for (const found of graph.nodes) {
    const own = layers.get(found.name);
    // A layer that stays in float reads what the integers were made of.
    const reading = floatLayers.has(found.name) ? found : writer.reading(found);
    writer.nodes.push(own ? writer.layer(reading, own, scales.get(own.layer.input)) : reading);
    for (const output of found.outputs) writer.activation(output, scales);
  }
  return writer.graph();
}

const weighted = new Set(["Conv", "ConvTranspose", "Gemm", "MatMul"]);

class Writer {
  readonly nodes: GraphNode[] = [];
  readonly #graph: Graph;
  readonly #initializers: Map<string, NamedArray>;
  readonly #values: Names;
  readonly #names: Names;
  /** The value behind a quantization, by what was quantized. */
  readonly #dequantized = new Map<string, string>();

  constructor(graph: Graph) {
    this.#graph = graph;
    this.#initializers = new Map(graph.initializers);
    this.#values = valueNames(graph);
    this.#names = new Names(graph.nodes.map(({ name }) => name));
  }

  graph(): Graph {
    const read = new Set([
      ...this.nodes.flatMap(({ inputs }) => inputs),
      ...this.#graph.outputs.map(({ name }) => name),
    ]);
    const initializers = new Map([...this.#initializers].filter(([name]) => read.has(name)));
    return { ...this.#graph, nodes: this.nodes, initializers };
  }

  /** Quantizes a value, where it has a scale. */
  activation(value: string, scales: ReadonlyMap<string, ActivationScale>): void {
    const own = scales.get(value);
    if (!own || value === "") return;
    const scale = this.#constant(`${value}_scale`, f32([], Float32Array.of(own.scale)));
    const zero = this.#constant(`${value}_zero_point`, { dtype: "u8", shape: [], data: Uint8Array.of(own.zero) });
    const stored = this.#add("QuantizeLinear", `${value}_quantized`, [value, scale, zero]);
    this.#dequantized.set(value, this.#add("DequantizeLinear", `${value}_dequantized`, [stored, scale, zero]));
  }

  /** The node, reading what is behind quantizations. */
  reading(found: GraphNode): GraphNode {
    const inputs = found.inputs.map((input) => this.#dequantized.get(input) ?? input);
    return inputs.every((input, i) => input === found.inputs[i]) ? found : { ...found, inputs };
  }

  /** A layer's node with its numbers behind DequantizeLinear. */
  layer(reading: GraphNode, { layer, weights, bias }: QuantizedLayer, input: ActivationScale | undefined): GraphNode {
    const { shape } = this.#graph.initializers.get(layer.weight)!;
    const scales = Float32Array.from(weights.scales);
    const weight = this.#dequantize(
      layer.weight,
      { dtype: "i8", shape, data: fromRows(layer, weights.values) },
      scales,
      layer.axis,
    );
    const [read] = reading.inputs as [string];
    const values = bias ?? biasOf(layer, this.#graph);
    const none = layer.bias === undefined && values.every((value) => value === 0);
    if (none || layer.node.op === "MatMul") return { ...reading, inputs: [read, weight] };
    const name = layer.bias ?? `${layer.output}.bias`;
    const own = input
      ? this.#bias(name, values, scales, input)
      : this.#constant(`${name}_float`, f32([values.length], Float32Array.from(values)));
    return { ...reading, inputs: [read, weight, own] };
  }

  #bias(name: string, values: Float64Array, scales: Float32Array, input: ActivationScale): string {
    const units = scales.map((scale) => biasUnit(input.scale, scale));
    const data = Int32Array.from(values, (value, i) => roundHalfEven(value / units[i]!));
    return this.#dequantize(name, { dtype: "i32", shape: [data.length], data }, units, 0);
  }

  #dequantize(name: string, stored: NamedArray, scales: Float32Array, axis: number): string {
    const one = scales.every((scale) => scale === scales[0]) && stored.dtype === "i8" && scales.length > 1;
    const inputs = [
      this.#constant(`${name}_quantized`, stored),
      this.#constant(`${name}_scale`, one ? f32([], scales.slice(0, 1)) : f32([scales.length], scales)),
    ];
    if (stored.dtype === "i8") {
      const zero = { dtype: "i8", shape: one ? [] : [scales.length], data: new Int8Array(one ? 1 : scales.length) };
      inputs.push(this.#constant(`${name}_zero_point`, zero as NamedArray));
    }
    return this.#add("DequantizeLinear", `${name}_dequantized`, inputs, one ? undefined : axis);
  }

  #constant(name: string, value: NamedArray): string {
    const own = this.#values.take(name);
    this.#initializers.set(own, value);
    return own;
  }

  #add(op: string, output: string, inputs: readonly string[], axis?: number): string {
    const own = this.#values.take(output);
    this.nodes.push(node(op, this.#names.take(own), inputs, [own], axis === undefined ? {} : { axis: int(axis) }));
    return own;
  }
}

/** What 1 of a bias stands for. */
const biasUnit = (input: number, weight: number): number => Math.fround(input * weight);

/** Sums of products reach no further than ±2³⁰ beside a bias that does not either. */
const largestBias = 2 ** 30;

/**
 * Scales of weights, widened where a bias in units of them would not fit into an int32: of channels that are dead (no weights to speak of) and
 * have a bias all the same.
 */
export function widenedForBias(scales: Float64Array, bias: Float64Array, input: ActivationScale): Float64Array {
  return scales.map((scale, o) => Math.max(scale, Math.fround(Math.abs(bias[o]!) / (largestBias * input.scale))));
}
