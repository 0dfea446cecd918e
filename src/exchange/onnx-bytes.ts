import { UserError } from "../core/errors.js";
import { withContext } from "../formats/error-context.js";
import { externalFiles } from "../formats/onnx/external-data.js";
import { readOnnx } from "../formats/onnx/model.js";
import type { Net } from "./net.js";
import { onnxNet } from "./onnx-net.js";

/**
 * The net in the bytes of an ONNX file.
 * @param name of the file, for errors
 * @throws FormatError for a damaged file, UserError where its weights are in other files
 */
export function netOfOnnxBytes(bytes: Uint8Array, name: string): Net {
  const proto = withContext(`in ${name}`, () => readOnnx(bytes));
  const [other] = withContext(`in ${name}`, () => externalFiles(proto));
  if (other === undefined) return onnxNet(name, proto);
  throw new UserError({
    expected: "an ONNX model in one file",
    received: `${name}, whose weights are in ${other}`,
    remedy: "save it again with its data inside",
  });
}
