import { UserError } from "../core/errors.js";
import { decodeFacts, isModelFile, type ModelFacts } from "../nn/model-file.js";
import type { Net } from "./net.js";

/** What is known of a net's classes and pictures: of a model, or of an ONNX file of ours, whose metadata says it. */
export function modelFacts({ model, envelope }: Net): ModelFacts | undefined {
  if (model) return { architecture: model.architecture, ...model.metadata };
  const metadata = Object.fromEntries((envelope?.metadataProps ?? []).map(({ key = "", value = "" }) => [key, value]));
  if (!isModelFile(metadata)) return undefined;
  try {
    return decodeFacts(metadata, "the file");
  } catch (error) {
    // Others may have changed it: then the file is one of theirs.
    if (error instanceof UserError) return undefined;
    throw error;
  }
}
