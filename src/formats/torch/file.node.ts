import { crc32 } from "node:zlib";
import type { NamedArrays } from "../../core/named-arrays.js";
import { writeFileAtomically } from "../atomic-write.node.js";
import type { ByteSource } from "../byte-source.js";
import { withContext } from "../error-context.js";
import { readFileBytes } from "../read-bytes.node.js";
import { readTorch } from "./read.js";
import { findStateDict, type StateDict } from "./state-dict.js";
import { torchChunks } from "./write.js";

/**
 * Reads the weights of a `.pth` or `.pt` file.
 * @param source the file's bytes, where it is open already. Default: it is read into memory as a whole.
 * @throws UserError or FormatError naming the file.
 */
export async function readTorchFile(
  path: string,
  options: { readonly path?: string } = {},
  source?: ByteSource,
): Promise<StateDict> {
  const file = source ?? (await readFileBytes(path));
  return withContext(`in ${path}`, () => findStateDict(readTorch(file), options));
}

/** Writes a state dict as a `.pth` file, whole or not at all. @throws UserError when it cannot be written. */
export async function writeTorchFile(path: string, arrays: NamedArrays): Promise<void> {
  await writeFileAtomically(
    path,
    torchChunks(arrays, (name) => arrays.get(name)!, crc32),
  );
}
