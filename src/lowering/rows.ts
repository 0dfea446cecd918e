import { elementCount } from "../core/named-arrays.js";
import type { GraphNode } from "../graph/graph.js";
import type { Lowering } from "./context.js";
import type { Tensor } from "./step.js";
import { createLike, emitCopies, permuted, stepsOf } from "./strided.js";

/** A value whose numbers along some axes lie side by side, row after row. */
export interface Rows {
  readonly input: Tensor;
  readonly rows: number;
  /** Numbers of a row. */
  readonly width: number;
  /** Where a kernel writes rows of the same size. */
  readonly output: Tensor;
  /** What the node gives, once `output` is written. */
  finish(): Tensor;
}

/**
 * Brings the axes of a node's first operand together, for kernels that work on rows and give as many numbers as they take. Nothing is
 * moved where the axes are the last ones, or channels that lie last.
 * @param axes ascending
 */
export function rowsAlong(lowering: Lowering, node: GraphNode, axes: readonly number[]): Rows {
  const value = node.outputs[0]!;
  const x = lowering.tensor(node.inputs[0]!, node);
  const { shape } = x;
  const width = elementCount(axes.map((axis) => shape[axis]!));
  const parts = { rows: elementCount(shape) / width, width };
  const trailing = axes.every((axis, i) => axis === shape.length - axes.length + i);
  if (trailing || axes.length === 0) {
    const output = lowering.createRowMajor(value, shape);
    return { ...parts, input: lowering.rowMajor(x), output, finish: () => output };
  }
  if (axes.length === 1 && axes[0] === 1) {
    const output = lowering.create(value, shape);
    return { ...parts, input: lowering.channelsLast(x), output, finish: () => output };
  }
  const order = [...shape.keys()].filter((axis) => !axes.includes(axis)).concat(axes);
  const input = permuted(lowering, node, x, order, `${value} (rows)`);
  const output = lowering.createRowMajor(`${value} (rows)`, input.shape);
  const finish = (): Tensor => {
    const result = createLike(lowering, value, shape, x);
    const [read, written] = [stepsOf(output), stepsOf(result)];
    const copied = order.map((axis, i) => ({ size: shape[axis]!, from: read[i]!, to: written[axis]! }));
    return emitCopies(lowering, node, result, [{ source: output, axes: copied }]);
  };
  return { ...parts, input, output, finish };
}
