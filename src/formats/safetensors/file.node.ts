import type { NamedArrays } from "../../core/named-arrays.js";
import { writeFileAtomically } from "../atomic-write.node.js";
import { withContext } from "../error-context.js";
import { readFileBytes } from "../read-bytes.node.js";
import { readSafetensors, type Safetensors } from "./read.js";
import { safetensorsChunks } from "./write.js";

/** Reads a safetensors file. @throws UserError or FormatError naming the file. */
export async function readSafetensorsFile(path: string): Promise<Safetensors> {
  const bytes = await readFileBytes(path);
  return withContext(`in ${path}`, () => readSafetensors(bytes));
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
