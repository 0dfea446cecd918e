import { FormatError } from "../../core/errors.js";
import { asSource, type ByteSource } from "../byte-source.js";
import { isLegacy, isZip } from "./container.js";
import { constructGlobal, refuseDangerous } from "./globals.js";
import { bigEndian, readLegacy } from "./legacy.js";
import { type PickleHost, unpickle } from "./pickle.js";
import type { PickleValue } from "./pickle-values.js";
import { StorageTable } from "./storages.js";
import { readStoredZip, type ZipMemberSpan } from "./zip-read.js";

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
  throw new FormatError({
    expected: "a PyTorch checkpoint (a zip archive, or a pickle with PyTorch's magic number)",
    received: "other bytes",
    remedy: "save it again with torch.save",
  });
}

/** Enough to tell the formats apart. */
const headBytes = 64;

function readZipCheckpoint(file: ByteSource): PickleValue {
  const members = readStoredZip(file);
  const read = ({ start, end }: ZipMemberSpan): Uint8Array => file.bytes(start, end);
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
  const byteOrder = members.get(`${root}byteorder`);
  if (byteOrder) checkByteOrder(read(byteOrder));
  const storages = new StorageTable(file, (key) => members.get(`${root}data/${key}`));
  const host: PickleHost = {
    checkGlobal: refuseDangerous,
    construct: constructGlobal,
    persistentLoad: (id) => storages.fromPersistentId(id).storage,
  };
  return unpickle(read(members.get(pickleName)!), 0, host).value;
}

function checkByteOrder(record: Uint8Array): void {
  if (new TextDecoder().decode(record.subarray(0, 10)).trim() !== "little") throw bigEndian();
}
