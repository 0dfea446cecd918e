import type { Backend } from "#repvgg/backend/backend.js";
import { UserError } from "#repvgg/core/errors.js";
import { elementCount, f32, type NamedArray, toFloat64 } from "#repvgg/core/named-arrays.js";
import { Rng } from "#repvgg/core/rng.js";
import { planReport } from "#repvgg/engine/plan-report.js";
import { createSession, type SessionTensor } from "#repvgg/engine/session.js";
import { analyze } from "#repvgg/graph/analyze/analyze.js";
import { eliminateDead } from "#repvgg/graph/eliminate.js";
import { evaluate } from "#repvgg/graph/evaluate/evaluate.js";
import { isInteger, type Tensor64 } from "#repvgg/graph/evaluate/tensor64.js";
import { fold } from "#repvgg/graph/fold.js";
import type { Graph } from "#repvgg/graph/graph.js";
import { isQuantized } from "#repvgg/graph/quantization.js";
import { mutate, pick } from "./mutate.js";
import { pool } from "./pool.js";

/** What became of one case: values of the definition, of the folded net, of each backend; refused means with a UserError. */
export interface Outcome {
  readonly defined: boolean;
  readonly folded: boolean;
  readonly ran: number;
}

/** Larger values are honest work that a test has no time for: such nets are planned and not run. */
const mostElements = 20_000;

/** Case number `seed`: one to three mutations of a net of the pool (none for every 16th). Always the same. */
export function graphOf(seed: number): { readonly graph: Graph; readonly rng: Rng } {
  const rng = new Rng(seed);
  let graph = pick(rng, pool);
  for (let times = rng.int(16) && 1 + rng.int(3); times > 0; times--) graph = mutate(graph, rng);
  return { graph, rng };
}

/**
 * Evaluates, folds and runs one case everywhere.
 * @throws Error where anything but a UserError is thrown, or values differ
 */
export function checkCase(seed: number, backends: readonly Backend[]): Outcome {
  const { graph, rng } = graphOf(seed);
  const sizes = new Map<string, number>();
  const size = (name: string): number => sizes.get(name) ?? sizes.set(name, pick(rng, [1, 2, 3, 5])).get(name)!;
  const shapes = Object.fromEntries(
    graph.inputs
      .filter(({ name }) => !graph.initializers.has(name))
      .map(({ name, shape }) => [name, (shape ?? [2, 4, 4, 4]).map((s) => (typeof s === "number" ? s : size(s)))]),
  );
  const dirty = rng.int(40) === 0;
  const inputs = new Map<string, NamedArray>();
  for (const { name, dtype } of graph.inputs) {
    if (!shapes[name]) continue;
    const data = Float32Array.from({ length: elementCount(shapes[name]) }, () =>
      dtype === "bool" ? rng.int(2) : isInteger(dtype) ? rng.int(4) : rng.normal(),
    );
    if (dirty && data.length > 0)
      data[rng.int(data.length)] = pick(rng, [Number.NaN, Number.POSITIVE_INFINITY, -1e38, 2 ** 24 + 2]);
    inputs.set(name, f32(shapes[name], data));
  }
  const bound: Graph = { ...graph, inputs: graph.inputs.map((i) => ({ ...i, shape: shapes[i.name] ?? i.shape })) };
  const fuseBatchNorm = rng.int(4) > 0;
  const features =
    rng.int(10) === 0
      ? [
          pick(
            rng,
            graph.nodes
              .flatMap((n) => n.outputs)
              .filter((n) => n !== "")
              .concat("x"),
          ),
        ]
      : [];

  if (largest(bound) > mostElements) {
    attempt(() => planReport(graph, { inputShapes: shapes, backend: backends[0]!, fuseBatchNorm }));
    return { defined: false, folded: false, ran: 0 };
  }
  const wanted = [...new Set([...graph.outputs.map(({ name }) => name), ...features])];
  const asked: Graph = { ...graph, outputs: wanted.map((name) => ({ name, dtype: "f32", shape: undefined })) };
  // What nobody reads need not make sense.
  const needed = attempt(() => eliminateDead(asked)) ?? asked;
  const defined = attempt(() => evaluate(needed, inputs, wanted));
  const folding = attempt(() => fold(graph).graph);
  // A step of a quantized value may fall on the other side, and move what follows.
  const tolerance = isQuantized(graph) ? 5e-2 : halves(graph) ? 2e-2 : 2e-4;
  const compare = (what: string, actual: ReadonlyMap<string, Values>): void => {
    if (!defined)
      throw new Error(`${what} runs what the definition refuses: ${refusal(() => evaluate(needed, inputs, wanted))}`);
    if (dirty) return; // how far what is not finite spreads is the algorithm's own matter
    for (const [name, value] of actual) {
      const fault = difference(value, defined.get(name)!, tolerance);
      if (fault && !sensitive(needed, inputs, name, defined.get(name)!))
        throw new Error(`${what}: output "${name}": ${fault}`);
    }
  };
  if (folding && defined) {
    const outputs = graph.outputs.map(({ name }) => name);
    const result = attempt(() => evaluate(folding, inputs, outputs));
    // A size of 0 may come from a window that reaches nowhere, which a convolution refuses.
    const empty = outputs.some((name) => defined.get(name)!.data.length === 0);
    if (!result && empty) return { defined: true, folded: true, ran: 0 };
    if (!result) throw new Error(`the folded net is refused: ${refusal(() => evaluate(folding, inputs, outputs))}`);
    compare("fold", result);
  }
  let ran = 0;
  for (const backend of backends) {
    const before = backend.memory.usedWords;
    const outputs = attempt(() => {
      const session = createSession(graph, { backend, shape: shapes, fuseBatchNorm, features });
      try {
        return session.run(
          Object.fromEntries([...inputs].map(([name, { shape, data }]) => [name, { shape, data } as SessionTensor])),
        );
      } finally {
        session.dispose();
      }
    });
    if (backend.memory.usedWords !== before)
      throw new Error(`${backend.name}: ${backend.memory.usedWords - before} words leaked`);
    if (!outputs) continue;
    ran++;
    compare(backend.name, new Map(Object.entries(outputs)));
  }
  return { defined: defined !== undefined, folded: folding !== undefined, ran };
}

