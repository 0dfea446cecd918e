import { type NamedArray, toFloat32 } from "../../../core/named-arrays.js";
import { intAttribute, intsAttribute } from "../../../graph/attributes.js";
import type { Graph, GraphNode } from "../../../graph/graph.js";
import { windowOf } from "../../../graph/window.js";
import { type BenchInputs, EngineAbsent } from "../job.js";

interface Place {
  readonly shape: readonly number[];
  /** Of the first number. */
  readonly offset: number;
}

/** A net as assets/bench/python_engine.py reads it, and all numbers of it. @throws EngineAbsent for an operator that is not described */
export function describeNet(graph: Graph, inputs: BenchInputs) {
  const parts: Float32Array[] = [];
  let offset = 0;
  const place = (shape: readonly number[], data: Float32Array): Place => {
    parts.push(data);
    offset += data.length;
    return { shape, offset: offset - data.length };
  };
  const constant = (array: NamedArray): Place => place(array.shape, toFloat32(array));
  const net = {
    inputs: Object.fromEntries(Object.entries(inputs).map(([name, { shape, data }]) => [name, place(shape, data)])),
    steps: graph.nodes.map((node) => ({ ...step(graph, node, constant), x: node.inputs[0], y: node.outputs[0] })),
    output: graph.outputs[0]!.name,
  };
  const numbers = new Float32Array(offset);
  let at = 0;
  for (const part of parts) {
    numbers.set(part, at);
    at += part.length;
  }
  return { net, numbers };
}

function step(graph: Graph, node: GraphNode, constant: (array: NamedArray) => Place): object {
  const { op } = node;
  const weight = graph.initializers.get(node.inputs[1] ?? "");
  const bias = graph.initializers.get(node.inputs[2] ?? "");
  const places = { ...(weight && { weight: constant(weight) }), ...(bias && { bias: constant(bias) }) };
  switch (op) {
    case "Conv": {
      if (!weight) break;
      const { strides, dilations, pads } = windowOf(node, weight.shape.slice(2));
      return { op, ...places, strides, dilations, pads, groups: intAttribute(node, "group", 1) };
    }
    case "Gemm":
      if (!weight || intAttribute(node, "transB", 0) !== 1) break;
      return { op, ...places };
    case "MaxPool": {
      const { kernel, strides, pads } = windowOf(node, intsAttribute(node, "kernel_shape") ?? []);
      return { op, kernel, strides, pads };
    }
    case "Add":
      if (weight) break;
      return { op, other: node.inputs[1] };
    case "Relu":
    case "GlobalAveragePool":
    case "Flatten":
      return { op };
  }
  throw new EngineAbsent(`this benchmark does not build ${op} "${node.name}" for it`);
}
