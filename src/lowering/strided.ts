import type { KernelCall, Pointer } from "../backend/backend.js";
import type { GraphNode } from "../graph/graph.js";
import type { Constant } from "./constants.js";
import type { Lowering } from "./context.js";
import { type Addresses, layoutsCoincide, type Tensor } from "./step.js";

/** An axis that is walked along: how many places, and how many words apart neighbours are where they are read and written. */
export interface CopyAxis {
  readonly size: number;
  readonly from: number;
  readonly to: number;
}

/** y[to + Σ i · axis.to] = x[from + Σ i · axis.from] */
export interface Copy {
  readonly source: Tensor | Constant;
  readonly axes: readonly CopyAxis[];
  /** Words before the first number that is read, and written. */
  readonly from?: number;
  readonly to?: number;
}

export function placeOf(source: Tensor | Constant, at: Addresses): Pointer {
  return "buffer" in source ? at.of(source.buffer) : at.constant(source);
}

/** Words between neighbours along each axis of a value. */
export function stepsOf({ shape, layout }: Pick<Tensor, "shape" | "layout">): readonly number[] {
  const steps = new Array<number>(shape.length).fill(1);
  const order = shape.map((_, axis) => axis);
  if (layout === "channels-last") order.push(...order.splice(1, 1));
  let words = 1;
  for (const axis of order.toReversed()) {
    steps[axis] = words;
    words *= shape[axis]!;
  }
  return steps;
}

/** A new value in the layout of another one where it can have it, else row-major. */
export function createLike(lowering: Lowering, name: string, shape: readonly number[], like: Tensor): Tensor {
  return like.layout === "channels-last" && shape.length > 2
    ? lowering.create(name, shape)
    : lowering.createRowMajor(name, shape);
}

/** One step that moves numbers into `output`, all of which the copies write together. */
export function emitCopies(lowering: Lowering, node: GraphNode, output: Tensor, copies: readonly Copy[]): Tensor {
  const sources = copies.map(({ source }) => source);
  const probe = copies.flatMap((copy) => copyCalls(copy, 0, 0));
  return lowering.emit({
    name: node.name,
    op: node.op,
    algorithm: probe[0]!.kernel,
    reads: sources.flatMap((source) => ("buffer" in source ? [source] : [])),
    output,
    constants: sources.flatMap((source) => ("buffer" in source ? [] : [source])),
    calls: (at) => copies.flatMap((copy) => copyCalls(copy, placeOf(copy.source, at), at.of(output.buffer))),
  });
}

/** The kernel's axes. */
const kernelAxes = 6;

function copyCalls({ axes, from = 0, to = 0 }: Copy, x: Pointer, y: Pointer): KernelCall[] {
  return callsFor(merged(axes), x + from, y + to);
}

/** In the order in which they are written, those joined along which both sides go on as they do along the next. */
function merged(axes: readonly CopyAxis[]): CopyAxis[] {
  const result: CopyAxis[] = [];
  for (const axis of axes.filter(({ size }) => size > 1).toSorted((a, b) => b.to - a.to)) {
    const before = result.at(-1);
    if (before && before.from === axis.from * axis.size && before.to === axis.to * axis.size) {
      result[result.length - 1] = { ...axis, size: before.size * axis.size };
    } else {
      result.push(axis);
    }
  }
  return result;
}

function callsFor(axes: readonly CopyAxis[], x: Pointer, y: Pointer): KernelCall[] {
  if (axes.length > kernelAxes) {
    const [first, ...rest] = axes as [CopyAxis, ...CopyAxis[]];
    return Array.from({ length: first.size }, (_, i) => callsFor(rest, x + i * first.from, y + i * first.to)).flat();
  }
  return [transposing(axes, x, y) ?? columns(axes, x, y) ?? strided(axes, x, y)];
}

/** [batch][a][b] → [batch][b][a] has a kernel that goes by tiles. */
function transposing(axes: readonly CopyAxis[], x: Pointer, y: Pointer): KernelCall | undefined {
  const [batch, outer, inner] = (axes.length === 2 ? [undefined, ...axes] : axes) as [
    CopyAxis | undefined,
    CopyAxis,
    CopyAxis,
  ];
  if (axes.length < 2 || axes.length > 3) return undefined;
  const words = outer.size * inner.size;
  const turned = outer.from === 1 && outer.to === inner.size && inner.from === outer.size && inner.to === 1;
  if (!turned || (batch && (batch.from !== words || batch.to !== words))) return undefined;
  return {
    kernel: "nchw_to_nhwc",
    args: { x, y, batch: batch?.size ?? 1, positions: outer.size, channels: inner.size },
  };
}

/** [rows][columns] into wider rows. */
function columns(axes: readonly CopyAxis[], x: Pointer, y: Pointer): KernelCall | undefined {
  const [row, column] = axes.length === 2 ? axes : [{ size: 1, from: axes[0]?.size, to: axes[0]?.size }, axes[0]];
  if (axes.length !== 1 && axes.length !== 2) return undefined;
  if (column!.from !== 1 || column!.to !== 1 || row!.from !== column!.size) return undefined;
  return { kernel: "copy_columns", args: { x, y, rows: row!.size, columns: column!.size, row_words: row!.to! } };
}

function strided(axes: readonly CopyAxis[], x: Pointer, y: Pointer): KernelCall {
  const one: CopyAxis = { size: 1, from: 0, to: 0 };
  const [a, b, c, d, e, f] = [...Array<CopyAxis>(kernelAxes - axes.length).fill(one), ...axes] as [
    CopyAxis,
    CopyAxis,
    CopyAxis,
    CopyAxis,
    CopyAxis,
    CopyAxis,
  ];
  return {
    kernel: "strided_copy",
    args: {
      ...{ x, y, size0: a.size, size1: b.size, size2: c.size, size3: d.size, size4: e.size, size5: f.size },
      ...{ x_step0: a.from, x_step1: b.from, x_step2: c.from, x_step3: d.from, x_step4: e.from, x_step5: f.from },
      ...{ y_step0: a.to, y_step1: b.to, y_step2: c.to, y_step3: d.to, y_step4: e.to, y_step5: f.to },
    },
  };
}

/** The axes of `from` in another order, row-major: axis i of the result is axis `order[i]`. */
export function permuted(
  lowering: Lowering,
  node: GraphNode,
  from: Tensor,
  order: readonly number[],
  name: string,
): Tensor {
  const output = lowering.createRowMajor(
    name,
    order.map((axis) => from.shape[axis]!),
  );
  const [read, written] = [stepsOf(from), stepsOf(output)];
  const axes = order.map((axis, i): CopyAxis => ({ size: from.shape[axis]!, from: read[axis]!, to: written[i]! }));
  return emitCopies(lowering, node, output, [{ source: from, axes }]);
}

/** Whether two descriptions hold the same numbers in the same places: only axes of more than one place count. */
export function sameMemory(shape: readonly number[], a: readonly number[], b: readonly number[]): boolean {
  return shape.every((size, axis) => size === 1 || a[axis] === b[axis]);
}

/** A layout under which a value of this shape lies in memory with these steps, if there is one. */
export function layoutWith(shape: readonly number[], steps: readonly number[]): Tensor["layout"] | undefined {
  if (sameMemory(shape, steps, stepsOf({ shape, layout: "row-major" }))) return "row-major";
  if (shape.length < 3 || layoutsCoincide(shape)) return undefined;
  return sameMemory(shape, steps, stepsOf({ shape, layout: "channels-last" })) ? "channels-last" : undefined;
}
