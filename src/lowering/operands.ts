import { elementCount, type NamedArray, toFloat32 } from "../core/named-arrays.js";
import type { GraphNode } from "../graph/graph.js";
import { type Axis, axesInMemory, collapsed, inMemoryOrder } from "./axes.js";
import { type Constant, checkWhole } from "./constants.js";
import type { Lowering } from "./context.js";
import type { Tensor } from "./step.js";
import { emitCopies, stepsOf } from "./strided.js";

/** An operand where it stands in memory, computed or constant, with axes of size 1 in front up to the result's rank. */
export interface Operand {
  readonly shape: readonly number[];
  readonly source: Tensor | Constant;
}

/** Operands of one step that broadcast to one shape. */
export interface Broadcast {
  readonly operands: readonly Operand[];
  /** Whether they, and the result, lie channels last. */
  readonly channelsLast: boolean;
  /** At most four groups of axes, as the kernels take them. */
  readonly axes: readonly [Axis, Axis, Axis, Axis];
}

/** The axes' sizes, as the kernels take them. */
export function sizes([d0, d1, d2, d3]: Broadcast["axes"]) {
  return { size0: d0.size, size1: d1.size, size2: d2.size, size3: d3.size };
}

/** An operand's steps, as the kernels take them. */
export function steps<P extends string>([d0, d1, d2, d3]: Broadcast["axes"], prefix: P, operand: number) {
  const all = [d0, d1, d2, d3].map((axis, i) => [`${prefix}_step${i}`, axis.steps[operand]!]);
  return Object.fromEntries(all) as Record<`${P}_step${0 | 1 | 2 | 3}`, number>;
}

/** Finds operands (one number where a constant is given) and the axes along which they repeat; those of more than four groups of axes are repeated in memory first. */
export function broadcastOf(
  lowering: Lowering,
  node: GraphNode,
  names: readonly (string | Constant)[],
  shape: readonly number[],
): Broadcast {
  const channelsLast = canBeChannelsLast(lowering, node, names, shape);
  const operands = names.map(
    (name): Operand =>
      typeof name === "string"
        ? operandOf(lowering, node, name, shape.length, channelsLast)
        : { shape: shape.map(() => 1), source: name },
  );
  const grouped = (list: readonly Operand[]) =>
    collapsed(
      axesInMemory(
        shape,
        list.map((operand) => operand.shape),
        channelsLast,
      ),
    );
  const axes = grouped(operands);
  const fitting =
    axes.length <= 4
      ? operands
      : operands.map((operand) =>
          repeated(lowering, node, operand, shape, channelsLast ? "channels-last" : "row-major"),
        );
  const one: Axis = { size: 1, steps: names.map(() => 0) };
  const found = axes.length <= 4 ? axes : grouped(fitting);
  return {
    operands: fitting,
    channelsLast,
    axes: [...Array<Axis>(4 - found.length).fill(one), ...found] as unknown as Broadcast["axes"],
  };
}

/** Where every computed operand has all axes of the result; a value of fewer axes stands row-major. */
function canBeChannelsLast(
  lowering: Lowering,
  node: GraphNode,
  names: readonly (string | Constant)[],
  shape: readonly number[],
): boolean {
  const computed = names
    .filter((name) => typeof name === "string")
    .filter((name) => !lowering.graph.constants.has(name));
  const ranks = computed.map((name) => lowering.tensor(name, node).shape.length);
  return shape.length > 2 && ranks.every((rank) => rank === shape.length);
}

/** An input of a node, computed or constant, in the layout asked for. */
export function operandOf(
  lowering: Lowering,
  node: GraphNode,
  name: string,
  rank: number,
  channelsLast: boolean,
): Operand {
  const constant = lowering.graph.constants.get(name);
  if (constant) return constantOperand(name, constant, rank, channelsLast);
  const tensor = lowering.tensor(name, node);
  const source = channelsLast ? lowering.channelsLast(tensor) : lowering.rowMajor(tensor);
  return { shape: withRank(tensor.shape, rank), source };
}

function constantOperand(name: string, constant: NamedArray, rank: number, channelsLast: boolean): Operand {
  const shape = withRank(constant.shape, rank);
  checkWhole(name, constant);
  const source: Constant = {
    key: `${name} ${channelsLast ? "channels-last" : "row-major"} [${shape}]`,
    words: elementCount(shape),
    count: elementCount(shape),
    write: (target) => target.set(inMemoryOrder(toFloat32(constant), shape, channelsLast)),
  };
  return { shape, source };
}

export function withRank(shape: readonly number[], rank: number): readonly number[] {
  return [...Array<number>(rank - shape.length).fill(1), ...shape];
}

/** The operand with every number of `shape` in memory; `layout` is the operand's, and the result's. */
export function repeated(
  lowering: Lowering,
  node: GraphNode,
  { shape: own, source }: Operand,
  shape: readonly number[],
  layout: Tensor["layout"],
): Operand {
  if (`${own}` === `${shape}`) return { shape, source };
  const name = `${node.outputs[0]} (repeated)`;
  const output = layout === "channels-last" ? lowering.create(name, shape) : lowering.createRowMajor(name, shape);
  const [read, written] = [stepsOf({ shape: own, layout }), stepsOf({ shape, layout })];
  const axes = shape.map((size, axis) => ({ size, from: own[axis] === 1 ? 0 : read[axis]!, to: written[axis]! }));
  return { shape, source: emitCopies(lowering, node, output, [{ source, axes }]) };
}

/** A value repeated to `shape`, which has as many axes, in its own layout. */
export function repeatedTensor(lowering: Lowering, node: GraphNode, x: Tensor, shape: readonly number[]): Tensor {
  return repeated(lowering, node, { shape: x.shape, source: x }, shape, x.layout).source as Tensor;
}

/** Input number `input` of a node, in the order of its own shape. */
export function rowMajorOperand(lowering: Lowering, node: GraphNode, input: number): Operand {
  const name = node.inputs[input]!;
  const rank = (lowering.graph.constants.get(name)?.shape ?? lowering.shapeOf(name)).length;
  return operandOf(lowering, node, name, rank, false);
}

/** What a step says that it reads, of operands of either kind. */
export function operandsOfStep(operands: readonly Operand[]): {
  readonly reads: readonly Tensor[];
  readonly constants: readonly Constant[];
} {
  return {
    reads: operands.flatMap(({ source }) => ("buffer" in source ? [source] : [])),
    constants: operands.flatMap(({ source }) => ("buffer" in source ? [] : [source])),
  };
}
