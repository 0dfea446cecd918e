import { UserError } from "../core/errors.js";
import type { OnnxEnvelope } from "../graph/from-onnx.js";
import type { Graph } from "../graph/graph.js";

/** Since this operator set QuantizeLinear and DequantizeLinear have scales by channel. */
const least = 13;

/** Operators that operator sets 11 and 12 have as 13 has them, but for element types. */
const unchanged = new Set([
  ...["Add", "AveragePool", "BatchNormalization", "Clip", "Concat", "Conv", "ConvTranspose", "DepthToSpace", "Div"],
  ...["Flatten", "Gemm", "GlobalAveragePool", "GlobalMaxPool", "HardSigmoid", "Identity", "LeakyRelu", "MatMul"],
  ...["MaxPool", "Mul", "PRelu", "Pad", "Relu", "Reshape", "Resize", "Sigmoid", "Slice", "SpaceToDepth", "Sub"],
  ...["Tanh", "Transpose", "DequantizeLinear", "QuantizeLinear"],
]);

/**
 * What an ONNX file says beside its graph, in an operator set that has quantization by channel.
 * @throws UserError for an older file with operators that mean something else there
 */
export function withQuantizedEnvelope(envelope: OnnxEnvelope, { nodes }: Graph): OnnxEnvelope {
  const version = Number(
    envelope.opsetImport.find(({ domain = "" }) => domain === "" || domain === "ai.onnx")?.version ?? least,
  );
  if (version >= least) return envelope;
  const other = nodes.find(({ op, domain }) => domain === "" && !unchanged.has(op));
  if (version < 11 || other) {
    throw new UserError({
      expected: `an ONNX file of operator set ${least} or newer, which has scales by channel`,
      received: `operator set ${version}${other ? `, in which ${other.op} "${other.name}" is another` : ""}`,
      remedy: "export the net anew, or convert the file with onnx.version_converter",
    });
  }
  const opsetImport = envelope.opsetImport.map((entry) =>
    entry.domain === undefined || entry.domain === "" || entry.domain === "ai.onnx"
      ? { ...entry, version: least }
      : entry,
  );
  return { ...envelope, irVersion: Math.max(envelope.irVersion ?? 0, 7), opsetImport };
}
