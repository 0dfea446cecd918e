import { UserError } from "../../core/errors.js";
import type { DType, NamedArray } from "../../core/named-arrays.js";
import { elementCount } from "../../core/named-arrays.js";
import { attribute, intAttribute } from "../attributes.js";
import { dtypeOfCode } from "../evaluate/elementwise.js";
import { apply, misfit, operators } from "../evaluate/evaluate.js";
import type { Tensor64 } from "../evaluate/tensor64.js";
import { isInteger, toTensor64 } from "../evaluate/tensor64.js";
import type { Dimension, Graph, GraphNode, ValueInfo } from "../graph.js";
import { hasSubgraph } from "../subgraphs.js";
import { staticCount } from "./dimensions.js";
import { integerRules } from "./integer-rules.js";
import type { RuleContext } from "./shape-rules.js";
import { shapeRules } from "./shape-rules.js";

/** What can be told of a graph's values without running it. */
export interface Analysis {
  /** Shape of every value that has a known rank; dynamic sizes by name. */
  readonly shapes: ReadonlyMap<string, readonly Dimension[]>;
  readonly dtypes: ReadonlyMap<string, DType>;
  /** Values of nodes that read constants only, unrounded (float64). */
  readonly constants: ReadonlyMap<string, Tensor64>;
  /** Elements of small vectors and scalars (shapes, axes, pads, scales), dynamic sizes by name. */
  readonly contents: ReadonlyMap<string, readonly Dimension[]>;
}

/** Elements that a computed constant may always have; more only where it is at most twice what it is computed from. */
const smallConstant = 2 ** 20;
const comparisons = new Set("And,Equal,Greater,GreaterOrEqual,Less,LessOrEqual,Not,Or".split(","));

/** One walk in order: constants, shapes and contents of shape values, each as far as it can be told. */
export function analyze(graph: Graph): Analysis {
  const shapes = new Map<string, readonly Dimension[]>();
  const dtypes = new Map<string, DType>();
  const constants = new Map<string, Tensor64>();
  const contents = new Map<string, readonly Dimension[]>();

  const learnConstant = (name: string, shape: readonly number[], dtype: DType, data: () => Float64Array): void => {
    shapes.set(name, shape);
    dtypes.set(name, dtype);
    if (shape.length <= 1 && (shape[0] ?? 1) <= 64) contents.set(name, Array.from(data()));
  };
  for (const { name, dtype } of graph.outputs) dtypes.set(name, dtype);
  for (const { name, shape, dtype } of graph.inputs) {
    dtypes.set(name, dtype);
    if (shape) shapes.set(name, shape);
  }
  for (const [name, array] of graph.initializers) {
    learnConstant(name, array.shape, array.dtype, () => toTensor64(array).data);
  }

  for (const node of graph.nodes) {
    const context: RuleContext = {
      node,
      shapes: node.inputs.map((input) => shapes.get(input)),
      contents: (input) => contents.get(node.inputs[input] ?? ""),
    };
    const ruled = shapesOf(context);
    const results = constantResults(node, ruled, constants, graph.initializers);
    node.outputs.forEach((output, i) => {
      if (output === "") return;
      const result = results?.[i];
      if (result) {
        constants.set(output, result);
        learnConstant(output, result.shape, result.dtype, () => result.data);
        return;
      }
      const shape = ruled?.[i];
      if (shape) shapes.set(output, shape);
      const dtype = dtypeOf(node, dtypes);
      if (dtype) dtypes.set(output, dtype);
      const elements = i === 0 && Object.hasOwn(integerRules, node.op) ? integerRules[node.op](context) : undefined;
      if (elements?.every(isSize) && dtype && isInteger(dtype)) contents.set(output, elements);
    });
  }
  return { shapes, dtypes, constants, contents };
}

/** Shapes and element types of the values of a graph, as far as they can be told; dynamic sizes pass through by name. */
export function inferShapes(graph: Graph): Map<string, ValueInfo> {
  const { shapes, dtypes } = analyze(graph);
  return new Map([...dtypes].map(([name, dtype]) => [name, { name, dtype, shape: shapes.get(name) }]));
}

function shapesOf(context: RuleContext): (readonly Dimension[] | undefined)[] | undefined {
  const { node, shapes } = context;
  if (node.domain !== "" || !Object.hasOwn(shapeRules, node.op)) return undefined;
  if (!shapes[0]) return undefined;
  try {
    return shapeRules[node.op](context, shapes[0]);
  } catch (error) {
    if (error instanceof UserError) throw error;
    throw misfit(node, error);
  }
}

/** A node's outputs where all its inputs are constant, and they stay small. */
function constantResults(
  node: GraphNode,
  shapes: readonly (readonly Dimension[] | undefined)[] | undefined,
  constants: ReadonlyMap<string, Tensor64>,
  initializers: ReadonlyMap<string, NamedArray>,
): Tensor64[] | undefined {
  if (node.domain !== "" || !Object.hasOwn(operators, node.op) || hasSubgraph(node)) return undefined;
  if (!node.inputs.every((name) => name === "" || constants.has(name) || initializers.has(name))) return undefined;
  if (node.op !== "Constant") {
    const count = shapes?.[0] && staticCount(shapes[0]);
    const sizes = node.inputs.map((name) => {
      const shape = (constants.get(name) ?? initializers.get(name))?.shape;
      return shape ? elementCount(shape) : 0;
    });
    const read = sizes.reduce((total, size) => total + size, 0);
    if (count === undefined || count > Math.max(smallConstant, 2 * read)) return undefined;
  } else if (!isDenseConstant(node)) return undefined;
  return apply(
    node,
    node.inputs.map((name) => {
      const stored = initializers.get(name);
      return constants.get(name) ?? (stored && toTensor64(stored));
    }),
  );
}

function isDenseConstant(node: GraphNode): boolean {
  return ["value", "value_float", "value_floats", "value_int", "value_ints"].some((name) => name in node.attributes);
}

function dtypeOf(node: GraphNode, dtypes: ReadonlyMap<string, DType>): DType | undefined {
  if (comparisons.has(node.op)) return "bool";
  if (node.op === "Shape" || node.op === "Size" || node.op === "ArgMax") return "i64";
  if (node.op === "Cast") return dtypeOfCode(intAttribute(node, "to", 1));
  if (node.op === "ConstantOfShape") return attribute(node, "value", "tensor")?.dtype ?? "f32";
  if (node.op === "Where") return dtypes.get(node.inputs[1]);
  return dtypes.get(node.inputs[0]);
}

/** A size or a dynamic one's name: what an integer rule gives unless it was fed nonsense. */
function isSize(value: Dimension): boolean {
  return typeof value === "string" || Number.isSafeInteger(value);
}
