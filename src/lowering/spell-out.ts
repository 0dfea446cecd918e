import { f32 } from "../core/named-arrays.js";
import { analyze } from "../graph/analyze/analyze.js";
import { floatAttribute, int } from "../graph/attributes.js";
import { int64, node as makeNode, Names } from "../graph/build.js";
import type { Graph } from "../graph/graph.js";
import { valueNames } from "../graph/subgraphs.js";
import { batchNormMode } from "../operators/batch-normalization.js";
import { dropoutPasses } from "../operators/dropout.js";
import { einsumProduct } from "./einsum-product.js";
import { isStatic, Spelling } from "./spelling.js";

/** Forms of operators that the engine has no step for, each spelled out in operators that it has; false where a node is not of such a form. */
const spellings: Readonly<Record<string, (spelling: Spelling) => boolean>> = {
  BatchNormalization: byParts,
  Clip: computedLimits,
  DequantizeLinear: dequantize,
  Dropout: withMask,
  Einsum: einsumProduct,
  QuantizeLinear: quantize,
};

/** Operators that are only ever spelled out. */
export const spelledOperators = ["DequantizeLinear", "Einsum", "QuantizeLinear"];

/**
 * The graph with BatchNormalization whose parameters are computed or differ by position, Clip with computed limits, Dropout whose mask is read, and Einsum
 * that is a matrix product, in other operators. Shapes have to be known.
 */
export function spelledOut(graph: Graph): Graph {
  if (!graph.nodes.some(({ op, domain }) => domain === "" && Object.hasOwn(spellings, op))) return graph;
  const analysis = analyze(graph);
  const initializers = new Map(graph.initializers);
  const values = valueNames(graph);
  const names = new Names(graph.nodes.map(({ name }) => name));
  const nodes = graph.nodes.flatMap((node) => {
    const spell = node.domain === "" && Object.hasOwn(spellings, node.op) ? spellings[node.op] : undefined;
    const context = spell && analysis.context(node);
    if (!spell || !context) return [node];
    const spelling = new Spelling(context, initializers, values, names);
    return spell(spelling) ? spelling.nodes : [node];
  });
  return nodes.length === graph.nodes.length && nodes.every((node, i) => node === graph.nodes[i])
    ? graph
    : { ...graph, nodes, initializers };
}

/** y = (x − μ) · γ / √(σ² + ε) + β. */
function byParts(spelling: Spelling): boolean {
  const { context, node, initializers } = spelling;
  const mode = batchNormMode(context);
  const shape = context.shape(0);
  const computed = node.inputs.slice(1, 5).some((name) => !initializers.has(name));
  if (mode === "training" || (mode === "inference" && !computed) || !shape) return false;
  const sizes = mode === "inference" ? [-1, ...new Array<number>(Math.max(0, shape.length - 2)).fill(1)] : undefined;
  const target = sizes && spelling.constant("channels", int64(sizes));
  const [gamma, beta, mean, variance] = node.inputs
    .slice(1, 5)
    .map((name) => (target ? spelling.add("Reshape", [name, target]) : name));
  const epsilon = spelling.constant("epsilon", f32([], Float32Array.of(floatAttribute(node, "epsilon", 1e-5))));
  const deviation = spelling.add("Sqrt", [spelling.add("Add", [variance!, epsilon])]);
  const scale = spelling.add("Div", [gamma!, deviation]);
  const scaled = spelling.add("Mul", [spelling.add("Sub", [node.inputs[0]!, mean!]), scale]);
  spelling.add("Add", [scaled, beta!], {}, node.outputs[0]);
  return true;
}

/** min(max(x, low), high): where they cross, the upper one wins. */
function computedLimits(spelling: Spelling): boolean {
  const { node, initializers } = spelling;
  const limits = node.inputs.slice(1);
  if (limits.every((name) => name === "" || initializers.has(name))) return false;
  const steps = limits.flatMap((name, i) => (name === "" ? [] : [{ op: i === 0 ? "Max" : "Min", name }]));
  steps.reduce(
    (value, { op, name }, i) =>
      spelling.add(op, [value, name], {}, i === steps.length - 1 ? node.outputs[0] : undefined),
    node.inputs[0]!,
  );
  return true;
}

/** One constant scale and zero point of 8 bits, as float32. */
function eightBits({ node, initializers }: Spelling): { scale: number; zero: number; low: number } | undefined {
  const [scale, zero] = node.inputs.slice(1, 3).map((name) => initializers.get(name));
  if (!scale || !zero || scale.data.length !== 1 || !["u8", "i8"].includes(zero.dtype)) return undefined;
  return { scale: Number(scale.data[0]), zero: Number(zero.data[0]), low: zero.dtype === "u8" ? 0 : -128 };
}

/** y = clamp(round(x / scale) + zero point): its numbers, as float32 has them. */
function quantize(spelling: Spelling): boolean {
  const own = eightBits(spelling);
  if (!own) return false;
  const number = (what: string, value: number): string => spelling.constant(what, f32([], Float32Array.of(value)));
  const rounded = spelling.add("Round", [spelling.add("Div", [spelling.node.inputs[0]!, number("scale", own.scale)])]);
  const moved = spelling.add("Add", [rounded, number("zero", own.zero)]);
  const limited = spelling.add("Clip", [moved, number("low", own.low), number("high", own.low + 255)]);
  spelling.add("Cast", [limited], { to: int(own.low === 0 ? 2 : 3) }, spelling.node.outputs[0]);
  return true;
}

/** x = (q − zero point) · scale. */
function dequantize(spelling: Spelling): boolean {
  const own = eightBits(spelling);
  if (!own) return false;
  const number = (what: string, value: number): string => spelling.constant(what, f32([], Float32Array.of(value)));
  const real = spelling.add("Cast", [spelling.node.inputs[0]!], { to: int(1) });
  const moved = spelling.add("Sub", [real, number("zero", own.zero)]);
  spelling.add("Mul", [moved, number("scale", own.scale)], {}, spelling.node.outputs[0]);
  return true;
}

/** In inference everything passes: the mask is true everywhere. */
function withMask(spelling: Spelling): boolean {
  const { node, context } = spelling;
  const [output, mask] = node.outputs;
  const shape = context.shape(0);
  if (!mask || !dropoutPasses(context) || !isStatic(shape)) return false;
  if (output) spelling.add("Identity", [node.inputs[0]!], {}, output);
  const ones = spelling.constant("mask", f32([], Float32Array.of(1)));
  const sizes = spelling.constant("mask.shape", int64(shape));
  const to = context.version < 10 ? 1 : 9;
  const cast = spelling.add("Cast", [ones], { to: int(to) });
  spelling.nodes.push(makeNode("Expand", spelling.names.take(`${node.name}.mask`), [cast, sizes], [mask]));
  return true;
}
