import type { Graph, ValueInfo } from "./graph.js";

/** The inputs that a caller gives. Old ONNX files list initializers among them. */
export function graphInputs(graph: Graph): readonly ValueInfo[] {
  return graph.inputs.filter(({ name }) => !graph.initializers.has(name));
}