type Values = { readonly shape: readonly number[]; readonly data: ArrayLike<number> };

/** Undefined where refused. @throws anything that is no UserError */
function attempt<T>(run: () => T): T | undefined {
  try {
    return run();
  } catch (error) {
    if (error instanceof UserError) return undefined;
    throw error;
  }
}

function refusal(run: () => unknown): string {
  try {
    run();
  } catch (error) {
    return (error as Error).message;
  }
  return "";
}

/** Elements of the largest value whose shape can be told. */
function largest(graph: Graph): number {
  const analysis = attempt(() => analyze(graph));
  const counts = [...(analysis?.shapes.values() ?? [])].map((shape) =>
    shape?.every((size) => typeof size === "number") ? elementCount(shape as number[]) : 0,
  );
  return Math.max(0, ...counts);
}

function difference(actual: Values, expected: Tensor64, tolerance = 2e-4): string | undefined {
  if (actual.shape.join() !== expected.shape.join()) return `shape [${actual.shape}] instead of [${expected.shape}]`;
  let scale = 0;
  for (const value of expected.data) if (Number.isFinite(value)) scale = Math.max(scale, Math.abs(value));
  const allowed = tolerance * scale;
  for (let i = 0; i < expected.data.length; i++) {
    const [a, e] = [actual.data[i]!, expected.data[i]!];
    if (Object.is(a, e) || a === e || Math.abs(a - e) <= allowed) continue;
    return `${a} instead of ${e} at ${i} of [${expected.shape}]`;
  }
  return undefined;
}

/**
 * Whether float32 cannot be held against a value: it jumps (a step, an index, a division by nearly nothing) within float32's rounding of the
 * constants and inputs, or numbers on the way there are beyond float32's (or float16's) range.
 */
function sensitive(graph: Graph, inputs: ReadonlyMap<string, NamedArray>, name: string, expected: Tensor64): boolean {
  const inner = evaluate(
    graph,
    inputs,
    [...new Set(graph.nodes.flatMap(({ outputs }) => outputs).filter((o) => o !== ""))].filter((o) =>
      given(graph, inputs, o),
    ),
  );
  for (const { data } of inner.values()) {
    for (const value of data) {
      const size = Math.abs(value);
      if (size > (halves(graph) ? 6e4 : 1e30) || (size > 0 && size < (halves(graph) ? 1e-7 : 1e-30))) return true;
    }
  }
  const noise = halves(graph) ? 5e-3 : 3e-6;
  for (let trial = 1; trial <= 4; trial++) {
    const rng = new Rng(trial);
    const shaken = (array: NamedArray): NamedArray =>
      array.dtype === "f32"
        ? {
            dtype: "f64",
            shape: array.shape,
            data: toFloat64(array).map((v) => v + noise * rng.normal() * (v + (v === 0 ? 0 : 0.01))),
          }
        : array;
    const initializers = new Map([...graph.initializers].map(([key, array]) => [key, shaken(array)] as const));
    const moved = attempt(() =>
      evaluate({ ...graph, initializers }, new Map([...inputs].map(([key, a]) => [key, shaken(a)])), [name]),
    );
    if (!moved || difference(moved.get(name)!, expected)) return true;
  }
  return false;
}

function given(graph: Graph, inputs: ReadonlyMap<string, NamedArray>, output: string): boolean {
  return attempt(() => evaluate(graph, inputs, [output])) !== undefined;
}

/** Whether values or constants are float16 or bfloat16 somewhere. */
function halves(graph: Graph): boolean {
  const types = [...graph.inputs, ...graph.initializers.values()].map(({ dtype }) => dtype);
  const casts = graph.nodes.map(({ op, attributes }) =>
    op === "Cast" && attributes["to"]?.type === "int" ? attributes["to"].value : 0,
  );
  return types.some((dtype) => dtype === "f16" || dtype === "bf16") || casts.some((to) => to === 10 || to === 16);
}
