import { realpath } from "node:fs/promises";
import { dirname, join, relative, sep } from "node:path";
import { FormatError } from "../../core/errors.js";
import { writeFileAtomically } from "../atomic-write.node.js";
import type { ByteSource } from "../byte-source.js";
import { withContext } from "../error-context.js";
import { explainFileError } from "../file-errors.node.js";
import { foreignFile, foreignHeadBytes } from "../foreign.js";
import { readFileBytes } from "../read-bytes.node.js";
import { externalFiles, withExternalData } from "./external-data.js";
import { onnxChunks, readOnnx } from "./model.js";
import type { ModelProto } from "./proto.js";

/**
 * Reads an ONNX model with the data files beside it, which are read into memory.
 * @param source the file's bytes, where it is open already: tensors stay in it. Default: it is read into memory as a whole.
 * @throws UserError or FormatError naming the file.
 */
export async function readOnnxFile(path: string, source?: ByteSource): Promise<ModelProto> {
  const file = source ?? (await readFileBytes(path));
  const model = withContext(`in ${path}`, () => readOnnx(file));
  const data = new Map<string, Uint8Array>();
  for (const name of withContext(`in ${path}`, () => externalFiles(model))) {
    const bytes = await readFileBytes(await insideFolder(path, name));
    refusePointer(bytes, name, path);
    data.set(name, bytes);
  }
  return withContext(`in ${path}`, () => withExternalData(model, (name) => data.get(name)!));
}

/** Weights may look like anything, but not like a pointer or a page. @throws FormatError where that came in their place. */
function refusePointer(bytes: Uint8Array, name: string, modelPath: string): void {
  const foreign = foreignFile(bytes.subarray(0, foreignHeadBytes), bytes.length);
  if (!foreign || !/pointer|HTML|empty/.test(foreign.what)) return;
  throw new FormatError({
    expected: `the data of ${modelPath} in ${name}`,
    received: foreign.what,
    remedy: foreign.remedy,
  });
}

/** Writes an ONNX model, whole or not at all. @throws UserError when it cannot be written. */
export async function writeOnnxFile(path: string, model: ModelProto): Promise<void> {
  await writeFileAtomically(path, onnxChunks(model));
}

/** The real path of a data file. @throws FormatError when a link leads it out of the model's folder. */
async function insideFolder(modelPath: string, name: string): Promise<string> {
  const file = join(dirname(modelPath), name);
  try {
    const [folder, target] = await Promise.all([realpath(dirname(modelPath)), realpath(file)]);
    if (relative(folder, target).split(sep)[0] !== "..") return target;
  } catch (error) {
    throw explainFileError("read", file, error);
  }
  throw new FormatError({
    expected: `a data file in the folder of ${modelPath}`,
    received: `the link ${name}, which leads out of it`,
  });
}
