import { ShapeError } from "../core/errors.js";
import type { NamedArray } from "../core/named-arrays.js";
import { type Analysis, analyze } from "../graph/analyze/analyze.js";
import { constantFolding } from "../graph/constant-folding.js";
import { eliminateDead, eliminateNoOps } from "../graph/eliminate.js";
import type { Graph, GraphNode, ValueInfo } from "../graph/graph.js";
import { graphInputs } from "../graph/graph-inputs.js";
import { isQuantized } from "../graph/quantization.js";
import { producersOf } from "../graph/validate.js";
import { type Spellings, spelledOut } from "./spell-out.js";
import { isStatic } from "./spelling.js";

/**
 * A graph for inputs of one shape as the planner reads it: every node is needed, and everything constant is an initializer but what DequantizeLinear
 * makes of constants, which may go into products of integers.
 */
export interface PreparedGraph {
  readonly nodes: readonly GraphNode[];
  readonly constants: ReadonlyMap<string, NamedArray>;
  /** Values that the plan gives: the graph's outputs, then the features. */
  readonly outputs: readonly string[];
  /** Shapes of all values that can be told; values of unknown operators have none. */
  readonly shapes: ReadonlyMap<string, readonly number[]>;
  readonly dtypes: Analysis["dtypes"];
  /** How often each value is read, by nodes and as an output. */
  readonly uses: ReadonlyMap<string, number>;
  readonly producer: ReadonlyMap<string, GraphNode>;
}

/**
 * @param further forms of operators that are spelled out besides
 * @throws ShapeError for input shapes that are not what the graph declares.
 */
export function prepare(
  graph: Graph,
  inputShapes: Readonly<Record<string, readonly number[]>>,
  features: readonly string[],
  further?: Spellings,
): PreparedGraph {
  const outputs = [...new Set([...graph.outputs.map(({ name }) => name), ...features])];
  const bound: Graph = {
    ...graph,
    inputs: graphInputs(graph).map((input) => bind(input, inputShapes[input.name]!)),
    outputs: outputs.map((name): ValueInfo => ({ name, dtype: "f32", shape: undefined })),
    valueInfo: [],
  };
  const options = { keepQuantized: isQuantized(bound) };
  const simple = constantFolding(bound, options);
  const spelled = spelledOut(simple, further);
  const prepared = eliminateDead(
    eliminateNoOps(spelled === simple ? simple : constantFolding(spelled, options), options),
  );
  const uses = new Map<string, number>();
  for (const value of [...prepared.nodes.flatMap((node) => node.inputs), ...outputs]) {
    uses.set(value, (uses.get(value) ?? 0) + 1);
  }
  const { shapes: inferred, dtypes } = analyze(prepared, options);
  const shapes = new Map<string, readonly number[]>();
  for (const [name, shape] of inferred) if (isStatic(shape)) shapes.set(name, shape);
  return {
    nodes: prepared.nodes,
    constants: prepared.initializers,
    outputs,
    shapes,
    dtypes,
    uses,
    producer: producersOf(prepared),
  };
}

function bind(input: ValueInfo, shape: readonly number[]): ValueInfo {
  const { name, dtype, shape: declared } = input;
  const fits =
    declared === undefined ||
    (declared.length === shape.length &&
      declared.every((size, axis) => axis === 0 || typeof size === "string" || size === shape[axis]));
  if (fits && shape.every((size) => Number.isInteger(size) && size > 0)) return { name, dtype, shape };
  throw new ShapeError({
    expected: fits ? `sizes from 1 of input "${name}"` : `input "${name}" of shape [${declared?.join(", ")}]`,
    received: `[${shape.join(", ")}]`,
  });
}
