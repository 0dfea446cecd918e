import { UserError } from "../../core/errors.js";
import type { NamedArray } from "../../core/named-arrays.js";
import { type Analysis, analyze } from "../../graph/analyze/analyze.js";
import { evaluate } from "../../graph/evaluate/evaluate.js";
import { toNamedArray } from "../../graph/evaluate/tensor64.js";
import type { Graph, GraphNode } from "../../graph/graph.js";
import { producersOf } from "../../graph/validate.js";

/** A constant in float64, in the type that it has in the graph. */
export type Computed = ReturnType<typeof evaluate> extends Map<string, infer T> ? T : never;

/**
 * Values that a graph computes from constants, computed here by the operators' definitions. Sizes of values (Shape, and what is made of
 * them) are those that the graph's shapes tell.
 */
export class ComputedConstants {
  readonly #graph: Graph;
  readonly #producers: ReadonlyMap<string, GraphNode>;
  readonly #pure = new Set<string>();
  #analysis: Analysis | undefined;

  constructor(graph: Graph) {
    this.#graph = graph;
    this.#producers = producersOf(graph);
    for (const { inputs, outputs } of graph.nodes) {
      const pure = inputs.every((name) => name === "" || graph.initializers.has(name) || this.#pure.has(name));
      if (pure) for (const output of outputs) this.#pure.add(output);
    }
  }

  get analysis(): Analysis {
    this.#analysis ??= analyze(this.#graph);
    return this.#analysis;
  }

  /** The values of these names, as far as they can be computed. */
  valuesOf(names: readonly string[]): ReadonlyMap<string, Computed> {
    const possible = names.flatMap((name) => {
      const needed = { nodes: new Set<GraphNode>(), sizes: new Map<string, readonly number[]>() };
      return this.#gather(name, needed) ? [{ name, needed }] : [];
    });
    const run = (some: typeof possible): Map<string, Computed> => {
      const nodes = new Set(some.flatMap(({ needed }) => [...needed.nodes]));
      const initializers = new Map(this.#graph.initializers);
      for (const { needed } of some)
        for (const [name, sizes] of needed.sizes) initializers.set(name, this.#sizes(name, sizes));
      const graph = {
        ...this.#graph,
        inputs: [],
        nodes: this.#graph.nodes.filter((node) => nodes.has(node)),
        initializers,
      };
      return evaluate(
        graph,
        new Map(),
        some.map(({ name }) => name),
      );
    };
    try {
      return run(possible);
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
      return new Map(possible.flatMap((one) => [...this.#alone(() => run([one]))]));
    }
  }

  #alone(run: () => Map<string, Computed>): Map<string, Computed> {
    try {
      return run();
    } catch (error) {
      if (error instanceof UserError) return new Map();
      throw error;
    }
  }

  /** Collects what a value is computed from; false where that is an input. */
  #gather(name: string, needed: { nodes: Set<GraphNode>; sizes: Map<string, readonly number[]> }): boolean {
    const open = [name];
    for (const value of open) {
      if (value === "" || this.#graph.initializers.has(value) || needed.sizes.has(value)) continue;
      const producer = this.#producers.get(value);
      if (!producer) return false;
      if (!this.#pure.has(value)) {
        const contents = this.analysis.dtypes.get(value) === "i64" ? this.analysis.contents.get(value) : undefined;
        if (contents?.every((size) => Number.isInteger(size))) {
          needed.sizes.set(value, contents as number[]);
          continue;
        }
      }
      if (needed.nodes.has(producer)) continue;
      needed.nodes.add(producer);
      open.push(...producer.inputs);
    }
    return true;
  }

  /** Numbers that the shapes tell, in the type that they have in the graph. */
  #sizes(name: string, sizes: readonly number[]): NamedArray {
    const { shapes, dtypes } = this.analysis;
    const dtype = dtypes.get(name) ?? "i64";
    const shape = shapes.get(name)?.length === 0 ? [] : [sizes.length];
    return toNamedArray({ dtype, shape, data: Float64Array.from(sizes) });
  }
}
