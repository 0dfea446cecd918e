import { UserError } from "../core/errors.js";
import type { NamedArray } from "../core/named-arrays.js";
import { toFloat64 } from "../core/named-arrays.js";
import { floatAttribute } from "../graph/attributes.js";
import type { GraphNode } from "../graph/graph.js";
import { batchNormMode } from "../operators/batch-normalization.js";
import { operatorOf } from "../operators/registry.js";
import { extents } from "./step.js";

/** y = scale[c] · x + shift[c]; an absent part is 1 or 0. Kept in float64 until it is used. */
export interface Affine {
  readonly scale: Float64Array | undefined;
  readonly shift: Float64Array | undefined;
}

export const identityAffine: Affine = { scale: undefined, shift: undefined };

export function isIdentity(affine: Affine): boolean {
  return affine.scale === undefined && affine.shift === undefined;
}

/** outer ∘ inner. */
export function composeAffine(outer: Affine, inner: Affine): Affine {
  const scaledShift = inner.shift && outer.scale ? inner.shift.map((t, c) => outer.scale![c]! * t) : inner.shift;
  return {
    scale: inner.scale && outer.scale ? inner.scale.map((s, c) => outer.scale![c]! * s) : (inner.scale ?? outer.scale),
    shift: scaledShift && outer.shift ? scaledShift.map((t, c) => t + outer.shift![c]!) : (scaledShift ?? outer.shift),
  };
}

/**
 * A node that is an affine map of each channel with constant coefficients: BatchNormalization in inference mode
 * (scale = γ / √(σ² + ε), shift = β − μ · scale) or Add, Sub, Mul, Div with a constant of one number or one a channel.
 * Undefined for every other node.
 */
export function affineOf(
  node: GraphNode,
  shape: readonly number[],
  constants: ReadonlyMap<string, NamedArray>,
): { readonly input: string; readonly affine: Affine } | undefined {
  if (node.op === "BatchNormalization") return { input: node.inputs[0]!, affine: batchNormalization(node, constants) };
  if (node.op !== "Add" && node.op !== "Sub" && node.op !== "Mul" && node.op !== "Div") return undefined;
  const [a, b] = node.inputs as [string, string];
  const constantFirst = constants.has(a);
  const constant = constants.get(constantFirst ? a : b);
  if (constant === undefined || (constantFirst && constants.has(b))) return undefined;
  const values = perChannel(constant, shape);
  if (values === undefined || (node.op === "Div" && constantFirst)) return undefined;
  const input = constantFirst ? b : a;
  switch (node.op) {
    case "Add":
      return { input, affine: { scale: undefined, shift: values } };
    case "Sub":
      return constantFirst
        ? { input, affine: { scale: values.map(() => -1), shift: values } }
        : { input, affine: { scale: undefined, shift: values.map((v) => -v) } };
    case "Mul":
      return { input, affine: { scale: values, shift: undefined } };
    case "Div":
      return { input, affine: { scale: values.map((v) => 1 / v), shift: undefined } };
  }
}

/** One number a channel from a constant that broadcasts to `shape` along everything but channels; undefined where it does not. */
export function perChannel(constant: NamedArray, shape: readonly number[]): Float64Array | undefined {
  const { channels } = extents(shape);
  const values = toFloat64(constant);
  if (constant.shape.length > shape.length) return undefined;
  if (values.length === 1) return new Float64Array(channels).fill(values[0]!);
  const offset = shape.length - constant.shape.length;
  const channelsOnly = constant.shape.every((size, i) => size === (i + offset === 1 ? channels : 1));
  return channelsOnly ? Float64Array.from(values) : undefined;
}

function batchNormalization(node: GraphNode, constants: ReadonlyMap<string, NamedArray>): Affine {
  const mode = batchNormMode({ node, version: operatorOf(node)!.version });
  if (mode !== "inference") {
    throw new UserError({
      expected: "BatchNormalization in inference mode, of channels",
      received: `node "${node.name}" ${mode === "training" ? "in training mode" : "of positions (spatial = 0)"}`,
      ...(mode === "training" && { remedy: "export the net after model.eval()" }),
    });
  }
  const [gamma, beta, mean, variance] = node.inputs.slice(1, 5).map((name) => {
    const array = constants.get(name);
    if (array) return toFloat64(array);
    throw new UserError({
      expected: "BatchNormalization with constant parameters",
      received: `node "${node.name}" (BatchNormalization), whose "${name}" is computed`,
    });
  }) as [Float64Array, Float64Array, Float64Array, Float64Array];
  const epsilon = floatAttribute(node, "epsilon", 1e-5);
  const scale = gamma.map((g, c) => g / Math.sqrt(variance[c]! + epsilon));
  return { scale, shift: beta.map((b, c) => b - mean[c]! * scale[c]!) };
}
