import { decodeAttribute } from "../formats/onnx/model.js";
import type { AttributeProto, ModelProto, NodeProto, ValueInfoProto } from "../formats/onnx/proto.js";
import { attributeType, dataType, emptyAttribute } from "../formats/onnx/proto.js";
import { arrayToTensor } from "../formats/onnx/tensor.js";
import type { OnnxEnvelope } from "./from-onnx.js";
import { fromValueInfo } from "./from-onnx.js";
import type { AttributeValue, Graph, GraphNode, ValueInfo } from "./graph.js";

/** What a graph of our own is wrapped in: IR version 8 and operator set 17, which runtimes since 2022 read. */
export const defaultEnvelope: OnnxEnvelope = {
  irVersion: 8,
  producerName: "repvgg",
  opsetImport: [{ domain: "", version: 17 }],
  metadataProps: [],
  graph: { input: [], output: [], valueInfo: [] },
};

/**
 * A graph as an ONNX model. With the envelope that `fromOnnx` gave, everything that the graph did not change is written as
 * it was read; descriptions of values that are gone are left out.
 */
export function toOnnx(graph: Graph, envelope: OnnxEnvelope = defaultEnvelope): ModelProto {
  const { graph: described, ...model } = envelope;
  const written = new Set(graph.nodes.flatMap(({ outputs }) => outputs));
  const known = new Map([...described.input, ...described.output].map((info) => [info.name ?? "", info]));
  // Since IR version 4, an input that is also an initializer has a default that the caller may override.
  const overridable = (model.irVersion ?? 0) >= 4;
  const defaults = described.input.filter(
    ({ name = "" }) => overridable && graph.initializers.has(name) && !graph.inputs.some((info) => info.name === name),
  );
  return {
    ...model,
    irVersion: Math.max(model.irVersion ?? 0, 4), // from 4 on, initializers need not be inputs
    graph: {
      ...described,
      name: graph.name || "graph", // ONNX requires one
      node: graph.nodes.map(toNode),
      initializer: [...graph.initializers].map(([name, array]) => arrayToTensor(name, array)),
      input: [...graph.inputs.map((info) => unchanged(known.get(info.name), info) ?? toValueInfo(info)), ...defaults],
      output: graph.outputs.map((info) => unchanged(known.get(info.name), info) ?? toValueInfo(info)),
      valueInfo: described.valueInfo.filter(({ name }) => written.has(name ?? "")),
    },
  };
}

function toNode({ name, op, domain, inputs, outputs, attributes }: GraphNode): NodeProto {
  return {
    name,
    opType: op,
    ...(domain !== "" && { domain }),
    input: inputs,
    output: outputs,
    attribute: Object.entries(attributes).map(([key, value]) => toAttribute(key, value)),
  };
}

const utf8 = new TextEncoder();

/** 2⁶³ is how int64's largest number reads as a float64. */
const toInt64 = (value: number): bigint => (value >= 2 ** 63 ? 2n ** 63n - 1n : BigInt(value));

function toAttribute(name: string, value: AttributeValue): AttributeProto {
  switch (value.type) {
    case "float":
      return { ...emptyAttribute, name, type: attributeType.float, f: value.value };
    case "int":
      return { ...emptyAttribute, name, type: attributeType.int, i: toInt64(value.value) };
    case "string":
      return { ...emptyAttribute, name, type: attributeType.string, s: utf8.encode(value.value) };
    case "floats":
      return { ...emptyAttribute, name, type: attributeType.floats, floats: Float32Array.from(value.value) };
    case "ints":
      return { ...emptyAttribute, name, type: attributeType.ints, ints: BigInt64Array.from(value.value, toInt64) };
    case "strings":
      return { ...emptyAttribute, name, type: attributeType.strings, strings: value.value.map((s) => utf8.encode(s)) };
    case "tensor":
      return { ...emptyAttribute, name, type: attributeType.tensor, t: arrayToTensor("", value.value) };
    case "opaque":
      return decodeAttribute(value.bytes);
  }
}

/** The description as it was read, where the graph still says the same. */
function unchanged(info: ValueInfoProto | undefined, value: ValueInfo): ValueInfoProto | undefined {
  if (!info) return undefined;
  const read = fromValueInfo(info);
  const same = read.dtype === value.dtype && JSON.stringify(read.shape) === JSON.stringify(value.shape);
  return same ? info : undefined;
}

function toValueInfo({ name, dtype, shape }: ValueInfo): ValueInfoProto {
  const dim = shape?.map((size) => (typeof size === "number" ? { dimValue: size } : { dimParam: size }));
  return { name, type: { tensorType: { elemType: dataType[dtype], ...(dim && { shape: { dim } }) } } };
}
