import { closeSync, fstatSync, openSync, readSync, type Stats } from "node:fs";
import { deferredArray } from "../core/deferred-array.js";
import { UserError } from "../core/errors.js";
import { bytesPerElement, type DType, type NamedArray } from "../core/named-arrays.js";
import type { ByteSource } from "./byte-source.js";
import { explainFileError, noFile } from "./file-errors.node.js";

/** Above 2 GiB a system call reads less than asked. */
const partBytes = 2 ** 30;

/**
 * A file read where and when it is asked for. Its tensors are deferred arrays, usable until it is closed. Reading is synchronous:
 * the operating system has the file in its cache or is about to, and who asks cannot go on without.
 */
export class FileSource implements ByteSource {
  readonly #opened: Stats;

  private constructor(
    readonly path: string,
    readonly descriptor: number,
  ) {
    this.#opened = fstatSync(descriptor);
  }

  /** @throws UserError when it cannot be read. */
  static open(path: string): FileSource {
    let descriptor: number | undefined;
    try {
      descriptor = openSync(path, "r");
      const source = new FileSource(path, descriptor);
      if (source.#opened.isFile()) return source;
      throw noFile(path);
    } catch (error) {
      if (descriptor !== undefined) closeSync(descriptor);
      throw explainFileError("read", path, error);
    }
  }

  get size(): number {
    return this.#opened.size;
  }

  close(): void {
    closeSync(this.descriptor);
  }

  /** @throws UserError when the file was written to since it was opened: its parts would be of two files. */
  bytes(from: number, to: number): Uint8Array {
    const bytes = new Uint8Array(to - from);
    this.#read(bytes, from);
    return bytes;
  }

  array(dtype: DType, shape: readonly number[], from: number): NamedArray {
    const width = bytesPerElement[dtype];
    return deferredArray(dtype, shape, (target, first) => {
      this.#read(new Uint8Array(target.buffer, target.byteOffset, target.byteLength), from + first * width);
    });
  }

  slice(from: number, to: number): ByteSource {
    return {
      size: to - from,
      bytes: (first, last) => this.bytes(from + first, from + last),
      array: (dtype, shape, first) => this.array(dtype, shape, from + first),
      slice: (first, last) => this.slice(from + first, from + last),
    };
  }

  #read(target: Uint8Array, from: number): void {
    try {
      for (let at = 0, read = 1; at < target.length && read > 0; at += read) {
        read = readSync(this.descriptor, target, at, Math.min(partBytes, target.length - at), from + at);
      }
      this.#checkUnchanged();
    } catch (error) {
      throw explainFileError("read", this.path, error);
    }
  }

  #checkUnchanged(): void {
    const { size, mtimeMs } = fstatSync(this.descriptor);
    if (size === this.#opened.size && mtimeMs === this.#opened.mtimeMs) return;
    throw new UserError({
      expected: `${this.path} to stay as it is while it is read`,
      received: size < this.#opened.size ? "a shorter file than at first" : "a file that was written to meanwhile",
      remedy: "wait until it is complete, then try again",
    });
  }
}
