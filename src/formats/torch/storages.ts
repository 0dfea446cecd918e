import { FormatError } from "../../core/errors.js";
import { quoted } from "../array-bytes.js";
import type { ByteSource } from "../byte-source.js";
import { describeValue, PickleGlobal, type PickleValue } from "./pickle-values.js";
import { type StorageSource, TorchStorage } from "./tensor.js";

/** Memory for copies of strided tensors that a file may ask for beyond its own size. */
const copyFloor = 32 * 2 ** 20;

/** The storages of one file. Bytes in memory that do not lie aligned are copied once a storage, whoever looks at it. */
export class StorageTable implements StorageSource {
  readonly #storages = new Map<string, ByteSource>();
  #allowance: number;

  /** @param find where a storage lies in the file; undefined when there is none of that key */
  constructor(
    readonly file: ByteSource,
    readonly find: (key: string) => { readonly start: number; readonly end: number } | undefined,
  ) {
    this.#allowance = file.size + copyFloor;
  }

  storage(key: string, length: number): ByteSource {
    const storage = this.#storages.get(key) ?? this.#locate(key);
    if (length > storage.size) {
      throw new FormatError({
        expected: `${length} bytes in the storage ${quoted(key)}`,
        received: `${storage.size}`,
        remedy: "the file is cut short or damaged; fetch it again",
      });
    }
    return storage;
  }

  allow(bytes: number): void {
    this.#allowance -= bytes;
    if (this.#allowance < 0) {
      throw new FormatError({ expected: "strided tensors about as large as the file", received: "far larger ones" });
    }
  }

  /**
   * The storage that a persistent id stands for: `("storage", class, key, location, length, …)`.
   * @returns the storage, and what follows the length (the legacy format's view, or nothing)
   */
  fromPersistentId(id: PickleValue): { storage: TorchStorage; rest: readonly PickleValue[] } {
    const [kind, type, key, , length, ...rest] = Array.isArray(id) ? id : [];
    if (kind !== "storage" || !(type instanceof PickleGlobal) || typeof key !== "string") {
      throw new FormatError({ expected: "storages as the pickle's persistent ids", received: describeValue(id) });
    }
    if (!/^torch\.(cuda\.|storage\.)?\w*Storage$/.test(type.name)) {
      throw new FormatError({ expected: "a storage class of torch", received: quoted(type.name) });
    }
    if (typeof length !== "number" || !Number.isSafeInteger(length) || length < 0) {
      throw new FormatError({ expected: `the length of storage ${quoted(key)}`, received: describeValue(length) });
    }
    return { storage: new TorchStorage(this, key, type.name, length), rest };
  }

  #locate(key: string): ByteSource {
    const span = this.find(key);
    if (span === undefined) {
      throw new FormatError({ expected: `a storage ${quoted(key)} in the file`, received: "none of that name" });
    }
    const storage = this.file.slice(span.start, span.end);
    this.#storages.set(key, storage);
    return storage;
  }
}
