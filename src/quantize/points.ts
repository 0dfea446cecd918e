import type { Graph, GraphNode } from "../graph/graph.js";
import { graphInputs } from "../graph/graph-inputs.js";
import { producersOf } from "../graph/validate.js";
import type { Layer } from "./layers.js";

/** Operators that hand on the numbers of their input, maybe others of them in another order: what they give has its scale. */
const passing = new Set([
  ...["DepthToSpace", "Dropout", "Flatten", "Identity", "MaxPool", "Reshape"],
  ...["Slice", "SpaceToDepth", "Squeeze", "Transpose", "Unsqueeze"],
]);

/** Operators that have integer forms: their operands and results are quantized, so that integers go through. */
const integer = new Set(["Add", "AveragePool", "Concat", "GlobalAveragePool", "MaxPool"]);

/** What an activation function before which nothing is quantized may be: an integer layer saturates as it does. */
const fused = new Set(["Relu", "Clip"]);

/** Where a graph's activations are quantized. */
export interface QuantizationPoints {
  /** Values that are quantized, in order; each has a scale of its own but those of {@link shares}. */
  readonly values: readonly string[];
  /** Values that have another's scale, since only its numbers are in them. */
  readonly shares: ReadonlyMap<string, string>;
}

/**
 * The values that are quantized so that the layers read integers: what a layer reads, and what additions, concatenations and
 * pools read and give. Not the value between a layer and its ReLU alone, nor the outputs of the graph: a layer gives those
 * unrounded.
 */
export function quantizationPoints(graph: Graph, layers: readonly Layer[]): QuantizationPoints {
  const producers = producersOf(graph);
  const readers = readersOf(graph);
  const inputs = new Set(graphInputs(graph).map(({ name }) => name));
  const isActivation = (name: string): boolean =>
    name !== "" && !graph.initializers.has(name) && (producers.has(name) || inputs.has(name));
  const wanted = new Set<string>();
  const want = (name: string): void => {
    if (!isActivation(name)) return;
    wanted.add(name);
    const producer = producers.get(name);
    if (producer && isOp(producer, passing)) want(producer.inputs[0]!);
  };
  const byNode = new Set(layers.map(({ name }) => name));
  for (const node of graph.nodes) {
    if (byNode.has(node.name)) want(node.inputs[0]!);
    if (!isOp(node, integer) || !isPureInteger(node, isActivation)) continue;
    for (const input of node.inputs) want(input);
    const given = behindActivation(node.outputs[0]!, readers);
    // Of a pool before the end of the net nobody reads integers.
    if (readers.has(given)) want(given);
  }
  const outputs = new Set(graph.outputs.map(({ name }) => name));
  const order = [...inputs, ...graph.nodes.flatMap((node) => node.outputs)];
  const values = order.filter((name) => wanted.has(name) && (readers.has(name) || !outputs.has(name)));
  const shares = new Map<string, string>();
  for (const name of values) {
    const producer = producers.get(name);
    const source = producer && isOp(producer, passing) ? producer.inputs[0]! : undefined;
    if (source !== undefined && wanted.has(source)) shares.set(name, shares.get(source) ?? source);
  }
  return { values, shares };
}

/** An addition of a constant is no integer step: it is another net's bias. */
function isPureInteger({ inputs }: GraphNode, isActivation: (name: string) => boolean): boolean {
  return inputs.every((input) => input === "" || isActivation(input));
}

/** A value, or what its only reader, a ReLU, makes of it. */
function behindActivation(value: string, readers: ReadonlyMap<string, readonly GraphNode[]>): string {
  const [reader, ...others] = readers.get(value) ?? [];
  return reader && others.length === 0 && isOp(reader, fused) ? reader.outputs[0]! : value;
}

const isOp = ({ op, domain }: GraphNode, names: ReadonlySet<string>): boolean => domain === "" && names.has(op);

/** The nodes that read each value. */
export function readersOf({ nodes }: Pick<Graph, "nodes">): Map<string, GraphNode[]> {
  const readers = new Map<string, GraphNode[]>();
  for (const node of nodes) {
    for (const input of new Set(node.inputs)) readers.set(input, [...(readers.get(input) ?? []), node]);
  }
  return readers;
}
