import type { TorchStorage, TorchTensor } from "./tensor.js";

/**
 * What a pickle holds, as data. Dictionaries are Maps (their keys may be anything), lists and tuples arrays,
 * Python's int a number or, beyond 2⁵³, a bigint. May share parts and may contain itself.
 */
export type PickleValue =
  | null
  | boolean
  | number
  | bigint
  | string
  | Uint8Array
  | PickleValue[]
  | Map<PickleValue, PickleValue>
  | Set<PickleValue>
  | PickleGlobal
  | PickleObject
  | TorchStorage
  | TorchTensor;

/** A Python class or function by name, as `torch.float32`: only the name, nothing that could be called. */
export class PickleGlobal {
  constructor(readonly name: string) {}
}

/** An object of a class that we do not know: what the pickle would have built it from. Inert. */
export class PickleObject {
  /** Argument of `__setstate__`, most often the object's attributes by name. */
  state: PickleValue | undefined;
  /** Entries that the pickle sets on it, when the class is a kind of dict. */
  readonly entries: Map<PickleValue, PickleValue> = new Map();
  /** Elements that the pickle appends to it, when the class is a kind of list or set. */
  readonly elements: PickleValue[] = [];

  constructor(
    /** The class, or the function that would have been called. */
    readonly global: string,
    readonly args: readonly PickleValue[],
  ) {}
}

/** A short description for messages: `a list`, `an object of argparse.Namespace`. */
export function describeValue(value: PickleValue | undefined): string {
  if (value === null || value === undefined) return "None";
  if (value instanceof PickleObject) return `an object of ${value.global}`;
  if (value instanceof PickleGlobal) return `the name ${value.name}`;
  if (value instanceof Map) return "a dictionary";
  if (value instanceof Set) return "a set";
  if (value instanceof Uint8Array) return "bytes";
  if (Array.isArray(value)) return "a list or tuple";
  if (typeof value === "object") return value.describe();
  return `a ${typeof value}`;
}
