import { expect } from "vitest";
import type { Backend } from "#repvgg/backend/backend.js";
import { elementCount, f32, type NamedArray } from "#repvgg/core/named-arrays.js";
import { rngFor } from "#repvgg/core/rng.js";
import type { PlanReport } from "#repvgg/engine/plan/report.js";
import { createSession, type SessionOptions, type SessionTensor } from "#repvgg/engine/session.js";
import { GraphBuilder, valueInfo } from "#repvgg/graph/build.js";
import { evaluate } from "#repvgg/graph/evaluate/evaluate.js";
import type { Graph } from "#repvgg/graph/graph.js";
import { engineOperators } from "#repvgg/lowering/registry.js";

/** Odd shapes NCHW: one channel, one pixel, sides that are no multiple of anything. */
export const smallShapes = [
  [1, 3, 5, 7],
  [3, 8, 4, 4],
  [2, 1, 6, 3],
  [3, 5, 1, 1],
];

/** Standard normal numbers that depend on the name only. */
export function randomArray(name: string, shape: readonly number[]): NamedArray & { readonly data: Float32Array } {
  const rng = rngFor(7, name);
  const data = Float32Array.from({ length: elementCount(shape) }, () => rng.normal());
  return f32(shape, data) as NamedArray & { readonly data: Float32Array };
}

/** BatchNorm parameters and statistics as after training: nothing zero, nothing one. */
export function randomBatchNorm(name: string, channels: number) {
  const rng = rngFor(7, name);
  const vector = (low: number, high: number): NamedArray =>
    f32(
      [channels],
      Float32Array.from({ length: channels }, () => rng.uniform(low, high)),
    );
  return { weight: vector(0.5, 1.5), bias: vector(-0.5, 0.5), mean: vector(-0.5, 0.5), variance: vector(0.5, 2) };
}

/** Inputs by name, of shapes by name. */
export function randomInputs(shapes: Readonly<Record<string, readonly number[]>>): Record<string, SessionTensor> {
  return Object.fromEntries(Object.entries(shapes).map(([name, shape]) => [name, randomArray(name, shape)]));
}

/** max |a − b| / max |b| */
export function relativeError(values: ArrayLike<number>, reference: ArrayLike<number>): number {
  expect(values.length).toBe(reference.length);
  let [difference, scale] = [0, 0];
  for (let i = 0; i < reference.length; i++) {
    difference = Math.max(difference, Math.abs(values[i]! - reference[i]!));
    scale = Math.max(scale, Math.abs(reference[i]!));
    if (Number.isNaN(values[i])) return Number.NaN;
  }
  return scale > 0 ? difference / scale : difference;
}

/** What steps are called that are no node of the graph by themselves. */
const ownOperators = ["Add", "Affine", "Constant", "HardSwish", "Identity", "Relu", "Swish", "Transpose"];

const withWorkspace = /^(Conv|ConvTranspose|Gemm|MatMul|NonMaxSuppression)\b/;

/** Some of their forms are spelled out in other operators, under names that begin with theirs. */
const spelledOut = ["BatchNormalization", "Clip", "Dropout", "Einsum"];

/** Expects that each step of a plan says which node or value it is for, what it does and how, and counts what it writes. */
export function expectNamedSteps(graph: Graph, { steps }: Pick<PlanReport, "steps">): void {
  const values = [...graph.inputs.map(({ name }) => name), ...graph.initializers.keys()];
  const names = new Set([...values, ...graph.nodes.flatMap(({ name, outputs }) => [name, ...outputs])]);
  const spelled = graph.nodes.filter(({ op }) => spelledOut.includes(op));
  const further = spelled.length > 0 ? engineOperators : [];
  const operators = new Set([...ownOperators, ...graph.nodes.map(({ op }) => op), ...further]);
  const isNamed = (name: string): boolean =>
    names.has(name) ||
    spelled.some((node) => [node.name, ...node.outputs].some((known) => name.startsWith(`${known}.`)));
  for (const { name, op, algorithm, outputShape, bytesWritten, workspaceBytes } of steps) {
    const step = `${op} "${name}" by ${algorithm}`;
    expect(isNamed(name.replace(/ \(.+\)$/, "")), step).toBe(true);
    expect(
      op.split("+").every((each) => operators.has(each)),
      step,
    ).toBe(true);
    expect(algorithm, step).toMatch(/^[a-z]\w+(?<!_forward)$/);
    const count = op === "NonMaxSuppression" ? 1 : 0;
    expect(bytesWritten, step).toBe(4 * (elementCount(outputShape) + count));
    if (!withWorkspace.test(op)) expect(workspaceBytes, step).toBe(0);
  }
}

/** Runs a graph in a session and by the definition, in float64, and expects the same outputs. Returns the session's. */
export function expectAsDefined(
  backend: Backend,
  graph: Graph,
  inputs: Readonly<Record<string, SessionTensor>>,
  options: Partial<SessionOptions> = {},
  tolerance = 1e-5,
): Readonly<Record<string, SessionTensor>> {
  const shape = Object.fromEntries(Object.entries(inputs).map(([name, tensor]) => [name, tensor.shape]));
  const session = createSession(graph, { backend, shape, ...options });
  try {
    expectNamedSteps(graph, session.plan());
    const outputs = session.run(inputs);
    const arrays = new Map(Object.entries(inputs).map(([name, { shape, data }]) => [name, f32(shape, data)]));
    const defined = evaluate(graph, arrays);
    for (const { name } of graph.outputs) {
      const reference = defined.get(name)!;
      expect(outputs[name]!.shape, name).toEqual([...reference.shape]);
      expect(relativeError(outputs[name]!.data, reference.data), name).toBeLessThan(tolerance);
    }
    return outputs;
  } finally {
    session.dispose();
  }
}

/** A graph of one input `x` and the outputs that `build` names. */
export function graphOf(shape: readonly number[], build: (b: GraphBuilder) => readonly string[]): Graph {
  const b = new GraphBuilder();
  const outputs = build(b);
  return b.graph(
    "test",
    [valueInfo("x", shape)],
    outputs.map((name) => ({ name, dtype: "f32", shape: undefined })),
  );
}

/** A graph of one input `x`, with and without folding, against its definition. */
export function checkGraph(
  backend: Backend,
  shape: readonly number[],
  build: (b: GraphBuilder) => readonly string[],
  tolerance?: number,
): void {
  for (const fuseBatchNorm of [true, false]) {
    expectAsDefined(backend, graphOf(shape, build), randomInputs({ x: shape }), { fuseBatchNorm }, tolerance);
  }
}
