import { FormatError } from "../../core/errors.js";
import { constructGlobal, refuseDangerous } from "./globals.js";
import { bigEndian, isLegacy, readLegacy } from "./legacy.js";
import { type PickleHost, unpickle } from "./pickle.js";
import type { PickleValue } from "./pickle-values.js";
import { StorageTable } from "./storages.js";
import { isZip, readStoredZip } from "./zip-read.js";

/**
 * Reads what `torch.save` wrote (`.pth`, `.pt`, `.ckpt`): the zip format (since PyTorch 1.6) and the legacy one before it.
 * Nothing of the file is run: see {@link unpickle}. Tensors are read when asked for ({@link TorchTensor.toArray}),
 * as views of `bytes` where they lie dense and aligned.
 * @returns the object that was saved; most often `findStateDict` is what follows.
 * @throws FormatError when the file is damaged, of another kind, or malicious.
 */
export function readTorch(bytes: Uint8Array): PickleValue {
  if (isZip(bytes)) return readZipCheckpoint(bytes);
  if (isLegacy(bytes)) return readLegacy(bytes);
  throw new FormatError({
    expected: "a PyTorch checkpoint (a zip archive, or a pickle with PyTorch's magic number)",
    received: "other bytes",
    remedy: "save it again with torch.save",
  });
}

function readZipCheckpoint(bytes: Uint8Array): PickleValue {
  const members = readStoredZip(bytes);
  const pickleName = [...members.keys()].find((name) => /^[^/]*\/data\.pkl$/.test(name));
  if (pickleName === undefined) {
    throw new FormatError({
      expected: "a PyTorch checkpoint, a zip archive with a data.pkl",
      received: `an archive of ${members.size} other members`,
    });
  }
  const root = pickleName.slice(0, -"data.pkl".length);
  if (members.has(`${root}constants.pkl`)) {
    throw new FormatError({
      expected: "a checkpoint with weights",
      received: "a TorchScript program",
      remedy: "save its weights: torch.save(torch.jit.load(FILE).state_dict(), NEW_FILE)",
    });
  }
  checkByteOrder(members.get(`${root}byteorder`));
  const storages = new StorageTable((key) => members.get(`${root}data/${key}`), bytes.length);
  const host: PickleHost = {
    checkGlobal: refuseDangerous,
    construct: constructGlobal,
    persistentLoad: (id) => storages.fromPersistentId(id).storage,
  };
  return unpickle(members.get(pickleName)!, 0, host).value;
}

function checkByteOrder(record: Uint8Array | undefined): void {
  if (record !== undefined && new TextDecoder().decode(record.subarray(0, 10)).trim() !== "little") throw bigEndian();
}
