import { elementCount, type NamedArray, toFloat64 } from "../core/named-arrays.js";
import { floatAttribute, intAttribute } from "../graph/attributes.js";
import type { Graph, GraphNode } from "../graph/graph.js";

/** A convolution or matrix product with constant weights: what has weights to be quantized. */
export interface Layer {
  /** Of its node. */
  readonly name: string;
  readonly node: GraphNode;
  /** Value that it reads. */
  readonly input: string;
  /** Value that it gives. */
  readonly output: string;
  /** Initializers. */
  readonly weight: string;
  readonly bias: string | undefined;
  /** Axis of the weight along which output channels lie. */
  readonly axis: 0 | 1;
  readonly outputs: number;
  /** Weights of one output channel. */
  readonly inputs: number;
  readonly groups: number;
  /** Spatial size of the kernel, [] of a matrix. */
  readonly kernel: readonly number[];
}

/** Why a node with constant weights stays as it is. */
export interface LeftNode {
  readonly name: string;
  readonly reason: string;
}

/** The layers of a graph in order, and what has weights but is none. */
export function layersOf(graph: Graph): { readonly layers: readonly Layer[]; readonly left: readonly LeftNode[] } {
  const layers: Layer[] = [];
  const left: LeftNode[] = [];
  for (const node of graph.nodes) {
    if (node.domain !== "" || !["Conv", "ConvTranspose", "Gemm", "MatMul"].includes(node.op)) continue;
    const found = layerOf(node, graph);
    if (typeof found === "string") left.push({ name: node.name, reason: found });
    else layers.push(found);
  }
  return { layers, left };
}

function layerOf(node: GraphNode, { initializers }: Graph): Layer | string {
  const [input, weight, bias] = node.inputs as [string, string, string | undefined];
  const array = initializers.get(weight);
  if (!array) return "its weights are computed, not constant";
  if (array.dtype !== "f32") return `its weights are ${array.dtype}: only float32 is quantized`;
  if (bias && !initializers.has(bias)) return "its bias is computed, not constant";
  const base = { name: node.name, node, input, output: node.outputs[0]!, weight, bias: bias || undefined };
  const { shape } = array;
  switch (node.op) {
    case "Conv": {
      const [outputs] = shape as [number];
      const groups = intAttribute(node, "group", 1);
      return { ...base, axis: 0, outputs, inputs: elementCount(shape) / outputs, groups, kernel: shape.slice(2) };
    }
    case "Gemm": {
      const factors = [floatAttribute(node, "alpha", 1), floatAttribute(node, "beta", 1)];
      if (intAttribute(node, "transA", 0) !== 0 || factors.some((factor) => factor !== 1)) {
        return "it is transposed or scaled";
      }
      const axis = intAttribute(node, "transB", 0) === 1 ? 0 : 1;
      if (bias && elementCount(initializers.get(bias)!.shape) !== shape[axis]) return "its bias is no vector";
      return { ...base, axis, outputs: shape[axis]!, inputs: shape[1 - axis]!, groups: 1, kernel: [] };
    }
    case "MatMul":
      if (shape.length !== 2) return "its weights are a batch of matrices";
      return { ...base, bias: undefined, axis: 1, outputs: shape[1]!, inputs: shape[0]!, groups: 1, kernel: [] };
    default:
      return "transposed convolutions stay in float";
  }
}

/** A layer's weights as rows, one an output channel: [outputs][inputs], float64. */
export function rowsOf(layer: Layer, { initializers }: Graph): Float64Array {
  const values = toFloat64(initializers.get(layer.weight)!);
  return layer.axis === 0 ? Float64Array.from(values) : transposed(values, layer.inputs, layer.outputs);
}

/** Rows as a layer's weight lies: the opposite of {@link rowsOf}. */
export function fromRows<T extends Float64Array | Int8Array>(layer: Layer, rows: T): T {
  return layer.axis === 0 ? rows : transposed(rows, layer.outputs, layer.inputs);
}

function transposed<T extends Float64Array | Int8Array>(values: T, rows: number, columns: number): T {
  const result = values.slice() as T;
  for (let r = 0; r < rows; r++) for (let c = 0; c < columns; c++) result[c * rows + r] = values[r * columns + c]!;
  return result;
}

/** A layer's bias, float64; zeros where it has none. */
export function biasOf({ bias, outputs }: Layer, { initializers }: Graph): Float64Array {
  return bias === undefined ? new Float64Array(outputs) : Float64Array.from(toFloat64(initializers.get(bias)!));
}

/** The graph with other weights and biases of layers, in float32. A bias where there was none becomes an operand of the node (not of a MatMul). */
export function withWeights(
  graph: Graph,
  changed: readonly { readonly layer: Layer; readonly rows: Float64Array; readonly bias: Float64Array }[],
): Graph {
  const initializers = new Map(graph.initializers);
  const names = new Map<string, string>();
  for (const { layer, rows, bias } of changed) {
    const { shape } = graph.initializers.get(layer.weight)!;
    initializers.set(layer.weight, float32(shape, fromRows(layer, rows)));
    if (layer.bias !== undefined) initializers.set(layer.bias, float32([layer.outputs], bias));
    else if (layer.node.op !== "MatMul" && bias.some((value) => value !== 0)) {
      const name = `${layer.output}.bias`;
      names.set(layer.name, name);
      initializers.set(name, float32([layer.outputs], bias));
    }
  }
  const nodes = graph.nodes.map((node) => {
    const name = names.get(node.name);
    return name === undefined ? node : { ...node, inputs: [node.inputs[0]!, node.inputs[1]!, name] };
  });
  return { ...graph, nodes, initializers };
}

const float32 = (shape: readonly number[], values: Float64Array): NamedArray => ({
  dtype: "f32",
  shape,
  data: Float32Array.from(values),
});
