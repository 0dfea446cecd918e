import { UserError } from "../core/errors.js";
import { foreignFile, foreignHeadBytes } from "../formats/foreign.js";
import { isLegacy, isZip } from "../formats/torch/container.js";

/** Containers that hold nets. */
export type Container = "safetensors" | "torch" | "onnx";

/** Bytes at the beginning of a file that are enough to tell. */
export const headBytes = foreignHeadBytes;

/**
 * The kind of a model file by its first bytes; its name decides nothing but which error a damaged file gets.
 * @param head the first {@link headBytes} bytes, or all where there are fewer
 * @param size of the whole file
 * @throws UserError when it is none of the kinds that we know.
 */
export function containerOf(head: Uint8Array, size: number, name: string): Container {
  const container = sniff(head, size);
  if (container) return container;
  const expected = "a model file: safetensors, a PyTorch checkpoint (.pth, .pt) or ONNX";
  const foreign = foreignFile(head, size);
  if (foreign) throw new UserError({ expected, received: `${name}, ${foreign.what}`, remedy: foreign.remedy });
  const named = byName(name);
  if (named) return named;
  throw new UserError({ expected, received: `${name}, other bytes`, remedy: "export the net to one of these" });
}

/** The kind that the first bytes show. @param size of the whole file */
export function sniff(head: Uint8Array, size: number): Container | undefined {
  if (isZip(head) || isLegacy(head)) return "torch";
  if (isSafetensors(head, size)) return "safetensors";
  // An ONNX model begins with its IR version: protobuf field 1, a small number.
  if (head[0] === 0x08 && head[1]! >= 1 && head[1]! <= 32) return "onnx";
  return undefined;
}

/** Length of the header, then JSON. */
function isSafetensors(head: Uint8Array, size: number): boolean {
  if (head.length < 9 || head[8] !== 0x7b) return false;
  return new DataView(head.buffer, head.byteOffset).getBigUint64(0, true) <= BigInt(size);
}

/** For files that are damaged from their first byte on. */
function byName(path: string): Container | undefined {
  const ending = /\.([a-z]+)$/i.exec(path)?.[1]?.toLowerCase();
  if (ending === "onnx" || ending === "safetensors") return ending;
  return ending === "pth" || ending === "pt" ? "torch" : undefined;
}
