import { readFile } from "node:fs/promises";
import { constants, gunzipSync } from "node:zlib";
import { FormatError } from "../core/errors.js";
import { unreadable } from "./decode.node.js";

/** deflate cannot pack more than this many bytes into one. */
const maxRatio = 1032;

/** The bytes of a file. @throws UserError where it cannot be read */
export async function readBytes(path: string, what: string): Promise<Uint8Array> {
  try {
    return await readFile(path);
  } catch (error) {
    throw unreadable(path, what, error);
  }
}

/**
 * A file's bytes, unpacked where they are gzip. What a packed file unpacks to is bounded by what its own header claims.
 * @param claimed the whole unpacked size that the first `headerBytes` unpacked bytes claim; may throw
 * @throws FormatError where the packed bytes are damaged or unpack to another size
 */
export async function readMaybeGzip(
  path: string,
  what: string,
  headerBytes: number,
  claimed: (header: Uint8Array) => number,
): Promise<Uint8Array> {
  const bytes = await readBytes(path, what);
  if (bytes[0] !== 0x1f || bytes[1] !== 0x8b) return bytes;
  try {
    const head = gunzipSync(bytes.subarray(0, 4096), { finishFlush: constants.Z_SYNC_FLUSH });
    const size = claimed(head.subarray(0, headerBytes));
    if (size > bytes.length * maxRatio) {
      throw new FormatError({
        expected: `at most ${bytes.length * maxRatio} bytes from a gzip file of ${bytes.length} bytes`,
        received: `${path}: a header that claims ${size}`,
      });
    }
    return gunzipSync(bytes, { maxOutputLength: Math.max(1, size) });
  } catch (error) {
    if (error instanceof FormatError) throw error;
    throw new FormatError(
      {
        expected: `${what} in a gzip file`,
        received: `${path}: ${(error as Error).message}`,
        remedy: "the file is damaged or cut off; get it again",
      },
      { cause: error },
    );
  }
}
