import type { NamedArrays } from "../../core/named-arrays.js";
import { writeFileAtomically } from "../atomic-write.node.js";
import type { ByteSource } from "../byte-source.js";
import { withContext } from "../error-context.js";
import { readFileBytes } from "../read-bytes.node.js";
import { readSafetensors, type Safetensors } from "./read.js";
import { safetensorsChunks } from "./write.js";

/**
 * Reads a safetensors file.
 * @param source the file's bytes, where it is open already. Default: it is read into memory as a whole.
 * @throws UserError or FormatError naming the file.
 */
export async function readSafetensorsFile(path: string, source?: ByteSource): Promise<Safetensors> {
  const file = source ?? (await readFileBytes(path));
  return withContext(`in ${path}`, () => readSafetensors(file));
}

/** Writes a safetensors file, whole or not at all. @throws UserError when it cannot be written. */
export async function writeSafetensorsFile(
  path: string,
  arrays: NamedArrays,
  metadata: Readonly<Record<string, string>> = {},
): Promise<void> {
  await writeFileAtomically(
    path,
    safetensorsChunks(arrays, metadata, (name) => arrays.get(name)!),
  );
}
