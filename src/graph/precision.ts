import { convertedArray } from "../core/deferred-array.js";
import { UserError } from "../core/errors.js";
import type { DType, NamedArray } from "../core/named-arrays.js";
import { dtypeOf } from "../formats/onnx/tensor.js";
import { int, intAttribute } from "./attributes.js";
import { toNamedArray, toTensor64 } from "./evaluate/tensor64.js";
import type { AttributeValue, Graph, GraphNode } from "./graph.js";

/** Floating-point types that a graph can be written in. */
export type Precision = "f64" | "f32" | "f16";

/** Floating-point types that a value can have. */
export type FloatType = Precision | "bf16";

const floats: ReadonlySet<DType> = new Set(["f64", "f32", "f16", "bf16"]);
const codes: Readonly<Record<Precision, number>> = { f32: 1, f16: 10, f64: 11 };

/**
 * An array in another floating-point type, each element rounded once.
 * @throws UserError when a finite number becomes infinite (beyond 65504 for float16); `name` says which array.
 */
export function roundTo(array: NamedArray, precision: FloatType, name: string): NamedArray {
  if (array.dtype === precision) return array;
  return convertedArray(array, precision, (part) => rounded(part, precision, name));
}

function rounded(array: NamedArray, precision: FloatType, name: string): NamedArray["data"] {
  const { shape, data } = toTensor64(array);
  const { data: result } = toNamedArray({ dtype: precision, shape, data });
  const overflown = isInfinite[precision];
  for (let i = 0; i < data.length; i++) {
    if (overflown(result[i] as number) && Number.isFinite(data[i])) {
      throw new UserError({
        expected: `numbers that ${precision} can hold in "${name}"`,
        received: `${data[i]}`,
        remedy: "choose a wider precision",
      });
    }
  }
  return result;
}

/** Of a number as it is stored. */
const isInfinite: Readonly<Record<FloatType, (stored: number) => boolean>> = {
  f64: (value) => Math.abs(value) === Number.POSITIVE_INFINITY,
  f32: (value) => Math.abs(value) === Number.POSITIVE_INFINITY,
  f16: (bits) => (bits & 0x7fff) === 0x7c00,
  bf16: (bits) => (bits & 0x7fff) === 0x7f80,
};

/** The graph with all its floating-point constants, inputs and outputs in one type. @throws UserError; see {@link roundTo}. */
export function castFloats(graph: Graph, precision: Precision): Graph {
  const kept = new Set(graph.nodes.flatMap((node) => (isResize(node) ? node.inputs.slice(1) : []))); // always float32 in ONNX
  const cast = (array: NamedArray, name: string): NamedArray =>
    floats.has(array.dtype) && !kept.has(name) ? roundTo(array, precision, name) : array;
  const info = <T extends { readonly dtype: DType }>(value: T): T =>
    floats.has(value.dtype) ? { ...value, dtype: precision } : value;
  return {
    ...graph,
    inputs: graph.inputs.map(info),
    outputs: graph.outputs.map(info),
    nodes: graph.nodes.map((node) => castNode(node, precision, cast)),
    initializers: new Map([...graph.initializers].map(([name, array]) => [name, cast(array, name)])),
  };
}

const isResize = ({ op, domain }: GraphNode): boolean => domain === "" && (op === "Resize" || op === "Upsample");

function castNode(
  node: GraphNode,
  precision: Precision,
  cast: (array: NamedArray, name: string) => NamedArray,
): GraphNode {
  const target = node.op === "Cast" && node.domain === "" ? dtypeOf(intAttribute(node, "to", 1)) : undefined;
  if (target && floats.has(target)) {
    return { ...node, attributes: { ...node.attributes, to: int(codes[precision]) } };
  }
  const entries = Object.entries(node.attributes);
  if (!entries.some(([, value]) => value.type === "tensor")) return node;
  const attributes = entries.map(([name, value]): [string, AttributeValue] => [
    name,
    value.type === "tensor" ? { type: "tensor", value: cast(value.value, node.name) } : value,
  ]);
  return { ...node, attributes: Object.fromEntries(attributes) };
}
