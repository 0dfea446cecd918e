import type { Backend } from "#repvgg/backend/backend.js";
import { elementCount, f32, type NamedArray } from "#repvgg/core/named-arrays.js";
import { rngFor } from "#repvgg/core/rng.js";
import type { PlanReport } from "#repvgg/engine/plan/report.js";
import { createSession, type SessionOutputs } from "#repvgg/engine/session.js";
import { inferShapes } from "#repvgg/graph/analyze/analyze.js";
import { evaluate } from "#repvgg/graph/evaluate/evaluate.js";
import { toNamedArray } from "#repvgg/graph/evaluate/tensor64.js";
import type { Graph, GraphNode } from "#repvgg/graph/graph.js";

/** Values that are integers by their node: what QuantizeLinear and the QLinear operators give. */
export function quantizedValues(graph: Graph): string[] {
  const gives = ({ op }: GraphNode): boolean => op === "QuantizeLinear" || op.startsWith("QLinear");
  return graph.nodes
    .filter((node) => gives(node) && !graph.initializers.has(node.inputs[0]!))
    .map(({ outputs }) => outputs[0]!);
}

export function randomPicture(seed: number, shape: readonly number[]): NamedArray & { readonly data: Float32Array } {
  const rng = rngFor(seed, "picture");
  const data = Float32Array.from({ length: elementCount(shape) }, () => rng.normal());
  return f32(shape, data) as NamedArray & { readonly data: Float32Array };
}

/** All integers of a net, and its outputs, as a session gives them. */
export function runIntegers(
  backend: Backend,
  graph: Graph,
  input: NamedArray & { readonly data: Float32Array },
): { readonly outputs: SessionOutputs; readonly plan: PlanReport } {
  const session = createSession(graph, { backend, shape: input.shape, features: quantizedValues(graph) });
  try {
    return { outputs: session.run({ x: { shape: input.shape, data: input.data } }), plan: session.plan() };
  } finally {
    session.dispose();
  }
}

/** How far integers are from the definition, in steps, each node computed from what the engine gave before it. */
export interface Steps {
  readonly count: number;
  readonly apart: number;
  readonly most: number;
  /** The value that is furthest off. */
  readonly where: string;
  /** Largest difference of a real output by its largest magnitude. */
  readonly real: number;
  /** How many are apart, by the operators between the integers. */
  readonly byOperator: Readonly<Record<string, number>>;
}

/** Names of the operators that an integer is made by, back to the DequantizeLinear. */
function operatorsBefore(graph: Graph, node: GraphNode): string {
  const giver = graph.nodes.find(({ outputs }) => outputs[0] === node.inputs[0]);
  if (node.op.startsWith("QLinear")) return node.op;
  if (!giver) return "input";
  return giver.op === "DequantizeLinear" ? "" : `${operatorsBefore(graph, giver)} ${giver.op}`.trim();
}

/**
 * The engine's integers against the float64 evaluator's: each node from the engine's own integers before it, so that one step's difference does not
 * become the next ones'.
 */
export function stepsApart(graph: Graph, input: NamedArray, given: SessionOutputs): Steps {
  const integers = quantizedValues(graph);
  const fed = (name: string): string => (integers.includes(name) ? `${name} (fed)` : name);
  const types = inferShapes(graph);
  const cut: Graph = {
    ...graph,
    inputs: [
      ...graph.inputs,
      ...integers.map((name) => ({ name: fed(name), dtype: types.get(name)!.dtype, shape: given[name]!.shape })),
    ],
    nodes: graph.nodes.map((node) => ({ ...node, inputs: node.inputs.map(fed) })),
  };
  const feeds = integers.map((name): [string, NamedArray] => {
    const { shape, data } = given[name]!;
    return [fed(name), toNamedArray({ dtype: types.get(name)!.dtype, shape, data: Float64Array.from(data) })];
  });
  const wanted = [...new Set([...integers, ...graph.outputs.map(({ name }) => name)])];
  const defined = evaluate(cut, new Map([["x", input], ...feeds]), wanted);
  const before = new Map(graph.nodes.map((node) => [node.outputs[0]!, operatorsBefore(graph, node)]));
  const byOperator: Record<string, number> = {};
  let [count, apart, most, where, real] = [0, 0, 0, "", 0];
  for (const name of wanted) {
    const expected = defined.get(name)!.data;
    const own = given[name]!.data;
    if (own.length !== expected.length) throw new Error(`"${name}" has ${own.length} numbers, not ${expected.length}`);
    const largest = expected.reduce((most, value) => Math.max(most, Math.abs(value)), 1e-30);
    expected.forEach((value, i) => {
      const difference = Math.abs(value - own[i]!);
      if (Number.isNaN(difference)) throw new Error(`"${name}" has ${own[i]} for ${value}`);
      if (!integers.includes(name)) {
        real = Math.max(real, difference / largest);
        return;
      }
      count++;
      if (difference > 0) {
        apart++;
        const op = before.get(name)!;
        byOperator[op] = (byOperator[op] ?? 0) + 1;
      }
      if (difference > most) [most, where] = [difference, name];
    });
  }
  return { count, apart, most, where, real, byOperator };
}
