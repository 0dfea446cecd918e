import { FormatError } from "../../core/errors.js";
import { bytesPerElement } from "../../core/named-arrays.js";
import { quoted } from "../array-bytes.js";
import { ByteReader } from "../byte-reader.js";
import type { ByteSource } from "../byte-source.js";
import { constructGlobal, refuseDangerous } from "./globals.js";
import { type PickleHost, unpickle } from "./pickle.js";
import { describeValue, type PickleValue } from "./pickle-values.js";
import { StorageTable } from "./storages.js";
import type { TorchStorage } from "./tensor.js";

const protocolVersion = 1001;

/**
 * Reads PyTorch's format before 1.6 (still written with `_use_new_zipfile_serialization=False`): five pickles one after
 * another (magic number, version, system, object, storage keys), then each storage as its length and its elements.
 * @throws FormatError when the file is damaged or malicious.
 */
export function readLegacy(file: ByteSource): PickleValue {
  // Where the pickles end is known only when they are read.
  const bytes = file.bytes(0, file.size);
  const found = new Map<string, { readonly start: number; readonly end: number }>();
  const storages = new StorageTable(file, (key) => found.get(key));
  /** The first mention of each key; its class tells how long the elements are. */
  const mentioned = new Map<string, TorchStorage>();
  const host: PickleHost = {
    checkGlobal: refuseDangerous,
    construct: constructGlobal,
    persistentLoad(id) {
      // A class of a model that was saved as a whole, with its source code: ("module", class, file, code).
      if (Array.isArray(id) && id[0] === "module") return id[1] ?? null;
      const { storage, rest } = storages.fromPersistentId(id);
      if (!mentioned.has(storage.key)) mentioned.set(storage.key, storage);
      if (rest[0] !== undefined && rest[0] !== null) throw storageView(storage.key);
      return storage;
    },
  };
  const first = unpickle(bytes, 0, host);
  const version = unpickle(bytes, first.end, host);
  if (version.value !== protocolVersion) {
    throw new FormatError({
      expected: `version ${protocolVersion} of the format`,
      received: describeValue(version.value),
    });
  }
  const system = unpickle(bytes, version.end, host);
  if (system.value instanceof Map && system.value.get("little_endian") === false) throw bigEndian();
  const object = unpickle(bytes, system.end, host);
  const keys = unpickle(bytes, object.end, host);
  if (!Array.isArray(keys.value)) {
    throw new FormatError({ expected: "a list of storage keys", received: describeValue(keys.value) });
  }
  const reader = new ByteReader(bytes, keys.end, "the storages");
  for (const key of keys.value) {
    const storage = typeof key === "string" ? mentioned.get(key) : undefined;
    if (storage === undefined || found.has(storage.key)) {
      throw new FormatError({ expected: "the keys of the storages, each once", received: describeKey(key) });
    }
    found.set(storage.key, passStorage(reader, storage));
  }
  return object.value;
}

export function bigEndian(): FormatError {
  return new FormatError({
    expected: "a checkpoint of a little-endian machine",
    received: "a big-endian one",
    remedy: "load and save it again with PyTorch on a usual machine",
  });
}

function passStorage(
  reader: ByteReader,
  { key, typeName, dtype }: TorchStorage,
): { readonly start: number; readonly end: number } {
  if (dtype === undefined) {
    // Its elements' width is unknown, so that nothing after it could be found.
    throw new FormatError({
      expected: `storage ${quoted(key)} of floats of 16, 32 or 64 bits, whole numbers or booleans`,
      received: typeName,
      remedy: "convert the checkpoint to float32 with PyTorch",
    });
  }
  const length = reader.uint64() * bytesPerElement[dtype];
  const start = reader.at;
  reader.take(length);
  return { start, end: reader.at };
}

function storageView(key: string): FormatError {
  return new FormatError({
    expected: `storage ${quoted(key)} that stands for itself`,
    received: "a view of another storage, as PyTorch 0.1 wrote it",
    remedy: "load and save the checkpoint again with PyTorch",
  });
}

function describeKey(key: PickleValue): string {
  return typeof key === "string" ? quoted(key) : describeValue(key);
}
