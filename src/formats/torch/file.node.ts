import { namingFile } from "../file-errors.node.js";
import { readFileBytes } from "../read-bytes.node.js";
import { readTorch } from "./read.js";
import { findStateDict, type StateDict } from "./state-dict.js";

/** Reads the weights of a `.pth` or `.pt` file. @throws UserError or FormatError naming the file. */
export async function readTorchFile(path: string, options: { readonly path?: string } = {}): Promise<StateDict> {
  const bytes = await readFileBytes(path);
  return namingFile(path, () => findStateDict(readTorch(bytes), options));
}
