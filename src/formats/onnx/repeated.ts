import { memoryCost as cost, type MemoryBudget } from "../memory-budget.js";
import type { Kind } from "./schema.js";

/** Collects the values of a repeated field. */
export interface List {
  push(value: unknown): void;
  finish(): unknown;
}

const typedArrays = {
  float: Float32Array,
  double: Float64Array,
  int32: Int32Array,
  int64: BigInt64Array,
  uint64: BigUint64Array,
} as const;

function typedArrayFor(kind: Kind): TypedArrayConstructor | undefined {
  if (typeof kind !== "string" || !Object.hasOwn(typedArrays, kind)) return undefined;
  return typedArrays[kind as keyof typeof typedArrays] as unknown as TypedArrayConstructor;
}

/** Absent repeated fields share one empty list of their kind. */
const empty = new Map<Kind | undefined, unknown>([[undefined, Object.freeze([])]]);
for (const [kind, make] of Object.entries(typedArrays)) empty.set(kind as Kind, new make(0));

export function emptyOf(kind: Kind): unknown {
  return empty.get(kind) ?? empty.get(undefined);
}

export function newList(kind: Kind, budget: MemoryBudget): List {
  const make = typedArrayFor(kind);
  if (make !== undefined) return new TypedList(make, budget);
  const values: unknown[] = [];
  return {
    push(value) {
      budget.charge(cost.slot);
      values.push(value);
    },
    finish: () => values,
  };
}

interface TypedArray {
  [index: number]: number | bigint;
  readonly length: number;
  readonly BYTES_PER_ELEMENT: number;
  set(from: ArrayLike<number | bigint>): void;
  slice(start: number, end: number): TypedArray;
}
type TypedArrayConstructor = new (length: number) => TypedArray;

/** Repeated numbers, whose count the wire does not tell beforehand. */
class TypedList implements List {
  #array: TypedArray;
  #length = 0;

  constructor(
    readonly make: TypedArrayConstructor,
    readonly budget: MemoryBudget,
  ) {
    this.#array = new make(4);
  }

  push(value: unknown): void {
    if (this.#length === this.#array.length) this.#grow();
    this.#array[this.#length++] = value as number | bigint;
  }

  finish(): TypedArray {
    return this.#array.slice(0, this.#length);
  }

  #grow(): void {
    const larger = new this.make(2 * this.#array.length);
    this.budget.charge(larger.length * larger.BYTES_PER_ELEMENT);
    larger.set(this.#array as ArrayLike<number | bigint>);
    this.#array = larger;
  }
}
