import { intAttribute, intsAttribute } from "../attributes.js";
import type { Dimension } from "../graph.js";
import { broadcastShapes } from "../shapes.js";
import { describe, type NodeContext, refuse, type Shape } from "./operator.js";

/** The shape of an input that has to have one of some ranks. @throws ShapeError for another; undefined where it is unknown. */
export function ranked(
  context: NodeContext,
  input: number,
  ranks: readonly number[] | ((rank: number) => boolean),
  what: string,
): Shape | undefined {
  const shape = context.shape(input);
  if (!shape) return undefined;
  const fits = typeof ranks === "function" ? ranks(shape.length) : ranks.includes(shape.length);
  return fits ? shape : refuse(context, what, describe(shape));
}

/** @throws ShapeError where both sizes are known and differ. */
export function sameSize(
  context: NodeContext,
  what: string,
  expected: Dimension | undefined,
  received: Dimension | undefined,
): void {
  if (typeof expected !== "number" || typeof received !== "number" || expected === received) return;
  refuse(context, `${what} of size ${expected}`, String(received));
}

/** A vector of as many numbers as `size`. @throws ShapeError for another shape. */
export function vectorOf(context: NodeContext, input: number, name: string, size: Dimension | undefined): void {
  const shape = ranked(context, input, [1], `a vector as ${name}`);
  if (shape) sameSize(context, name, size, shape[0]);
}

/** A value of one element: a scalar or [1]. */
export function scalar(context: NodeContext, input: number, name: string): void {
  const shape = context.shape(input);
  if (shape && !shape.every((size) => size === 1 || typeof size === "string"))
    refuse(context, `one number as ${name}`, describe(shape));
}

/** An axis in [0, rank); ONNX counts negative ones from the end. @throws ShapeError outside. */
export function axisOf(context: NodeContext, axis: number, rank: number): number {
  const normal = axis < 0 ? axis + rank : axis;
  if (Number.isInteger(normal) && normal >= 0 && normal < rank) return normal;
  return refuse(
    context,
    rank === 0 ? "no axis (the value is a scalar)" : `an axis from ${-rank} to ${rank - 1}`,
    `axis ${axis}`,
  );
}

/** Axes in [0, rank), each at most once. @throws ShapeError. */
export function axesOf(context: NodeContext, axes: readonly number[], rank: number): number[] {
  const normal = axes.map((axis) => axisOf(context, axis, rank));
  if (new Set(normal).size !== normal.length) refuse(context, "each axis once", `[${axes.join(", ")}]`);
  return normal;
}

/** The axis that an attribute names. */
export function axisAttribute(context: NodeContext, name: string, otherwise: number, rank: number): number {
  return axisOf(context, intAttribute(context.node, name, otherwise), rank);
}

export const isPresent = ({ node }: NodeContext, input: number): boolean => Boolean(node.inputs[input]);

/** Integers of an input, or of the attribute that older operator sets have in its place; undefined where they are not known, or neither is there. @throws ShapeError for a matrix. */
export function integers(context: NodeContext, input: number, attribute?: string): readonly number[] | undefined {
  if (isPresent(context, input)) {
    const values = listContents(context, input);
    return values?.every((value) => typeof value === "number") ? (values as readonly number[]) : undefined;
  }
  return attribute === undefined ? undefined : intsAttribute(context.node, attribute);
}

/** Elements of an input that is a list or a single number (shapes, axes, k). @throws ShapeError where it has more axes. */
export function listContents(context: NodeContext, input: number): readonly Dimension[] | undefined {
  const shape = context.shape(input);
  if (shape && shape.length > 1) refuse(context, `a list of numbers as input ${input}`, describe(shape));
  return context.contents(input);
}

/** Whether integers are given at all, by input or attribute. */
export function isGiven(context: NodeContext, input: number, attribute?: string): boolean {
  return isPresent(context, input) || (attribute !== undefined && context.node.attributes[attribute] !== undefined);
}

/** The common shape of inputs by numpy's broadcasting; undefined where one is unknown. @throws ShapeError that names the node. */
export function broadcasted(context: NodeContext, inputs: readonly number[]): Shape | undefined {
  const shapes = inputs.map((input) => context.shape(input));
  if (shapes.includes(undefined)) return undefined;
  return shapes.reduce<Shape>((a, b) => broadcastedShape(context, a, b!), []);
}

export function broadcastedShape(context: NodeContext, a: Shape, b: Shape): Shape {
  try {
    return broadcastShapes(a, b);
  } catch {
    return refuse(context, "shapes that broadcast", `${describe(a)} and ${describe(b)}`);
  }
}

/** @throws ShapeError unless `small` broadcasts to `large` without changing it. */
export function broadcastsTo(
  context: NodeContext,
  what: string,
  small: Shape | undefined,
  large: Shape | undefined,
): void {
  if (!small || !large) return;
  const fits =
    small.length <= large.length &&
    small.every((size, i) => {
      const own = large[i + large.length - small.length];
      return size === 1 || size === own || typeof size === "string" || typeof own === "string";
    });
  if (!fits) refuse(context, `${what} that broadcasts to ${describe(large)}`, describe(small));
}

/** A string attribute out of a fixed choice. @throws ShapeError for another. */
export function choice<T extends string>(context: NodeContext, name: string, options: readonly T[], otherwise: T): T {
  const found = context.node.attributes[name];
  if (found === undefined) return otherwise;
  const value = found.type === "string" ? found.value : found.type;
  return options.find((option) => option === value) ?? refuse(context, `${name} ${options.join(", ")}`, `"${value}"`);
}
