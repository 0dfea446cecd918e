import { UserError } from "../../core/errors.js";
import type { NamedArray } from "../../core/named-arrays.js";
import type { Graph, GraphNode, ValueInfo } from "../graph.js";
import { apply } from "../operator/apply.js";
import { hasSteps, roundedToType } from "../operator/steps.js";
import { isInteger, type Tensor64, toTensor64 } from "./tensor64.js";

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
  for (const info of graph.inputs) {
    const value = inputs.get(info.name);
    if (value) values.set(info.name, asDeclared(value, info));
    else if (!graph.initializers.has(info.name)) {
      throw new UserError({ expected: `a value for the graph's input "${info.name}"`, received: "none" });
    }
  }
  const uses = useCounts(graph, wanted);
  const rounds = hasSteps(graph.nodes);
  for (const node of graph.nodes) {
    const results = apply(
      node,
      node.inputs.map((input) => (input === "" ? undefined : found(input, read(input, values, graph)))),
    );
    node.outputs.forEach((output, i) => {
      if (output === "" || !uses.has(output)) return;
      if (!results[i]) throw notGiven(node, output);
      values.set(output, rounds ? roundedToType(results[i]) : results[i]);
    });
    for (const input of node.inputs) {
      const left = (uses.get(input) ?? 0) - 1;
      uses.set(input, left);
      if (left === 0) values.delete(input);
    }
  }
  return new Map(wanted.map((name) => [name, found(name, read(name, values, graph))]));
}

/** The numbers under the element type that the graph declares: callers give float32 for any floating-point input. */
function asDeclared(value: NamedArray, { dtype }: ValueInfo): Tensor64 {
  const given = toTensor64(value);
  return isInteger(given.dtype) && !isInteger(dtype) ? given : { ...given, dtype };
}

function notGiven(node: GraphNode, output: string): UserError {
  return new UserError({
    expected: `output "${output}" of ${node.op} "${node.name}" to be one that the reference evaluator gives`,
    received: `output ${node.outputs.indexOf(output)}, which it does not`,
  });
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
