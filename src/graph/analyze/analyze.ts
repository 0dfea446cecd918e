import { UserError } from "../../core/errors.js";
import type { DType, NamedArray } from "../../core/named-arrays.js";
import { elementCount } from "../../core/named-arrays.js";
import { operatorOf } from "../../operators/registry.js";
import type { Tensor64 } from "../evaluate/tensor64.js";
import { isInteger, tensor64, toTensor64 } from "../evaluate/tensor64.js";
import type { Dimension, Graph, GraphNode, ValueInfo } from "../graph.js";
import { apply } from "../operator/apply.js";
import { isDenseConstant } from "../operator/constants.js";
import { isListShape, staticCount } from "../operator/dimensions.js";
import { type Inferred, inferNode } from "../operator/infer.js";
import type { NodeContext, Operator, Shape } from "../operator/operator.js";
import { hasSteps, roundedToType } from "../operator/steps.js";
import { hasSubgraph } from "../subgraphs.js";

/** What can be told of a graph's values without running it. */
export interface Analysis {
  /** Shape of every value that has a known rank; dynamic sizes by name. */
  readonly shapes: ReadonlyMap<string, readonly Dimension[]>;
  readonly dtypes: ReadonlyMap<string, DType>;
  /** Values of nodes that read constants only, or sizes that are known; unrounded (float64). */
  readonly constants: ReadonlyMap<string, Tensor64>;
  /** Elements of small vectors and scalars (shapes, axes, pads, scales), dynamic sizes by name. */
  readonly contents: ReadonlyMap<string, readonly Dimension[]>;
  /** A node with what is known of its operands; undefined for operators that are not understood. */
  context(node: GraphNode): NodeContext | undefined;
}

/** Elements that a computed constant may always have; more only where it is at most twice what it is computed from. */
const smallConstant = 2 ** 20;

/** Vectors of more elements are no shapes, axes or pads. */
const mostContents = 64;

export interface AnalyzeOptions {
  /** Compute only constants that may be shapes, axes or pads (default false: all that stay small). For who asks for shapes and types alone. */
  readonly shapesOnly?: boolean;
  /**
   * Leave what DequantizeLinear makes of constants uncomputed (default false): a weight beside its DequantizeLinear is stored as integers, and what
   * goes into it would have to be quantized anew.
   */
  readonly keepQuantized?: boolean;
}

/**
 * One walk in order: every node's operands are checked against its operator's definition, and shapes, element types, constants and contents
 * of shape values follow, each as far as it can be told.
 * @throws ShapeError that names the node whose operands do not fit
 */
export function analyze(graph: Graph, options: AnalyzeOptions = {}): Analysis {
  const known = wholeAnalyses.get(graph);
  if (known && !options.keepQuantized) return known;
  const walk = new Walk(graph, options);
  for (const node of graph.nodes) walk.visit(node);
  if (!options.shapesOnly && !options.keepQuantized && walk.computed <= mostKept) wholeAnalyses.set(graph, walk);
  return walk;
}

/** Of graphs that were analyzed whole: passes that change nothing give the same graph on, and who comes later finds it. Graphs do not change. */
const wholeAnalyses = new WeakMap<Graph, Analysis>();

/** Elements of computed constants up to which an analysis is kept. */
const mostKept = 2 ** 20;

/** How many of a graph's nodes, in order, have operands that fit: all, or those before the first that {@link analyze} refuses. */
export function fittingNodes(graph: Graph): number {
  const walk = new Walk(graph, { shapesOnly: true });
  const found = graph.nodes.findIndex((node) => !walk.fits(node));
  return found < 0 ? graph.nodes.length : found;
}

/** Shapes and element types of the values of a graph, as far as they can be told; dynamic sizes pass through by name. */
export function inferShapes(graph: Graph): Map<string, ValueInfo> {
  const { shapes, dtypes } = analyze(graph, { shapesOnly: true });
  return new Map([...dtypes].map(([name, dtype]) => [name, { name, dtype, shape: shapes.get(name) }]));
}

class Walk implements Analysis {
  readonly shapes = new Map<string, readonly Dimension[]>();
  readonly dtypes = new Map<string, DType>();
  readonly constants = new Map<string, Tensor64>();
  readonly contents = new Map<string, readonly Dimension[]>();
  readonly #initializers: ReadonlyMap<string, NamedArray>;
  readonly #stated: ReadonlyMap<string, ValueInfo>;
  readonly #rounds: boolean;
  readonly #options: AnalyzeOptions;

  constructor({ inputs, outputs, nodes, initializers, valueInfo }: Graph, options: AnalyzeOptions) {
    this.#options = options;
    this.#rounds = hasSteps(nodes);
    this.#initializers = initializers;
    this.#stated = new Map([...(valueInfo ?? []), ...outputs].map((info) => [info.name, info]));
    for (const { name, shape, dtype } of inputs) {
      this.dtypes.set(name, dtype);
      if (shape) this.shapes.set(name, shape);
    }
    for (const [name, array] of initializers) {
      this.#learnConstant(name, array.shape, array.dtype, () => toTensor64(array).data);
    }
  }

