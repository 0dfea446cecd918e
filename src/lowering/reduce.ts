import { elementCount } from "../core/named-arrays.js";
import { flagAttribute } from "../graph/attributes.js";
import { isInteger } from "../graph/evaluate/tensor64.js";
import type { GraphNode } from "../graph/graph.js";
import { axisAttribute } from "../graph/operator/checks.js";
import { reducedAxes } from "../operators/reduce.js";
import { memoryAxes } from "./axes.js";
import type { Lowering } from "./context.js";
import { lacking } from "./lacking.js";
import { lowerGlobalAveragePool } from "./pool.js";
import type { Tensor } from "./step.js";
import { layoutWith, permuted } from "./strided.js";
import { wholeCheck } from "./whole-numbers.js";

/** As the kernel reduce_forward counts them. */
const operations: Readonly<Record<string, number>> = {
  ReduceL1: 5,
  ReduceL2: 6,
  ReduceLogSum: 8,
  ReduceLogSumExp: 9,
  ReduceMax: 2,
  ReduceMean: 1,
  ReduceMin: 3,
  ReduceProd: 4,
  ReduceSum: 0,
  ReduceSumSquare: 7,
};

/** Of whole numbers these are none. */
const fractional = new Set(["ReduceL2", "ReduceLogSum", "ReduceLogSumExp", "ReduceMean"]);

/** Sums, means, extremes and norms over any axes. A mean over all positions is a global average pool. */
function lowerReduce(lowering: Lowering, node: GraphNode): void {
  const shape = lowering.shapeOf(node.inputs[0]!);
  const axes = reducedAxes(lowering.context(node), shape.length);
  if (!axes) throw lacking(node, "constant axes", "computed ones");
  const dtype = lowering.graph.dtypes.get(node.inputs[0]!);
  if (fractional.has(node.op) && dtype && isInteger(dtype)) throw lacking(node, "floating-point numbers", dtype);
  if (node.op === "ReduceMean" && shape.length > 2 && `${axes}` === `${[...shape.keys()].slice(2)}`) {
    lowerGlobalAveragePool(lowering, node);
    return;
  }
  const { input, outer, size, inner, output } = lanes(lowering, node, axes);
  const check = wholeCheck(lowering, node);
  const operation = operations[node.op]!;
  lowering.emit({
    name: node.name,
    op: node.op,
    algorithm: "reduce",
    reads: [input],
    output,
    ...(check && { refusal: check.refusal }),
    calls: (at) => [
      {
        kernel: "reduce_forward",
        args: { x: at.of(input.buffer), y: at.of(output.buffer), outer, size, inner, operation },
      },
      ...(check?.calls(output, at) ?? []),
    ],
  });
  lowering.define(node.outputs[0]!, output);
}

export const reduceLowerings = Object.fromEntries(Object.keys(operations).map((op) => [op, lowerReduce]));

/** ArgMax and ArgMin: where the largest or smallest number stands along an axis. */
export function lowerArgExtreme(lowering: Lowering, node: GraphNode): void {
  const context = lowering.context(node);
  const { length: rank } = lowering.shapeOf(node.inputs[0]!);
  const axes = rank === 0 ? [] : [axisAttribute(context, "axis", 0, rank)];
  const { input, outer, size, inner, output } = lanes(lowering, node, axes);
  const largest = node.op === "ArgMax" ? 1 : 0;
  const last = context.version >= 12 ? Number(flagAttribute(node, "select_last_index", false)) : 0;
  lowering.emit({
    name: node.name,
    op: node.op,
    algorithm: "arg_extreme",
    reads: [input],
    output,
    calls: (at) => [
      {
        kernel: "arg_extreme_forward",
        args: { x: at.of(input.buffer), y: at.of(output.buffer), outer, size, inner, largest, last },
      },
    ],
  });
  lowering.define(node.outputs[0]!, output);
}

/** The first operand as [outer][size][inner], `size` being what is reduced, and the result [outer][inner]. */
interface Lanes {
  readonly input: Tensor;
  readonly outer: number;
  readonly size: number;
  readonly inner: number;
  readonly output: Tensor;
}

function lanes(lowering: Lowering, node: GraphNode, axes: readonly number[]): Lanes {
  const x = lowering.tensor(node.inputs[0]!, node);
  const kept = [...x.shape.keys()].filter((axis) => !axes.includes(axis));
  return (
    inPlace(lowering, node, x, axes) ??
    inPlace(lowering, node, lowering.rowMajor(x), axes) ?? {
      input: permuted(lowering, node, x, [...kept, ...axes], `${node.outputs[0]} (rows)`),
      outer: elementCount(kept.map((axis) => x.shape[axis]!)),
      size: elementCount(axes.map((axis) => x.shape[axis]!)),
      inner: 1,
      output: lowering.createRowMajor(node.outputs[0]!, lowering.shapeOf(node.outputs[0]!)),
    }
  );
}

/** Where the reduced axes lie side by side in memory, and a layout of the result has the others in the order in which they are left. */
function inPlace(lowering: Lowering, node: GraphNode, input: Tensor, axes: readonly number[]): Lanes | undefined {
  const order = memoryAxes(input.shape.length, input.layout === "channels-last").filter(
    (axis) => input.shape[axis] !== 1,
  );
  const reduced = order.map((axis) => axes.includes(axis));
  const [first, last] = [reduced.indexOf(true), reduced.lastIndexOf(true)];
  if (reduced.slice(Math.max(first, 0), last + 1).includes(false)) return undefined;
  const count = (part: readonly number[]): number => elementCount(part.map((axis) => input.shape[axis]!));
  const layout = resultLayout(lowering, node, input, axes, order);
  if (!layout) return undefined;
  const [outer, size, inner] =
    first < 0
      ? [count(order), 1, 1]
      : [count(order.slice(0, first)), count(order.slice(first, last + 1)), count(order.slice(last + 1))];
  const name = node.outputs[0]!;
  const shape = lowering.shapeOf(name);
  const output = layout === "row-major" ? lowering.createRowMajor(name, shape) : lowering.create(name, shape);
  return { input, outer, size, inner, output };
}

function resultLayout(
  lowering: Lowering,
  node: GraphNode,
  input: Tensor,
  axes: readonly number[],
  order: readonly number[],
): Tensor["layout"] | undefined {
  const shape = lowering.shapeOf(node.outputs[0]!);
  const keepsRank = shape.length === input.shape.length;
  const steps = new Array<number>(input.shape.length).fill(0);
  let words = 1;
  for (const axis of order.toReversed().filter((axis) => !axes.includes(axis))) {
    steps[axis] = words;
    words *= input.shape[axis]!;
  }
  return layoutWith(shape, keepsRank ? steps : steps.filter((_, axis) => !axes.includes(axis)));
}
