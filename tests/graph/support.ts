import { f32, type NamedArray } from "#repvgg/core/named-arrays.js";
import { Rng } from "#repvgg/core/rng.js";
import type { FoldReport } from "#repvgg/fold/report.js";
import { type FoldOptions, fold } from "#repvgg/graph/fold.js";
import { GraphBuilder, valueInfo } from "#repvgg/graph/build.js";
import { evaluate } from "#repvgg/graph/evaluate/evaluate.js";
import type { Dimension, Graph } from "#repvgg/graph/graph.js";
import { validate } from "#repvgg/graph/validate.js";
import { proveFold } from "#repvgg/verify/proof/prove-fold.js";

/** Random numbers of a shape, standard normal times `scale`. */
export function normal(rng: Rng, shape: readonly number[], scale = 0.5): NamedArray {
  const count = shape.reduce((n, size) => n * size, 1);
  return f32(
    shape,
    Float32Array.from({ length: count }, () => scale * rng.normal()),
  );
}

export function uniform(rng: Rng, shape: readonly number[], low: number, high: number): NamedArray {
  const count = shape.reduce((n, size) => n * size, 1);
  return f32(
    shape,
    Float32Array.from({ length: count }, () => rng.uniform(low, high)),
  );
}

/** A builder whose layers draw random weights; BatchNorm statistics too, since fresh ones hide folding bugs. */
export class RandomNet extends GraphBuilder {
  readonly rng: Rng;
  constructor(seed: number) {
    super();
    this.rng = new Rng(seed);
  }

  randomConv(
    output: string,
    input: string,
    from: number,
    to: number,
    kernel: number | readonly [number, number],
    options: {
      bias?: boolean;
      stride?: number;
      padding?: number | readonly [number, number];
      dilation?: number;
      groups?: number;
    } = {},
  ): string {
    const { bias, ...rest } = options;
    const [kh, kw] = typeof kernel === "number" ? [kernel, kernel] : kernel;
    const weight = normal(this.rng, [to, from / (options.groups ?? 1), kh, kw]);
    return this.conv(output, input, weight, { ...rest, ...(bias && { bias: normal(this.rng, [to]) }) });
  }

  randomBatchNorm(output: string, input: string, channels: number): string {
    return this.batchNorm(output, input, {
      weight: uniform(this.rng, [channels], 0.5, 1.5),
      bias: normal(this.rng, [channels], 0.2),
      mean: normal(this.rng, [channels], 0.2),
      variance: uniform(this.rng, [channels], 0.3, 1.7),
    });
  }

  /** Convolution without bias, then BatchNorm: the unit of most branches. */
  convBn(
    output: string,
    input: string,
    from: number,
    to: number,
    kernel: number | readonly [number, number],
    options: Parameters<RandomNet["randomConv"]>[5] = {},
  ): string {
    return this.randomBatchNorm(output, this.randomConv(`${output}.conv`, input, from, to, kernel, options), to);
  }

  /** The graph from `x` [n, channels, size, size] (or dynamic sizes) to the named values. */
  finish(shape: readonly Dimension[], ...outputs: string[]): Graph {
    return this.graph(
      "test",
      [valueInfo("x", shape)],
      outputs.map((name) => ({ name, dtype: "f32", shape: undefined })),
    );
  }
}

/** Worst difference relative to the largest magnitude. */
export function worstError(actual: ArrayLike<number>, expected: ArrayLike<number>): number {
  if (actual.length !== expected.length) return Number.POSITIVE_INFINITY;
  let error = 0;
  for (let i = 0; i < expected.length; i++) error = Math.max(error, Math.abs(actual[i]! - expected[i]!));
  return Number.isNaN(error) ? Number.POSITIVE_INFINITY : error / magnitude(expected);
}

/** max |value|; never 0, to divide by. */
function magnitude(values: ArrayLike<number>): number {
  let largest = 1e-30;
  for (let i = 0; i < values.length; i++) largest = Math.max(largest, Math.abs(values[i]!));
  return largest;
}

export interface FoldedPair {
  readonly graph: Graph;
  readonly report: FoldReport;
  /** Number of nodes by operator in the folded graph. */
  readonly counts: Readonly<Record<string, number>>;
  /** Worst relative output error of the fold in float64, and rounded to float32. */
  readonly exactError: number;
  readonly roundedError: number;
  /** Largest value of any node ÷ largest output, of the graph as it was: how much of its terms a sum can have lost. */
  readonly cancellation: number;
}

/** Folds a graph with input `x` in float64 and in float32 and compares all outputs on random input of `shape`. */
export function foldAndCompare(graph: Graph, shape: readonly number[], options: FoldOptions = {}): FoldedPair {
  const snapshot = JSON.stringify(graph.nodes);
  const names = [...graph.initializers.keys()].join();
  const input = new Map([["x", normal(new Rng(77), shape, 1)]]);
  const outputs = graph.outputs.map(({ name }) => name);
  const expected = evaluate(graph, input, [...outputs, ...graph.nodes.flatMap((node) => node.outputs)]);
  const errorOf = (folded: Graph): number => {
    validate(folded);
    const actual = evaluate(folded, input);
    return Math.max(
      ...outputs.map((name) => {
        const [a, b] = [actual.get(name)!, expected.get(name)!];
        return a.shape.join() === b.shape.join() ? worstError(a.data, b.data) : Number.POSITIVE_INFINITY;
      }),
    );
  };
  const exactError = errorOf(fold(graph, { ...options, precision: "f64" }).graph);
  const { graph: folded, report, plan } = fold(graph, options);
  // Every fold that is right by its outputs is proven by its regions too.
  const { proven, regions, changed } = proveFold(graph, plan, folded);
  if (!proven) throw new Error(`not proven: ${changed ?? JSON.stringify(regions.find((region) => !region.proven))}`);
  for (const { macsBefore, macsAfter, conv } of report.regions) {
    if (macsAfter > (options.maxCost ?? 1) * macsBefore * (1 + 1e-9)) {
      throw new Error(`"${conv}" takes ${macsAfter} multiply-accumulates instead of ${macsBefore}`);
    }
  }
  if (JSON.stringify(graph.nodes) !== snapshot || [...graph.initializers.keys()].join() !== names) {
    throw new Error("fold changed the graph that it was given");
  }
  const counts: Record<string, number> = {};
  for (const { op } of folded.nodes) counts[op] = (counts[op] ?? 0) + 1;
  const magnitudes = [...expected.values()].map(({ data }) => magnitude(data));
  const ofOutputs = outputs.map((name) => magnitude(expected.get(name)!.data));
  const cancellation = Math.max(...magnitudes) / Math.min(...ofOutputs);
  return { graph: folded, report, counts, exactError, roundedError: errorOf(folded), cancellation };
}
