import { open } from "node:fs/promises";
import { UserError } from "../../core/errors.js";
import { quoted } from "../../formats/array-bytes.js";
import { explainFileError } from "../../formats/file-errors.node.js";
import { isLegacy } from "../../formats/torch/legacy.js";
import { isZip } from "../../formats/torch/zip-read.js";

/** Containers that hold nets. */
export type Container = "safetensors" | "torch" | "onnx";

const headBytes = 64;

/**
 * The kind of a model file by its first bytes; its name decides nothing but which error a damaged file gets.
 * @throws UserError when it cannot be read, or is none of the kinds that we know.
 */
export async function sniffFile(path: string): Promise<Container> {
  const { head, size } = await readHead(path);
  const container = sniff(head, size) ?? byName(path);
  if (container) return container;
  throw new UserError({
    expected: "a model file: safetensors, a PyTorch checkpoint (.pth, .pt) or ONNX",
    received: size === 0 ? `${path}, which is empty` : `${path}, ${describe(head)}`,
    remedy: "export the net to one of these",
  });
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

function describe(head: Uint8Array): string {
  const text = new TextDecoder("latin1").decode(head.subarray(0, 8));
  return /^[\x20-\x7e\s]+$/.test(text) ? `which begins with ${quoted(text)}` : "other bytes";
}

async function readHead(path: string): Promise<{ head: Uint8Array; size: number }> {
  try {
    const file = await open(path, "r");
    try {
      const stat = await file.stat();
      if (!stat.isFile()) throw new UserError({ expected: "a file", received: `${path}, which is not one` });
      const { buffer, bytesRead } = await file.read(new Uint8Array(headBytes), 0, headBytes, 0);
      return { head: buffer.subarray(0, bytesRead), size: stat.size };
    } finally {
      await file.close();
    }
  } catch (error) {
    throw explainFileError("read", path, error);
  }
}
