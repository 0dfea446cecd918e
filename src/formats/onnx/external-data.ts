import { FormatError } from "../../core/errors.js";
import { quoted } from "../array-bytes.js";
import type { AttributeProto, GraphProto, ModelProto, TensorProto } from "./proto.js";

/**
 * The files beside a model that hold data of its tensors, by their paths relative to it. Only paths that stay in the
 * model's folder are let through; whoever opens them must still refuse links that lead out.
 * @throws FormatError for any other path.
 */
export function externalFiles(model: ModelProto): string[] {
  const files = new Set<string>();
  mapTensors(model, (tensor) => {
    if (tensor.dataLocation === 1) files.add(location(tensor).path);
    return tensor;
  });
  return [...files];
}

/**
 * The model with the data of other files in its tensors.
 * @param read the bytes of a file that {@link externalFiles} names; tensors are views of them
 * @throws FormatError when a tensor's place is not in its file.
 */
export function withExternalData(model: ModelProto, read: (path: string) => Uint8Array): ModelProto {
  return mapTensors(model, (tensor) => {
    if (tensor.dataLocation !== 1) return tensor;
    const { path, offset, length } = location(tensor);
    const file = read(path);
    const end = length === undefined ? file.length : offset + length;
    if (offset > file.length || end > file.length) {
      throw new FormatError({
        expected: `tensor ${quoted(tensor.name ?? "")} within the ${file.length} bytes of ${quoted(path)}`,
        received: `bytes ${offset} to ${end}`,
      });
    }
    const { dataLocation: _, ...rest } = tensor;
    return { ...rest, externalData: [], rawData: file.subarray(offset, end) };
  });
}

function location(tensor: TensorProto): { path: string; offset: number; length: number | undefined } {
  const entries = new Map(tensor.externalData.map(({ key = "", value = "" }) => [key, value]));
  const what = `tensor ${quoted(tensor.name ?? "")}`;
  const path = entries.get("location") ?? "";
  const parts = path.split("/");
  if (path === "" || /[\\\0:]/.test(path) || parts.some((part) => part === "" || part === "." || part === "..")) {
    throw new FormatError({
      expected: `a file in the model's folder for the data of ${what}`,
      received: quoted(path),
      remedy: "do not use this model unless you know who made it",
    });
  }
  const number = (key: string): number | undefined => {
    const text = entries.get(key);
    if (text === undefined) return undefined;
    const value = /^\d{1,16}$/.test(text) ? Number(text) : Number.NaN;
    if (!Number.isSafeInteger(value)) {
      throw new FormatError({ expected: `a whole number as ${key} of ${what}`, received: quoted(text) });
    }
    return value;
  };
  return { path, offset: number("offset") ?? 0, length: number("length") };
}

/** Copies a model with every tensor, also those in attributes and inner graphs, passed through `change`. */
function mapTensors(model: ModelProto, change: (tensor: TensorProto) => TensorProto): ModelProto {
  const inAttribute = (attribute: AttributeProto): AttributeProto => ({
    ...attribute,
    ...(attribute.t && { t: change(attribute.t) }),
    ...(attribute.g && { g: inGraph(attribute.g) }),
    tensors: attribute.tensors.map(change),
    graphs: attribute.graphs.map(inGraph),
  });
  const inGraph = (graph: GraphProto): GraphProto => ({
    ...graph,
    node: graph.node.map((node) => ({ ...node, attribute: node.attribute.map(inAttribute) })),
    initializer: graph.initializer.map(change),
  });
  return model.graph ? { ...model, graph: inGraph(model.graph) } : model;
}
