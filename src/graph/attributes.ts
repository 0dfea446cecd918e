import { ShapeError } from "../core/errors.js";
import type { NamedArray } from "../core/named-arrays.js";
import type { AttributeValue, GraphNode } from "./graph.js";

/** Attribute makers: `node("Conv", …, { strides: ints([2, 2]) })`. */
export const int = (value: number): AttributeValue => ({ type: "int", value });
export const float = (value: number): AttributeValue => ({ type: "float", value });
export const string = (value: string): AttributeValue => ({ type: "string", value });
export const ints = (value: readonly number[]): AttributeValue => ({ type: "ints", value });
export const floats = (value: readonly number[]): AttributeValue => ({ type: "floats", value });
export const tensor = (value: NamedArray): AttributeValue => ({ type: "tensor", value });

interface ValueOf {
  int: number;
  float: number;
  string: string;
  ints: readonly number[];
  floats: readonly number[];
  tensor: NamedArray;
}

/** A node's attribute of one type, or undefined where it is absent. @throws ShapeError when it has another type. */
export function attribute<T extends keyof ValueOf>(node: GraphNode, name: string, type: T): ValueOf[T] | undefined {
  const found = node.attributes[name];
  if (found === undefined) return undefined;
  if (found.type !== type) {
    throw new ShapeError({
      expected: `attribute "${name}" of ${node.op} "${node.name}" as ${type}`,
      received: found.type,
    });
  }
  return found.value as ValueOf[T];
}

export const intAttribute = (node: GraphNode, name: string, otherwise: number): number =>
  attribute(node, name, "int") ?? otherwise;
export const floatAttribute = (node: GraphNode, name: string, otherwise: number): number =>
  attribute(node, name, "float") ?? otherwise;
export const stringAttribute = (node: GraphNode, name: string, otherwise: string): string =>
  attribute(node, name, "string") ?? otherwise;
export const intsAttribute = (node: GraphNode, name: string): readonly number[] | undefined =>
  attribute(node, name, "ints");

/** An int attribute that says yes (1) or no (0). @throws ShapeError for any other number: readers would take it for either. */
export function flagAttribute(node: GraphNode, name: string, otherwise: boolean): boolean {
  const value = intAttribute(node, name, Number(otherwise));
  if (value === 0 || value === 1) return value === 1;
  throw new ShapeError({
    expected: `0 or 1 as attribute "${name}" of ${node.op} "${node.name}"`,
    received: String(value),
  });
}
