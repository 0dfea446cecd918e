import { UserError } from "../../core/errors.js";
import type { NamedArray } from "../../core/named-arrays.js";
import type { Graph, GraphNode } from "../graph.js";
import { convolutionOperators } from "./convolution.js";
import { elementwiseOperators } from "./elementwise.js";
import { layoutOperators } from "./layout.js";
import { matrixOperators } from "./matrix.js";
import type { Operators } from "./operator.js";
import { reduceOperators } from "./reduce.js";
import type { Tensor64 } from "./tensor64.js";
import { toTensor64 } from "./tensor64.js";

/** Every operator that the evaluator knows, by ONNX name. */
export const operators: Operators = {
  ...convolutionOperators,
  ...elementwiseOperators,
  ...layoutOperators,
  ...matrixOperators,
  ...reduceOperators,
};

/**
 * Runs a graph by the operators' definitions, in float64 and without any cleverness: the oracle that passes and engines are held against.
 *
 * @param inputs each graph input by name
 * @param wanted the values to return; the graph's outputs by default, any intermediate value too
 * @returns the wanted values, by name
 * @throws UserError for a missing input and for an operator that the evaluator does not know, which it names.
 */
export function evaluate(
  graph: Graph,
  inputs: ReadonlyMap<string, NamedArray>,
  wanted: readonly string[] = graph.outputs.map(({ name }) => name),
): Map<string, Tensor64> {
  const values = new Map<string, Tensor64>();
  for (const { name } of graph.inputs) {
    const value = inputs.get(name);
    if (value) values.set(name, toTensor64(value));
    else if (!graph.initializers.has(name)) {
      throw new UserError({ expected: `a value for the graph's input "${name}"`, received: "none" });
    }
  }
  const uses = useCounts(graph, wanted);
  for (const node of graph.nodes) {
    const results = apply(
      node,
      node.inputs.map((input) => read(input, values, graph)),
    );
    node.outputs.forEach((output, i) => {
      if (output !== "" && uses.has(output) && results[i]) values.set(output, results[i]);
    });
    for (const input of node.inputs) {
      const left = (uses.get(input) ?? 0) - 1;
      uses.set(input, left);
      if (left === 0) values.delete(input);
    }
  }
  return new Map(wanted.map((name) => [name, found(name, read(name, values, graph))]));
}

/** One node's outputs. @throws UserError for an operator that the evaluator does not know. */
export function apply(node: GraphNode, inputs: readonly (Tensor64 | undefined)[]): Tensor64[] {
  const operator = node.domain === "" && Object.hasOwn(operators, node.op) ? operators[node.op] : undefined;
  if (!operator) {
    throw new UserError({
      expected: "an operator that the reference evaluator knows",
      received: `${node.domain && `${node.domain}.`}${node.op} ("${node.name}")`,
    });
  }
  try {
    return operator(inputs, node);
  } catch (error) {
    if (error instanceof UserError) throw error;
    throw misfit(node, error);
  }
}

/** Operators index by what a graph states; in one that makes no sense that fails anywhere. */
export function misfit(node: GraphNode, cause: unknown): UserError {
  return new UserError(
    { expected: `inputs and attributes that fit ${node.op} "${node.name}"`, received: String(cause) },
    { cause },
  );
}

function read(name: string, values: ReadonlyMap<string, Tensor64>, graph: Graph): Tensor64 | undefined {
  const constant = graph.initializers.get(name);
  return values.get(name) ?? (constant && toTensor64(constant));
}

function found(name: string, value: Tensor64 | undefined): Tensor64 {
  if (value) return value;
  throw new UserError({ expected: "the name of a value in the graph", received: `"${name}"` });
}

/** How often each value is read, so that it can be let go after the last time. */
function useCounts(graph: Graph, wanted: readonly string[]): Map<string, number> {
  const counts = new Map<string, number>();
  const count = (name: string): void => void counts.set(name, (counts.get(name) ?? 0) + 1);
  for (const { inputs } of graph.nodes) inputs.forEach(count);
  wanted.forEach(count);
  return counts;
}
