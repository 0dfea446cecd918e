import { withContext } from "../formats/error-context.js";
import { opsetVersion } from "../formats/onnx/model.js";
import type { ModelProto } from "../formats/onnx/proto.js";
import { fromOnnx } from "../graph/from-onnx.js";
import type { Net } from "./net.js";

/** The net in an ONNX model, external data read. @param name of the file, for errors */
export function onnxNet(name: string, proto: ModelProto): Net {
  const { graph, envelope } = withContext(`in ${name}`, () => fromOnnx(proto));
  const producer = [proto.producerName, proto.producerVersion].filter(Boolean).join(" ");
  const notes = [`ONNX operator set ${opsetVersion(proto)}${producer ? `, written by ${producer}` : ""}`];
  return { graph, envelope, source: { format: "onnx", notes } };
}
