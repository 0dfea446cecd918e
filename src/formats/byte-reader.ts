import { FormatError } from "../core/errors.js";

/** Reads little-endian numbers and runs of bytes one after another; never beyond the end. */
export class ByteReader {
  readonly #view: DataView;

  constructor(
    readonly bytes: Uint8Array,
    /** Position of the next byte. */
    public at = 0,
    /** What is read, for messages. */
    readonly what = "the file",
  ) {
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  /** The next `count` bytes, on the same memory. */
  take(count: number): Uint8Array {
    return this.bytes.subarray(this.#advance(count), this.at);
  }

  uint8(): number {
    return this.#view.getUint8(this.#advance(1));
  }

  uint16(): number {
    return this.#view.getUint16(this.#advance(2), true);
  }

  uint32(): number {
    return this.#view.getUint32(this.#advance(4), true);
  }

  int32(): number {
    return this.#view.getInt32(this.#advance(4), true);
  }

  /** @throws FormatError beyond 2⁵³: no size or offset is that large. */
  uint64(): number {
    const value = Number(this.#view.getBigUint64(this.#advance(8), true));
    if (value > Number.MAX_SAFE_INTEGER) {
      throw new FormatError({ expected: `a size below 2^53 in ${this.what}`, received: String(value) });
    }
    return value;
  }

  /** Big-endian float64, as pickles have it. */
  float64BigEndian(): number {
    return this.#view.getFloat64(this.#advance(8), false);
  }

  /** The bytes up to a newline, which is skipped. */
  line(): Uint8Array {
    const end = this.bytes.indexOf(0x0a, this.at);
    if (end < 0) throw this.#cut("a line");
    const line = this.bytes.subarray(this.at, end);
    this.at = end + 1;
    return line;
  }

  #advance(count: number): number {
    if (count > this.bytes.length - this.at) throw this.#cut(`${count} more bytes`);
    const start = this.at;
    this.at += count;
    return start;
  }

  #cut(expected: string): FormatError {
    return cutShort(expected, this.at, this.what, this.bytes.length - this.at);
  }
}

/** A file that ends `left` bytes after `at`, where `expected` should be. */
export function cutShort(expected: string, at: number, what: string, left: number): FormatError {
  return new FormatError({
    expected: `${expected} at byte ${at} of ${what}`,
    received: `the end after ${left}`,
    remedy: "the file is cut short or damaged; fetch it again",
  });
}
