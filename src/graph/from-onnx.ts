import { FormatError } from "../core/errors.js";
import type { DType, NamedArray } from "../core/named-arrays.js";
import { encodeAttribute, opsetVersion } from "../formats/onnx/model.js";
import type { AttributeProto, GraphProto, ModelProto, NodeProto, ValueInfoProto } from "../formats/onnx/proto.js";
import { attributeType } from "../formats/onnx/proto.js";
import { dtypeOf, tensorToArray } from "../formats/onnx/tensor.js";
import { uniqueName } from "./build.js";
import type { AttributeValue, Dimension, Graph, GraphNode, ValueInfo } from "./graph.js";
import { inlineFunctions } from "./inline-functions.js";

/** A graph and what else its file says: enough for `toOnnx` to write the file again. */
export interface OnnxGraph {
  readonly graph: Graph;
  readonly envelope: OnnxEnvelope;
}

/** A model without its nodes and constants: operator sets, producer, metadata, functions, and what it says of values. */
export interface OnnxEnvelope extends Omit<ModelProto, "graph"> {
  readonly graph: Pick<GraphProto, "docString" | "unknown" | "input" | "output" | "valueInfo">;
}

/**
 * A graph from an ONNX model. Nodes of any operator and domain are kept, attributes that the graph has no type for as their bytes.
 * Tensors stay on the file's memory. Functions are inlined. Nodes without a name get one; each carries the operator set that it is written in.
 *
 * @throws FormatError when an input, output or initializer is not a tensor of numbers, or the operator set is not supported.
 */
export function fromOnnx(model: ModelProto): OnnxGraph {
  const opset = opsetVersion(model);
  const { graph: proto, ...rest } = inlineFunctions(model);
  if (!proto) throw new FormatError({ expected: "an ONNX model with a graph", received: "none" });
  const initializers = new Map<string, NamedArray>();
  for (const tensor of proto.initializer) initializers.set(tensor.name ?? "", tensorToArray(tensor));
  const nodes = fromNodes(proto.node, opset);
  const { docString, unknown, input, output, valueInfo } = proto;
  return {
    graph: {
      name: proto.name ?? "",
      // Before IR version 4, initializers were inputs with a default.
      inputs: input.filter(({ name }) => !initializers.has(name ?? "")).map(fromValueInfo),
      outputs: output.map(fromValueInfo),
      nodes,
      initializers,
      valueInfo: valueInfo.flatMap((info) => (isTensorInfo(info) ? [fromValueInfo(info)] : [])),
    },
    envelope: {
      ...rest,
      graph: { ...(docString !== undefined && { docString }), ...(unknown && { unknown }), input, output, valueInfo },
    },
  };
}

/** Nodes with the operator set that they are written in, each with a name of its own. */
export function fromNodes(protos: readonly NodeProto[], opset: number): GraphNode[] {
  const names = new Set(protos.flatMap(({ name }) => (name ? [name] : [])));
  const used = new Set<string>();
  return protos.map((node, i) => {
    const wanted = node.name || uniqueName(`${node.opType ?? "node"}_${i}`, names);
    const name = uniqueName(wanted, used);
    used.add(name);
    return fromNode(node, name, opset);
  });
}

function fromNode(node: NodeProto, name: string, opset: number): GraphNode {
  const op = node.opType ?? "";
  const domain = node.domain === "ai.onnx" ? "" : (node.domain ?? "");
  const attributes: Record<string, AttributeValue> = {};
  for (const attribute of node.attribute) attributes[attribute.name ?? ""] = fromAttribute(attribute);
  return { name, op, domain, opset, inputs: node.input, outputs: node.output, attributes };
}

const text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

function fromAttribute(attribute: AttributeProto): AttributeValue {
  return (
    plainAttribute(attribute) ?? { type: "opaque", onnxType: attribute.type ?? 0, bytes: encodeAttribute(attribute) }
  );
}

/** The value where it can be written back from our types alone. */
function plainAttribute({
  type,
  f = 0,
  i = 0n,
  s,
  t,
  floats,
  ints,
  strings,
  refAttrName,
}: AttributeProto): AttributeValue | undefined {
  if (refAttrName) return undefined;
  switch (type) {
    case attributeType.float:
      return { type: "float", value: f };
    case attributeType.int:
      return isSafe(i) ? { type: "int", value: Number(i) } : undefined;
    case attributeType.string:
      return decoded([s ?? new Uint8Array(0)], ([value]) => ({ type: "string", value: value! }));
    case attributeType.floats:
      return { type: "floats", value: Array.from(floats) };
    case attributeType.ints:
      return ints.every(isSafe) ? { type: "ints", value: Array.from(ints, Number) } : undefined;
    case attributeType.strings:
      return decoded(strings, (value) => ({ type: "strings", value }));
    case attributeType.tensor:
      return t && dtypeOf(t.dataType) && t.dataLocation !== 1 ? { type: "tensor", value: tensorToArray(t) } : undefined;
    default:
      return undefined;
  }
}

function decoded(
  bytes: readonly Uint8Array[],
  make: (strings: string[]) => AttributeValue,
): AttributeValue | undefined {
  try {
    return make(bytes.map((b) => text.decode(b)));
  } catch {
    return undefined; // not UTF-8: kept as it is
  }
}

/** Numbers that we hold exactly, and int64's ends, which stand for "to the end" and are written back as what they were. */
const isSafe = (value: bigint): boolean =>
  Number.isSafeInteger(Number(value)) || value === 2n ** 63n - 1n || value === -(2n ** 63n);

const isTensorInfo = ({ type }: ValueInfoProto): boolean => dtypeOf(type?.tensorType?.elemType) !== undefined;

/** A value's name, type and shape; a size that has neither number nor name gets one of its own. */
export function fromValueInfo(info: ValueInfoProto): ValueInfo {
  const name = info.name ?? "";
  const type = info.type?.tensorType;
  const dtype: DType | undefined = dtypeOf(type?.elemType);
  if (!dtype) {
    throw new FormatError({
      expected: `"${name}" to be a tensor of numbers`,
      received: type ? `data type ${type.elemType}` : "another type",
    });
  }
  // Some exporters write −1 for an open size, as frameworks do; some call every open size "?": as a name it would say that all are the same.
  const shape = type?.shape?.dim.map(({ dimValue = -1, dimParam = "" }, axis): Dimension => {
    if (dimValue >= 0) return dimValue;
    return ["", "?"].includes(dimParam) ? `${name}:${axis}` : dimParam;
  });
  return { name, dtype, shape };
}
