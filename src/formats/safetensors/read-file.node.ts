import { namingFile } from "../file-errors.node.js";
import { readFileBytes } from "../read-bytes.node.js";
import { readSafetensors, type Safetensors } from "./read.js";

/** Reads a safetensors file. @throws UserError or FormatError naming the file. */
export async function readSafetensorsFile(path: string): Promise<Safetensors> {
  const bytes = await readFileBytes(path);
  return namingFile(path, () => readSafetensors(bytes));
}
