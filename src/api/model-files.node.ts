import { UserError } from "../core/errors.js";
import { readSafetensorsFile, writeSafetensorsFile } from "../formats/safetensors/file.node.js";
import type { Model } from "../nn/model.js";
import { decodeModel, encodeModel } from "../nn/model-file.js";

const extension = ".safetensors";

/**
 * Reads a model file (safetensors with our metadata).
 * @throws UserError for a missing or unreadable file, FormatError for one that is damaged or not a model.
 */
export async function loadModel(path: string): Promise<Model> {
  const { arrays, metadata } = await readSafetensorsFile(path);
  return decodeModel(arrays, metadata, path);
}

/**
 * Writes a model file, as a whole or not at all.
 * @param path ends in ".safetensors"
 * @throws UserError when it has another ending or cannot be written.
 */
export async function saveModel(model: Model, path: string): Promise<void> {
  checkModelPath(path);
  const { arrays, metadata } = encodeModel(model);
  await writeSafetensorsFile(path, arrays, metadata);
}

/** @throws UserError for a path that {@link saveModel} would not write, for those who work long before they save. */
export function checkModelPath(path: string): void {
  if (path.endsWith(extension)) return;
  throw new UserError({ expected: `a file name that ends in ${extension}`, received: path });
}
