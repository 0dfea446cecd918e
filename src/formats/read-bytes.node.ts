import { open } from "node:fs/promises";
import { explainFileError, noFile } from "./file-errors.node.js";

/** Largest part that one read call may fetch: above 2 GiB the system calls give less than asked. */
const partBytes = 2 ** 30;

/**
 * A whole file in memory, of any size that fits (unlike `fs.readFile`, which ends at 2 GiB).
 * @throws UserError when it cannot be read.
 */
export async function readFileBytes(path: string): Promise<Uint8Array> {
  try {
    const file = await open(path, "r");
    try {
      const stat = await file.stat();
      if (!stat.isFile()) throw noFile(path);
      const bytes = new Uint8Array(stat.size);
      let at = 0;
      while (at < bytes.length) {
        const { bytesRead } = await file.read(bytes, at, Math.min(partBytes, bytes.length - at), at);
        if (bytesRead === 0) break;
        at += bytesRead;
      }
      return bytes.subarray(0, at);
    } finally {
      await file.close();
    }
  } catch (error) {
    throw explainFileError("read", path, error);
  }
}
