import { FormatError } from "../../core/errors.js";
import { quoted } from "../array-bytes.js";
import { type MemoryBudget, memoryCost } from "../memory-budget.js";

/** One tensor as the header states it; nothing is checked against the file yet. */
export interface TensorEntry {
  readonly name: string;
  readonly dtype: string;
  readonly shape: readonly number[];
  /** First byte, and the byte after the last, counted from the end of the header. */
  readonly begin: number;
  readonly end: number;
}

export interface Header {
  /** In the order of the file. */
  readonly tensors: readonly TensorEntry[];
  readonly metadata: Readonly<Record<string, string>>;
}

/**
 * Parses the JSON of a safetensors header. A parser of exactly this grammar, not `JSON.parse`: it sees duplicate keys,
 * and its depth is fixed, so that nested brackets cannot exhaust the stack.
 * @throws FormatError naming what stands where.
 */
export function parseHeader(text: string, budget: MemoryBudget): Header {
  const scanner = new Scanner(text, budget);
  const tensors: TensorEntry[] = [];
  let metadata: Record<string, string> = {};
  scanner.object((name) => {
    if (name === "__metadata__") metadata = readMetadata(scanner);
    else tensors.push(readTensor(scanner, name));
  });
  scanner.end();
  return { tensors, metadata };
}

function readMetadata(scanner: Scanner): Record<string, string> {
  const entries: [string, string][] = [];
  scanner.object((key) => entries.push([key, scanner.string()]));
  return Object.fromEntries(entries); // fromEntries defines properties: a key "__proto__" is only a key
}

function readTensor(scanner: Scanner, name: string): TensorEntry {
  let dtype: string | undefined;
  let shape: number[] | undefined;
  let offsets: number[] | undefined;
  scanner.object((key) => {
    if (key === "dtype") dtype = scanner.string();
    else if (key === "shape") shape = scanner.integers();
    else if (key === "data_offsets") offsets = scanner.integers();
    else throw scanner.error(`only dtype, shape and data_offsets for tensor ${quoted(name)}`, `the key ${quoted(key)}`);
  });
  if (dtype === undefined || shape === undefined || offsets?.length !== 2) {
    throw scanner.error(`dtype, shape and two data_offsets for tensor ${quoted(name)}`, "an entry without them");
  }
  return { name, dtype, shape, begin: offsets[0]!, end: offsets[1]! };
}

class Scanner {
  #at = 0;

  constructor(
    readonly text: string,
    readonly budget: MemoryBudget,
  ) {}

  error(expected: string, received: string): FormatError {
    return new FormatError({ expected, received: `${received} at character ${this.#at} of the safetensors header` });
  }

  /** An object whose values `member` reads. */
  object(member: (key: string) => void): void {
    const seen = new Set<string>();
    this.budget.charge(memoryCost.dictionary);
    this.#take("{");
    if (this.#takeIf("}")) return;
    do {
      const key = this.string();
      if (seen.has(key)) throw this.error("every key once", `a second ${quoted(key)}`);
      seen.add(key);
      this.#take(":");
      member(key);
    } while (this.#takeIf(","));
    this.#take("}");
  }

  string(): string {
    this.#take('"');
    const start = this.#at;
    let escaped = false;
    for (; ; this.#at++) {
      const code = this.text.charCodeAt(this.#at);
      if (code === 0x22) break;
      if (code === 0x5c) {
        escaped = true;
        this.#at++;
      } else if (!(code >= 0x20)) {
        throw this.error("a string to end with a quote", Number.isNaN(code) ? "the end" : "a control character");
      }
    }
    const inner = this.text.slice(start, this.#at++);
    this.budget.charge(memoryCost.entry + memoryCost.string + inner.length);
    if (!escaped) return inner;
    try {
      return JSON.parse(`"${inner}"`) as string;
    } catch {
      throw this.error("valid escapes in a string", quoted(inner));
    }
  }

  /** An array of whole numbers from 0 to 2⁵³ − 1. */
  integers(): number[] {
    const values: number[] = [];
    this.#take("[");
    if (this.#takeIf("]")) return values;
    this.budget.charge(memoryCost.list);
    do {
      this.budget.charge(memoryCost.slot);
      values.push(this.#integer());
    } while (this.#takeIf(","));
    this.#take("]");
    return values;
  }

  end(): void {
    this.#skipSpace();
    if (this.#at < this.text.length) throw this.error("nothing but spaces after the header's object", this.#here());
  }

  #integer(): number {
    this.#skipSpace();
    const start = this.#at;
    while (isDigit(this.text.charCodeAt(this.#at))) this.#at++;
    const digits = this.text.slice(start, this.#at);
    const value = Number(digits);
    if (digits === "" || (digits.length > 1 && digits[0] === "0") || !Number.isSafeInteger(value)) {
      throw this.error("a whole number from 0 to 2^53 - 1", digits === "" ? this.#here() : quoted(digits));
    }
    return value;
  }

  #take(character: string): void {
    if (!this.#takeIf(character)) throw this.error(`"${character}"`, this.#here());
  }

  #takeIf(character: string): boolean {
    this.#skipSpace();
    if (this.text[this.#at] !== character) return false;
    this.#at++;
    return true;
  }

  #skipSpace(): void {
    while (isSpace(this.text.charCodeAt(this.#at))) this.#at++;
  }

  #here(): string {
    return this.#at < this.text.length ? quoted(this.text[this.#at]!) : "the end";
  }
}

function isDigit(code: number): boolean {
  return code >= 0x30 && code <= 0x39;
}

function isSpace(code: number): boolean {
  return code === 0x20 || code === 0x0a || code === 0x0d || code === 0x09;
}
