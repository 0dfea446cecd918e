import type { NamedArrays } from "../../core/named-arrays.js";
import { writeFileAtomic } from "../atomic-write.node.js";
import { safetensorsChunks } from "./write.js";

/** Writes a safetensors file, whole or not at all. @throws UserError when it cannot be written. */
export async function writeSafetensorsFile(
  path: string,
  arrays: NamedArrays,
  metadata: Readonly<Record<string, string>> = {},
): Promise<void> {
  await writeFileAtomic(
    path,
    safetensorsChunks(arrays, metadata, (name) => arrays.get(name)!),
  );
}