  /** Elements of all computed constants. */
  get computed(): number {
    return [...this.constants.values()].reduce((sum, { data }) => sum + data.length, 0);
  }

  context(node: GraphNode): NodeContext | undefined {
    const found = operatorOf(node);
    return (
      found && {
        node,
        version: found.version,
        shape: (input) => this.shapes.get(node.inputs[input] ?? ""),
        dtype: (input) => this.dtypes.get(node.inputs[input] ?? ""),
        contents: (input) => this.contents.get(node.inputs[input] ?? ""),
      }
    );
  }

  fits(node: GraphNode): boolean {
    try {
      this.visit(node);
      return true;
    } catch (error) {
      if (error instanceof UserError) return false;
      throw error;
    }
  }

  visit(node: GraphNode): void {
    const found = operatorOf(node);
    const context = this.context(node);
    if (!found || !context || hasSubgraph(node)) {
      for (const output of node.outputs) this.#learnStated(output);
      return;
    }
    const inferred = inferNode(found.operator, context);
    const results = this.#constantResults(node, inferred);
    node.outputs.forEach((output, i) => {
      if (output === "") return;
      const result = results?.[i];
      if (result) {
        this.constants.set(output, this.#rounds ? roundedToType(result) : result);
        this.#learnConstant(output, result.shape, result.dtype, () => result.data);
        return;
      }
      const shape = inferred.shapes[i];
      const dtype = inferred.dtypes[i];
      if (!shape || !dtype) this.#learnStated(output);
      if (shape) this.shapes.set(output, shape);
      if (dtype) this.dtypes.set(output, dtype);
    });
    if (!results && found.operator.contents) this.#learnContents(node, found.operator.contents, context);
  }

  /** Elements of an integer output; where all are numbers, it is a constant: the chains that exporters make of static sizes go on from it. */
  #learnContents(node: GraphNode, rule: NonNullable<Operator["contents"]>, context: NodeContext): void {
    const [output] = node.outputs;
    const [dtype, shape] = [this.dtypes.get(output), this.shapes.get(output)];
    if (!dtype || !isInteger(dtype) || !shape || shape.length > 1) return;
    const elements = rule(context);
    if (!elements || elements.length > mostContents || !elements.every(isSize)) return;
    this.contents.set(output, elements);
    if (staticCount(shape) === elements.length && elements.every((size) => typeof size === "number")) {
      this.constants.set(
        output,
        tensor64(shape as readonly number[], Float64Array.from(elements as readonly number[]), dtype),
      );
    }
  }

  #learnConstant(name: string, shape: readonly number[], dtype: DType, data: () => Float64Array): void {
    this.shapes.set(name, shape);
    this.dtypes.set(name, dtype);
    if (isListShape(shape) && (shape[0] ?? 1) <= mostContents) this.contents.set(name, Array.from(data()));
  }

  /** What the file says of a value that no rule tells. */
  #learnStated(name: string): void {
    const stated = this.#stated.get(name);
    if (!stated) return;
    this.dtypes.set(name, stated.dtype);
    if (stated.shape) this.shapes.set(name, stated.shape);
  }

  /** A node's outputs where all its inputs are constant, and they stay small. */
  #constantResults(node: GraphNode, { shapes }: Inferred): readonly Tensor64[] | undefined {
    const inputs = node.inputs.map((name) => this.constants.get(name) ?? this.#initializers.get(name));
    if (!node.inputs.every((name, i) => name === "" || inputs[i])) return undefined;
    if (node.op === "Constant" ? !isDenseConstant(node) : !this.#staysSmall(shapes, inputs)) return undefined;
    if (!operatorOf(node)?.operator.evaluate) return undefined;
    if (this.#options.keepQuantized && node.op === "DequantizeLinear") return undefined;
    return apply(
      node,
      inputs.map(
        (value) =>
          value &&
          (value.data instanceof Float64Array
            ? tensor64(value.shape, value.data, value.dtype)
            : toTensor64(value as NamedArray)),
      ),
    );
  }

  #staysSmall(
    shapes: readonly (Shape | undefined)[],
    inputs: readonly ({ readonly shape: readonly number[] } | undefined)[],
  ): boolean {
    const count = shapes[0] && staticCount(shapes[0]);
    const read = inputs.reduce((total, value) => total + (value ? elementCount(value.shape) : 0), 0);
    if (count === undefined) return false;
    return this.#options.shapesOnly ? count <= mostContents : count <= Math.max(smallConstant, 2 * read);
  }
}

/** A size or a dynamic one's name: what an integer rule gives unless it was fed nonsense. */
function isSize(value: Dimension): boolean {
  return typeof value === "string" || Number.isSafeInteger(value);
}
