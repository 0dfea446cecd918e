import { netContents, type SaveOptions } from "../exchange/encode-net.js";
import { type Net, netOf } from "../exchange/net.js";
import type { Container } from "../exchange/sniff.js";
import { onnxChunks } from "../formats/onnx/model.js";
import { safetensorsChunks } from "../formats/safetensors/write.js";
import { torchChunks } from "../formats/torch/write.js";
import type { Model } from "../nn/model.js";

/**
 * A net as a file, to be downloaded or stored: weights, structure, class names and preprocessing as far as the format holds them.
 * @throws UserError for a scheme or an operator set that does not fit, or weights beyond float16.
 */
export function netFile(source: Model | Net, format: Container, options: SaveOptions = {}): Blob {
  const net = "graph" in source ? source : netOf(source);
  const contents = netContents(net, format, `a file of format ${format}`, options);
  // A chunk is valid until the second one after it is asked for: each becomes a part of the Blob, which copies it, at once.
  const parts = Array.from(chunksOf(contents), (chunk) => new Blob([chunk as Uint8Array<ArrayBuffer>]));
  return new Blob(parts, { type: "application/octet-stream" });
}

function chunksOf(contents: ReturnType<typeof netContents>): Iterable<Uint8Array> {
  if (contents.container === "onnx") return onnxChunks(contents.model);
  const { arrays } = contents;
  if (contents.container === "torch") return torchChunks(arrays, (name) => arrays.get(name)!);
  return safetensorsChunks(arrays, contents.metadata, (name) => arrays.get(name)!);
}
