import { FormatError } from "../core/errors.js";

/** Memory that a small file may take, however little it is itself. */
const floor = 48 * 2 ** 20;

/** Bytes of memory that parsed values cost in V8, roughly. */
export const memoryCost = {
  slot: 8,
  box: 16,
  string: 24,
  view: 120,
  list: 48,
  dictionary: 224,
  entry: 48,
  object: 600,
};

/**
 * Memory that a parser may take for what it makes of a file: about twice the file plus a constant. A file of millions of
 * empty objects, two bytes each, is refused before it fills the memory.
 */
export class MemoryBudget {
  #left: number;

  /** @param what names the file in messages: "the pickle" */
  constructor(
    fileBytes: number,
    readonly what: string,
  ) {
    this.#left = floor + 2 * fileBytes;
  }

  /** @throws FormatError when the file asks for more than its size is worth. */
  charge(bytes: number): void {
    this.#left -= bytes;
    if (this.#left < 0) {
      throw new FormatError({
        expected: `${this.what} to take memory in proportion to its size`,
        received: "millions of empty values",
      });
    }
  }
}
