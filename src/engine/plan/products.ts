import { elementCount } from "../../core/named-arrays.js";
import { ints, intsAttribute } from "../../graph/attributes.js";
import type { GraphNode } from "../../graph/graph.js";
import type { PreparedGraph } from "../../lowering/prepare.js";

/**
 * A MatMul with what can be done on its way: transposed operands and a transposed result (attributes `a_axes`, `b_axes`, `y_axes`, as
 * Transpose's `perm`), and a constant addend of one number a column (a third input). Attention heads are made of these.
 * @param giver the node that gives a value which nothing else reads
 * @returns undefined where `node` is none of it; what is taken in is added to `absorbed`
 */
export function fusedProduct(
  graph: PreparedGraph,
  giver: (value: string) => GraphNode | undefined,
  node: GraphNode,
  absorbed: Set<GraphNode>,
): GraphNode | undefined {
  const root = withAddend(graph, giver, node) ?? withTransposedResult(graph, giver, node) ?? { product: node };
  const { product } = root;
  if (product.op !== "MatMul") return undefined;
  const taken: GraphNode[] = product === node ? [] : [product];
  const inputs = [...product.inputs];
  const attributes = { ...("axes" in root && { y_axes: ints(root.axes) }) };
  if (areComputed(graph, product)) {
    product.inputs.forEach((input, i) => {
      const transpose = giver(input);
      const axes = transpose?.op === "Transpose" ? axesOf(graph, transpose) : undefined;
      if (!transpose || !axes || product.inputs[1 - i] === input) return;
      taken.push(transpose);
      inputs[i] = transpose.inputs[0]!;
      Object.assign(attributes, { [i === 0 ? "a_axes" : "b_axes"]: ints(axes) });
    });
  }
  if ("addend" in root) inputs.push(root.addend);
  for (const other of taken) absorbed.add(other);
  return { ...product, inputs, outputs: [node.outputs[0]!], attributes };
}

/** MatMul + b, b one number for each of the last axis. */
function withAddend(
  graph: PreparedGraph,
  giver: (value: string) => GraphNode | undefined,
  node: GraphNode,
): { readonly product: GraphNode; readonly addend: string } | undefined {
  if (node.op !== "Add") return undefined;
  for (const [value, addend] of [node.inputs, node.inputs.toReversed()] as [string, string][]) {
    const product = giver(value);
    const constant = graph.constants.get(addend);
    const shape = graph.shapes.get(value);
    if (product?.op !== "MatMul" || !constant || !shape) continue;
    const columns =
      product.inputs[1] && (graph.shapes.get(product.inputs[1])?.length ?? 0) > 1 ? shape.at(-1) : undefined;
    const fits =
      constant.shape.length >= 1 && constant.shape.length <= shape.length && constant.shape.at(-1) === columns;
    if (fits && elementCount(constant.shape) === columns) return { product, addend };
  }
  return undefined;
}

/** The last axis stays the last: rows of the result are written whole. */
function withTransposedResult(
  graph: PreparedGraph,
  giver: (value: string) => GraphNode | undefined,
  node: GraphNode,
): { readonly product: GraphNode; readonly axes: readonly number[] } | undefined {
  const product = node.op === "Transpose" ? giver(node.inputs[0]!) : undefined;
  const axes = product?.op === "MatMul" && areComputed(graph, product) ? axesOf(graph, node) : undefined;
  return product && axes && axes.length >= 3 && axes.at(-1) === axes.length - 1 ? { product, axes } : undefined;
}

/** Both operands are matrices or more, and neither is constant. */
function areComputed(graph: PreparedGraph, product: GraphNode): boolean {
  return product.inputs.every((input) => !graph.constants.has(input) && (graph.shapes.get(input)?.length ?? 0) >= 2);
}

function axesOf(graph: PreparedGraph, transpose: GraphNode): readonly number[] | undefined {
  const rank = graph.shapes.get(transpose.inputs[0]!)?.length;
  if (rank === undefined) return undefined;
  return intsAttribute(transpose, "perm") ?? Array.from({ length: rank }, (_, axis) => rank - 1 - axis);
}
