import { open } from "node:fs/promises";
import { explainFileError, noFile } from "../formats/file-errors.node.js";
import { type Container, containerOf, headBytes } from "./sniff.js";

/** The kind of a model file: see {@link containerOf}. @throws UserError also when it cannot be read. */
export async function sniffFile(path: string): Promise<Container> {
  const { head, size } = await readHead(path);
  return containerOf(head, size, path);
}

async function readHead(path: string): Promise<{ head: Uint8Array; size: number }> {
  try {
    const file = await open(path, "r");
    try {
      const stat = await file.stat();
      if (!stat.isFile()) throw noFile(path);
      const { buffer, bytesRead } = await file.read(new Uint8Array(headBytes), 0, headBytes, 0);
      return { head: buffer.subarray(0, bytesRead), size: stat.size };
    } finally {
      await file.close();
    }
  } catch (error) {
    throw explainFileError("read", path, error);
  }
}
