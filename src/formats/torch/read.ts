import { FormatError } from "../../core/errors.js";
import { quoted } from "../array-bytes.js";
import { asSource, type ByteSource } from "../byte-source.js";
import { refuseForeign } from "../foreign.js";
import { isLegacy, isZip } from "./container.js";
import { constructGlobal, refuseDangerous } from "./globals.js";
import { bigEndian, readLegacy } from "./legacy.js";
import { type PickleHost, unpickle } from "./pickle.js";
import type { PickleValue } from "./pickle-values.js";
import { StorageTable } from "./storages.js";
import { readZipDirectory, refuseCompressed, type ZipMemberSpan } from "./zip-read.js";

/**
 * Reads what `torch.save` wrote (`.pth`, `.pt`, `.ckpt`): the zip format (since PyTorch 1.6) and the legacy one before it.
 * Nothing of the file is run: see {@link unpickle}. Tensors are read when asked for ({@link TorchTensor.toArray}),
 * as views of the file where it is in memory and they lie dense and aligned, deferred where it is not.
 * @returns the object that was saved; most often `findStateDict` is what follows.
 * @throws FormatError when the file is damaged, of another kind, or malicious.
 */
export function readTorch(file: Uint8Array | ByteSource): PickleValue {
  const source = asSource(file);
  const head = source.bytes(0, Math.min(headBytes, source.size));
  if (isZip(head)) return readZipCheckpoint(source);
  if (isLegacy(head)) return readLegacy(source);
  const expected = "a PyTorch checkpoint (a zip archive, or a pickle with PyTorch's magic number)";
  refuseForeign(source, expected);
  throw new FormatError({
    expected,
    received: "other bytes",
    remedy: "save it again with torch.save",
  });
}

/** Enough to tell the formats apart. */
const headBytes = 64;

function readZipCheckpoint(file: ByteSource): PickleValue {
  const members = readZipDirectory(file);
  const names = [...members.keys()];
  const pickleName = names.find((name) => /^[^/]*\/data\.pkl$/.test(name));
  if (pickleName === undefined) throw notCheckpoint(names);
  const root = pickleName.slice(0, -"data.pkl".length);
  if (members.has(`${root}constants.pkl`) || names.some((name) => name.startsWith(`${root}code/`))) {
    throw new FormatError({
      expected: "a checkpoint with weights",
      received: "a TorchScript program (torch.jit.save)",
      remedy:
        "save its weights: torch.save(torch.jit.load(FILE, map_location='cpu').state_dict(), NEW_FILE), or export it to ONNX",
    });
  }
  const member = (name: string): ZipMemberSpan | undefined => {
    const found = members.get(`${root}${name}`);
    if (found) refuseCompressed(`${root}${name}`, found);
    return found;
  };
  const read = ({ start, end }: ZipMemberSpan): Uint8Array => file.bytes(start, end);
  const byteOrder = member("byteorder");
  if (byteOrder) checkByteOrder(read(byteOrder));
  const storages = new StorageTable(file, (key) => member(`data/${key}`));
  const host: PickleHost = {
    checkGlobal: refuseDangerous,
    construct: constructGlobal,
    persistentLoad: (id) => storages.fromPersistentId(id).storage,
  };
  return unpickle(read(member("data.pkl")!), 0, host).value;
}

/** Zip archives that other programs write, by what is in them. */
const archives: readonly (readonly [member: RegExp, what: string, remedy: string])[] = [
  [/\.npy$/, "a NumPy archive (.npz)", "save the weights with torch.save(model.state_dict(), FILE)"],
  [
    /(^|\/)(model\.weights\.h5|keras_metadata\.pb|saved_model\.pb)$/,
    "a Keras or TensorFlow model",
    "export it to ONNX",
  ],
  [
    /(^|\/)(serialized_exported_program\.json|models\/.*\.json|archive_format)$/,
    "a torch.export program (.pt2)",
    "export it to ONNX",
  ],
  [
    /(^|\/)(bytecode|mobile_debug_handles)\.pkl$/,
    "a program of PyTorch Mobile",
    "save the original's weights with torch.save(model.state_dict(), FILE)",
  ],
  [/\.(pth|pt|ckpt|onnx|safetensors)$/, "an archive with nets in it", "unzip it, and name the net"],
];

function notCheckpoint(names: readonly string[]): FormatError {
  const known = archives.find(([member]) => names.some((name) => member.test(name)));
  const shown = names.slice(0, 3).map(quoted).join(", ");
  return new FormatError({
    expected: "a PyTorch checkpoint, a zip archive with a data.pkl",
    received: known ? known[1] : `an archive of ${names.length} other members${shown ? ` (${shown}, …)` : ""}`,
    remedy: known ? known[2] : "save the weights with torch.save(model.state_dict(), FILE)",
  });
}

function checkByteOrder(record: Uint8Array): void {
  if (new TextDecoder().decode(record.subarray(0, 10)).trim() !== "little") throw bigEndian();
}
