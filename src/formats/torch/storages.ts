import { FormatError } from "../../core/errors.js";
import { quoted } from "../array-bytes.js";
import { describeValue, PickleGlobal, type PickleValue } from "./pickle-values.js";
import { type StorageSource, TorchStorage } from "./tensor.js";

/** Memory for copies of strided tensors that a file may ask for beyond its own size. */
const copyFloor = 32 * 2 ** 20;

/** The storages of one file. Bytes that do not lie aligned are copied once a storage, whoever looks at it. */
export class StorageTable implements StorageSource {
  readonly #aligned = new Map<string, Uint8Array>();
  #allowance: number;

  /** @param find the bytes of a storage in the file; undefined when there is none of that key */
  constructor(
    readonly find: (key: string) => Uint8Array | undefined,
    fileBytes: number,
  ) {
    this.#allowance = fileBytes + copyFloor;
  }

  storageBytes(key: string, length: number): Uint8Array {
    const bytes = this.#aligned.get(key) ?? this.#align(key);
    if (length > bytes.length) {
      throw new FormatError({
        expected: `${length} bytes in the storage ${quoted(key)}`,
        received: `${bytes.length}`,
        remedy: "the file is cut short or damaged; fetch it again",
      });
    }
    return bytes;
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

  #align(key: string): Uint8Array {
    const found = this.find(key);
    if (found === undefined) {
      throw new FormatError({ expected: `a storage ${quoted(key)} in the file`, received: "none of that name" });
    }
    const bytes = found.byteOffset % 8 === 0 ? found : found.slice();
    this.#aligned.set(key, bytes);
    return bytes;
  }
}
