import { FormatError } from "../../core/errors.js";
import { concatenate } from "../array-bytes.js";
import { type AttributeProto, attributeSchema, type ModelProto, modelSchema } from "./proto.js";
import { decodeMessage } from "./wire-read.js";
import { encodeMessage, maxMessageBytes } from "./wire-write.js";

/** Versions of ONNX's own operators that this package understands. */
export const supportedOpsets = { min: 7, max: 22 } as const;

/**
 * Reads an ONNX model. Names, attributes and small tensors are decoded, tensor bytes are views of `bytes`; data in other
 * files is left to {@link withExternalData}. Nothing is said yet about whether the graph makes sense.
 * @throws FormatError when the bytes are no ONNX model.
 */
export function readOnnx(bytes: Uint8Array): ModelProto {
  if (bytes.length > maxMessageBytes) {
    throw new FormatError({ expected: "an ONNX file of at most 2 GiB", received: `${bytes.length} bytes` });
  }
  const model = decodeMessage(modelSchema, bytes) as unknown as ModelProto;
  if (model.graph === undefined || model.opsetImport.length === 0) {
    throw new FormatError({
      expected: "an ONNX model with a graph and an operator set",
      received: model.graph === undefined ? "none" : "a graph without operator set",
    });
  }
  return model;
}

/** An ONNX model as the chunks of a file; tensor bytes are passed through. @throws UserError beyond 2 GiB. */
export function onnxChunks(model: ModelProto): Uint8Array[] {
  return encodeMessage(modelSchema, model);
}

/** An ONNX model as one array of bytes. @throws UserError beyond 2 GiB. */
export function writeOnnx(model: ModelProto): Uint8Array {
  return concatenate(onnxChunks(model));
}

/** One attribute as the bytes of its message: for parts of a graph that are kept but not interpreted. */
export function encodeAttribute(attribute: AttributeProto): Uint8Array {
  return concatenate(encodeMessage(attributeSchema, attribute));
}

/** The other way round. @throws FormatError when the bytes are no attribute. */
export function decodeAttribute(bytes: Uint8Array): AttributeProto {
  return decodeMessage(attributeSchema, bytes) as unknown as AttributeProto;
}

/**
 * Version of ONNX's own operators in a model.
 * @throws FormatError when it is not one of {@link supportedOpsets}.
 */
export function opsetVersion(model: ModelProto): number {
  const own = model.opsetImport.find(({ domain = "" }) => domain === "" || domain === "ai.onnx");
  const version = own?.version ?? 0;
  if (version < supportedOpsets.min || version > supportedOpsets.max) {
    throw new FormatError({
      expected: `operator set ${supportedOpsets.min} to ${supportedOpsets.max}`,
      received: own === undefined ? "none of ONNX's own" : String(version),
      remedy: "convert the model with onnx.version_converter, or export it with opset_version=17",
    });
  }
  return version;
}
