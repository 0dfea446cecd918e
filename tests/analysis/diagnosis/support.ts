import { fileURLToPath } from "node:url";
import { f32, type NamedArray, type NamedArrays, toFloat32, toFloat64 } from "#repvgg/core/named-arrays.js";
import { fold } from "#repvgg/graph/fold.js";
import { readOnnxFile } from "#repvgg/formats/onnx/file.node.js";
import { readTorchFile } from "#repvgg/formats/torch/file.node.js";
import { fromOnnx } from "#repvgg/graph/from-onnx.js";
import type { Graph, GraphNode } from "#repvgg/graph/graph.js";
import type { Form } from "#repvgg/nn/architecture.js";
import { conformState } from "#repvgg/nn/check-state.js";
import { stateSchema } from "#repvgg/nn/state-schema.js";
import { toGraph } from "#repvgg/nn/to-graph.js";
import { oracleNets, oracleState } from "../../nn/oracles.js";

/** One of the authors' nets as our graph. */
export async function oracleGraph(name: string, form: Form, state?: NamedArrays): Promise<Graph> {
  const architecture = oracleNets[name]!;
  const conformed = conformState(state ?? (await oracleState(name, form)), stateSchema(architecture, form));
  return toGraph({ architecture, form, state: conformed });
}

export async function onnxGraph(file: string): Promise<Graph> {
  return fromOnnx(await readOnnxFile(fixture(file))).graph;
}

export async function stateOf(file: string): Promise<NamedArrays> {
  return (await readTorchFile(fixture(file))).arrays;
}

const fixture = (file: string): string => fileURLToPath(new URL(`../../fixtures/oracles/${file}`, import.meta.url));

export const folded = (graph: Graph): Graph => fold(graph).graph;

/** The graph with some of its constants changed, kept as float32. */
export function withConstants(
  graph: Graph,
  which: (name: string) => boolean,
  change: (values: Float32Array, array: NamedArray) => ArrayLike<number>,
): Graph {
  const initializers = new Map(graph.initializers);
  for (const [name, array] of graph.initializers) {
    if (which(name)) {
      initializers.set(name, f32(array.shape, Float32Array.from(change(toFloat32(array).slice(), array))));
    }
  }
  return { ...graph, initializers };
}

export function withNodes(graph: Graph, change: (node: GraphNode) => GraphNode | GraphNode[]): Graph {
  return { ...graph, nodes: graph.nodes.flatMap(change) };
}

/** [O, I/groups, kh, kw] with each weight read from elsewhere. */
export function moved(
  array: NamedArray,
  from: (o: number, i: number, y: number, x: number) => readonly number[],
): Float32Array {
  const [outputs, inputs, height, width] = array.shape as [number, number, number, number];
  const values = toFloat64(array);
  const result = new Float32Array(values.length);
  for (let o = 0, at = 0; o < outputs; o++) {
    for (let i = 0; i < inputs; i++) {
      for (let y = 0; y < height; y++) {
        for (let x = 0; x < width; x++, at++) {
          const [a, b, c, d] = from(o, i, y, x) as [number, number, number, number];
          result[at] = values[((a * inputs + b) * height + c) * width + d]!;
        }
      }
    }
  }
  return result;
}
