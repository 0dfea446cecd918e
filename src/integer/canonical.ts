import { elementCount, f32, type NamedArray, toFloat64 } from "../core/named-arrays.js";
import { analyze } from "../graph/analyze/analyze.js";
import { int } from "../graph/attributes.js";
import { node as makeNode, Names } from "../graph/build.js";
import { constantFolding } from "../graph/constant-folding.js";
import type { Graph, GraphNode } from "../graph/graph.js";
import { refuse } from "../graph/operator/operator.js";
import {
  dequantized,
  type Known,
  type Quantization,
  quantized,
  rangeOf,
  sameQuantization,
} from "../graph/quantization.js";
import { valueNames } from "../graph/subgraphs.js";

const qLinear: ReadonlySet<string> = new Set(["QLinearConv", "QLinearMatMul"]);

/** Operators that move 8-bit numbers as they move real ones, or choose among them. */
const movers: ReadonlySet<string> = new Set(["Flatten", "MaxPool", "Reshape", "Squeeze", "Unsqueeze"]);

/**
 * A quantized graph in the one form that integer steps are found in: QLinearConv and QLinearMatMul as the real operator between DequantizeLinear and
 * QuantizeLinear; what only moves or chooses numbers reads the integers; what is dequantized and quantized alike is not touched. Every value of
 * the given graph is there under its name, with the same numbers.
 */
export function canonical(graph: Graph): Graph {
  const relevant = graph.nodes.some(
    ({ op, domain }) => domain === "" && (op === "DequantizeLinear" || qLinear.has(op)),
  );
  if (!relevant) return graph;
  return new Canonical(constantFolding(graph, { keepQuantized: true })).graph();
}

class Canonical {
  readonly #given: Graph;
  readonly #known: Known & {
    readonly constants: Map<string, NamedArray>;
    readonly dtypes: Map<string, NamedArray["dtype"]>;
  };
  readonly #values: Names;
  readonly #names: Names;
  readonly #nodes: GraphNode[] = [];
  /** Givers of values so far. */
  readonly #givers = new Map<string, GraphNode>();

  constructor(graph: Graph) {
    this.#given = graph;
    const { dtypes } = analyze(graph, { shapesOnly: true, keepQuantized: true });
    this.#known = { constants: new Map(graph.initializers), dtypes: new Map(dtypes) };
    this.#values = valueNames(graph);
    this.#names = new Names(graph.nodes.map(({ name }) => name));
  }

  graph(): Graph {
    for (const node of this.#given.nodes) {
      if (node.domain === "" && qLinear.has(node.op)) this.#spell(node);
      else this.#push(this.#moved(node) ?? node);
    }
    return { ...this.#given, nodes: this.#nodes, initializers: this.#known.constants };
  }

  #push(node: GraphNode): void {
    const kept = this.#cancelled(node) ?? node;
    this.#nodes.push(kept);
    for (const output of kept.outputs) this.#givers.set(output, kept);
  }

  /** A node whose result has the element type of its first operand, or float32. */
  #add(
    op: string,
    base: GraphNode,
    inputs: readonly string[],
    output: string,
    attributes: GraphNode["attributes"] = {},
  ) {
    this.#known.dtypes.set(output, op === "DequantizeLinear" ? "f32" : this.#known.dtypes.get(inputs.at(-1)!)!);
    this.#push(makeNode(op, this.#names.take(`${base.name}.${op}`), inputs, [output], attributes));
    return output;
  }

  /** The real operator between its operands dequantized and its result quantized. */
  #spell(node: GraphNode): void {
    const [x, xScale, xZero, w, wScale, wZero, yScale, yZero, bias] = node.inputs as string[];
    const isConv = node.op === "QLinearConv";
    const value = (what: string): string => this.#values.take(`${node.outputs[0]}.${what}`);
    const axisOfWeight = isConv ? 0 : -1;
    const real = [
      this.#dequantize(node, [x!, xScale!, xZero!], value("x"), isConv ? 1 : -2),
      this.#dequantize(node, [w!, wScale!, wZero!], value("w"), axisOfWeight),
    ];
    if (bias) real.push(this.#dequantize(node, [bias, this.#biasScale(node, xScale!, wScale!)], value("B"), 0));
    const product = value("product");
    const op = isConv ? "Conv" : "MatMul";
    this.#known.dtypes.set(product, "f32");
    this.#push(makeNode(op, node.name, real, [product], node.attributes));
    this.#known.dtypes.set(node.outputs[0]!, this.#known.dtypes.get(yZero!)!);
    const inputs = [product, yScale!, yZero!];
    this.#push(makeNode("QuantizeLinear", this.#names.take(`${node.name}.QuantizeLinear`), inputs, node.outputs));
  }

  #dequantize(node: GraphNode, inputs: readonly string[], output: string, axis: number): string {
    const scale = this.#known.constants.get(inputs[1]!);
    if (scale && scale.shape.length > 1 && elementCount(scale.shape) > 1) {
      refuse({ node }, "scales along one axis", `a scale of shape [${scale.shape}]`);
    }
    const perAxis = scale !== undefined && elementCount(scale.shape) > 1;
    return this.#add("DequantizeLinear", node, inputs, output, perAxis ? { axis: int(axis) } : {});
  }

  /** A bias is in units of both scales together. */
  #biasScale(node: GraphNode, xScale: string, wScale: string): string {
    const [x, w] = [xScale, wScale].map((name) => this.#known.constants.get(name));
    if (!x || !w) return refuse({ node }, "constant scales", "computed ones");
    const unit = toFloat64(x)[0]!;
    const name = this.#values.take(`${node.outputs[0]}.B_scale`);
    const scales = Float32Array.from(toFloat64(w), (scale) => scale * unit);
    this.#known.constants.set(name, f32(scales.length === 1 ? [] : [scales.length], scales));
    return name;
  }

  /** What moves real numbers that stand for integers moves the integers. */
  #moved(node: GraphNode): GraphNode | undefined {
    if (node.domain !== "" || !movers.has(node.op) || node.outputs.slice(1).some((output) => output !== ""))
      return undefined;
    const giver = this.#givers.get(node.inputs[0]!);
    const own = giver && dequantized(giver, this.#known);
    if (!giver || !own) return undefined;
    const moved = this.#values.take(`${node.outputs[0]}.quantized`);
    this.#known.dtypes.set(moved, own.dtype);
    // MaxPool knows 8 bits since version 12, which changed nothing else.
    const opset = node.opset === undefined ? {} : { opset: Math.max(node.opset, 12) };
    this.#push({
      ...{ ...node, ...opset },
      ...{ inputs: [giver.inputs[0]!, ...node.inputs.slice(1)], outputs: [moved] },
    });
    const name = this.#names.take(`${node.name}.${giver.op}`);
    return { ...giver, name, inputs: [moved, ...giver.inputs.slice(1)], outputs: node.outputs };
  }

  /** Quantized as it was dequantized: (q − zero) · scale / scale is less than half beside q − zero in float32. */
  #cancelled(node: GraphNode): GraphNode | undefined {
    const own = quantized(node, this.#known);
    const giver = own && this.#givers.get(node.inputs[0]!);
    const before = giver && dequantized(giver, this.#known);
    if (!own || !before || !sameQuantization(own, before) || !isFiniteThroughout(own)) return undefined;
    return makeNode("Identity", node.name, [giver.inputs[0]!], node.outputs);
  }
}

/** Whether all numbers that a quantization has are finite in float32. */
function isFiniteThroughout(quantization: Quantization): boolean {
  return rangeOf(quantization).every((q) => Number.isFinite(Math.fround((q - quantization.zero) * quantization.scale)));
}
