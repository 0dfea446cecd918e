import { FormatError } from "../../core/errors.js";
import { asSource, type ByteSource } from "../byte-source.js";
import { refuseForeign } from "../foreign.js";
import { type AttributeProto, attributeSchema, type ModelProto, modelSchema } from "./proto.js";
import type { Schema } from "./schema.js";
import { decodeMessage } from "./wire-read.js";
import { encodeMessage, maxMessageBytes } from "./wire-write.js";

/** Versions of ONNX's own operators that nets of ours are written in. Any version is read: each operator says which of its own it understands. */
export const supportedOpsets = { min: 7, max: 22 } as const;

/**
 * Reads an ONNX model. Names, attributes and small tensors are decoded, tensor bytes are views of the file's memory, or stay in the
 * file where it is not in memory; data in other files is left to {@link withExternalData}. Nothing is said yet about whether the graph makes sense.
 * @throws FormatError when the bytes are no ONNX model.
 */
export function readOnnx(file: Uint8Array | ByteSource): ModelProto {
  const source = asSource(file);
  refuseForeign(source, "an ONNX model");
  if (source.size > maxMessageBytes) {
    throw new FormatError({ expected: "an ONNX file of at most 2 GiB", received: `${source.size} bytes` });
  }
  const model = decodeMessage(modelSchema, source) as unknown as ModelProto;
  if (model.graph === undefined || model.opsetImport.length === 0) {
    throw new FormatError({
      expected: "an ONNX model with a graph and an operator set",
      received: model.graph === undefined ? "none" : "a graph without operator set",
    });
  }
  return model;
}

/**
 * An ONNX model as the chunks of a file; tensor bytes are passed through, those of deferred arrays are computed when their turn comes.
 * A chunk is valid until the second one after it is asked for.
 * @throws UserError beyond 2 GiB.
 */
export function onnxChunks(model: ModelProto): Iterable<Uint8Array> {
  return encodeMessage(modelSchema, model).chunks;
}

/** An ONNX model as one array of bytes. @throws UserError beyond 2 GiB. */
export function writeOnnx(model: ModelProto): Uint8Array {
  return wholeMessage(modelSchema, model);
}

/** One attribute as the bytes of its message: for parts of a graph that are kept but not interpreted. */
export function encodeAttribute(attribute: AttributeProto): Uint8Array {
  return wholeMessage(attributeSchema, attribute);
}

function wholeMessage(schema: Schema, record: object): Uint8Array {
  const { size, chunks } = encodeMessage(schema, record);
  const whole = new Uint8Array(size);
  let at = 0;
  for (const chunk of chunks) {
    whole.set(chunk, at);
    at += chunk.length;
  }
  return whole;
}

/** The other way round. @throws FormatError when the bytes are no attribute. */
export function decodeAttribute(bytes: Uint8Array): AttributeProto {
  return decodeMessage(attributeSchema, asSource(bytes)) as unknown as AttributeProto;
}

/**
 * Version of ONNX's own operators in a model.
 * @throws FormatError when nodes are of ONNX's own operators and the model does not say of which version.
 */
export function opsetVersion(model: ModelProto): number {
  const own = model.opsetImport.find(({ domain = "" }) => domain === "" || domain === "ai.onnx");
  if (own?.version !== undefined && own.version >= 1) return own.version;
  const asked = model.graph?.node.some(({ domain = "" }) => domain === "" || domain === "ai.onnx");
  if (own === undefined && !asked) return supportedOpsets.max;
  throw new FormatError({
    expected: "the version of ONNX's operator set (opset_import)",
    received: own === undefined ? "none of ONNX's own" : String(own.version),
    remedy: "export the model again, with opset_version=17",
  });
}
