import { FormatError } from "../../core/errors.js";
import { ByteReader } from "../byte-reader.js";
import { memoryCost as cost, MemoryBudget } from "../memory-budget.js";
import * as op from "./pickle-opcodes.js";
import { describeValue, PickleGlobal, PickleObject, type PickleValue } from "./pickle-values.js";

/** What the machine does not decide itself. Nothing of it may run anything of the pickle's. */
export interface PickleHost {
  /** Called for each name before it is used. @throws FormatError to refuse it. */
  checkGlobal(name: string): void;
  /**
   * The value of `global(*args)`, where the host knows the global; undefined makes an inert {@link PickleObject}.
   * What takes memory in proportion to its arguments must ask for it by `charge`.
   */
  construct(global: string, args: readonly PickleValue[], charge: (bytes: number) => void): PickleValue | undefined;
  /** The object that a persistent id stands for. */
  persistentLoad(id: PickleValue): PickleValue;
}

/** Integers of more bytes are no counts, offsets or seeds. */
const maxLongBytes = 256;

/** Names of modules, classes and functions are not longer. */
const maxNameBytes = 1000;

/**
 * Reads one pickle (protocols 2 to 5; Python's pickletools documents the opcodes) without running anything: globals are
 * names, and calls give inert records unless the host knows better. Nesting costs no stack; memory is limited to about
 * twice the pickle plus a constant.
 * @returns the value, and the position after the pickle
 * @throws FormatError when the bytes are no such pickle, or the host refuses.
 */
export function unpickle(bytes: Uint8Array, start: number, host: PickleHost): { value: PickleValue; end: number } {
  const machine = new PickleMachine(new ByteReader(bytes, start, "the pickle"), host);
  return { value: machine.run(), end: machine.reader.at };
}

class PickleMachine {
  readonly #stack: PickleValue[] = [];
  /** Stack height at each open MARK. */
  readonly #marks: number[] = [];
  readonly #memo = new Map<number, PickleValue>();
  readonly #budget: MemoryBudget;

  constructor(
    readonly reader: ByteReader,
    readonly host: PickleHost,
  ) {
    this.#budget = new MemoryBudget(reader.bytes.length - reader.at, reader.what);
  }

  run(): PickleValue {
    for (;;) {
      const opcode = this.reader.uint8();
      if (opcode === op.STOP) return this.#pop();
      this.#execute(opcode);
    }
  }

  #execute(opcode: number): void {
    const { reader } = this;
    switch (opcode) {
      case op.PROTO:
        this.#checkProtocol(reader.uint8());
        break;
      case op.FRAME:
        reader.take(8); // frames only group reads
        break;

      case op.NONE:
        this.#push(null);
        break;
      case op.NEWTRUE:
        this.#push(true);
        break;
      case op.NEWFALSE:
        this.#push(false);
        break;
      case op.BININT:
        this.#push(reader.int32());
        break;
      case op.BININT1:
        this.#push(reader.uint8());
        break;
      case op.BININT2:
        this.#push(reader.uint16());
        break;
      case op.LONG1:
        this.#pushLong(reader.uint8());
        break;
      case op.LONG4:
        this.#pushLong(reader.uint32());
        break;
      case op.BINFLOAT:
        this.#push(reader.float64BigEndian(), cost.box);
        break;

      case op.SHORT_BINUNICODE:
      case op.SHORT_BINSTRING:
        this.#pushText(reader.uint8());
        break;
      case op.BINUNICODE:
      case op.BINSTRING:
        this.#pushText(reader.uint32());
        break;
      case op.BINUNICODE8:
        this.#pushText(reader.uint64());
        break;
      case op.SHORT_BINBYTES:
        this.#pushBytes(reader.uint8());
        break;
      case op.BINBYTES:
        this.#pushBytes(reader.uint32());
        break;
      case op.BINBYTES8:
      case op.BYTEARRAY8:
        this.#pushBytes(reader.uint64());
        break;

      case op.MARK:
        this.#budget.charge(cost.slot);
        this.#marks.push(this.#stack.length);
        break;
      case op.POP:
        // As in Python: with nothing above the mark, POP takes the mark away.
        if (this.#stack.length === this.#marks.at(-1)) this.#marks.pop();
        else this.#pop();
        break;
      case op.POP_MARK:
        this.#popToMark();
        break;
      case op.DUP:
        this.#push(this.#top());
        break;

      case op.EMPTY_TUPLE:
      case op.EMPTY_LIST:
        this.#push([], cost.list);
        break;
      case op.TUPLE1:
        this.#push([this.#pop()], cost.list);
        break;
      case op.TUPLE2:
        this.#pushTuple(2);
        break;
      case op.TUPLE3:
        this.#pushTuple(3);
        break;
      case op.TUPLE:
      case op.LIST:
        this.#push(this.#popToMark(), cost.list);
        break;
      case op.APPEND:
        this.#append([this.#pop()]);
        break;
      case op.APPENDS:
      case op.ADDITEMS:
        this.#append(this.#popToMark());
        break;
      case op.EMPTY_SET:
        this.#push(new Set(), cost.dictionary);
        break;
      case op.FROZENSET: {
        const elements = this.#popToMark();
        this.#push(new Set(elements), cost.dictionary + cost.entry * elements.length);
        break;
      }
      case op.EMPTY_DICT:
        this.#push(new Map(), cost.dictionary);
        break;
      case op.DICT: {
        const items = this.#popToMark();
        this.#push(new Map(), cost.dictionary);
        this.#setItems(items);
        break;
      }
      case op.SETITEM: {
        const value = this.#pop();
        this.#setItems([this.#pop(), value]);
        break;
      }
      case op.SETITEMS:
        this.#setItems(this.#popToMark());
        break;

      case op.BINPUT:
        this.#memoize(reader.uint8());
        break;
      case op.LONG_BINPUT:
        this.#memoize(reader.uint32());
        break;
      case op.MEMOIZE:
        this.#memoize(this.#memo.size);
        break;
      case op.BINGET:
        this.#recall(reader.uint8());
        break;
      case op.LONG_BINGET:
        this.#recall(reader.uint32());
        break;

      case op.GLOBAL:
        this.#pushGlobal(decode(this.#name()), decode(this.#name()));
        break;
      case op.STACK_GLOBAL: {
        const name = this.#pop();
        const module = this.#pop();
        if (typeof name !== "string" || typeof module !== "string") throw this.#error("two names", describeValue(name));
        this.#pushGlobal(module, name);
        break;
      }
      case op.REDUCE:
      case op.NEWOBJ: {
        const args = this.#pop();
        this.#construct(this.#pop(), args);
        break;
      }
      case op.NEWOBJ_EX: {
        this.#pop(); // keyword arguments: no class that the host knows takes any
        const args = this.#pop();
        this.#construct(this.#pop(), args);
        break;
      }
      case op.BUILD: {
        const state = this.#pop();
        this.#build(this.#top(), state);
        break;
      }
      case op.BINPERSID:
        this.#push(this.host.persistentLoad(this.#pop()), cost.object);
        break;

      default:
        throw this.#error("an opcode of pickle protocols 2 to 5", `0x${opcode.toString(16).padStart(2, "0")}`);
    }
  }

  #checkProtocol(version: number): void {
    if (version > 5) throw this.#error("pickle protocol 2 to 5", `protocol ${version}`);
  }

  #push(value: PickleValue, bytes = 0): void {
    this.#budget.charge(cost.slot + bytes);
    this.#stack.push(value);
  }

  #pop(): PickleValue {
    this.#requireValue();
    return this.#stack.pop()!;
  }

  #top(): PickleValue {
    this.#requireValue();
    return this.#stack.at(-1)!;
  }

  #requireValue(): void {
    if (this.#stack.length <= (this.#marks.at(-1) ?? 0)) throw this.#error("a value on the stack", "an empty stack");
  }

  #popToMark(): PickleValue[] {
    const mark = this.#marks.pop();
    if (mark === undefined) throw this.#error("a mark on the stack", "none");
    return this.#stack.splice(mark);
  }

  #pushTuple(size: number): void {
    const items: PickleValue[] = [];
    for (let i = 0; i < size; i++) items.unshift(this.#pop());
    this.#push(items, cost.list);
  }

  #pushText(length: number): void {
    const text = decode(this.reader.take(length));
    this.#push(text, cost.string + 2 * length);
  }

  #pushBytes(length: number): void {
    this.#push(this.reader.take(length), cost.object);
  }

  #pushLong(length: number): void {
    if (length > maxLongBytes) throw this.#error(`an integer of at most ${maxLongBytes} bytes`, `${length} bytes`);
    let value = 0n;
    for (const byte of this.reader.take(length).toReversed()) value = (value << 8n) | BigInt(byte);
    value = BigInt.asIntN(8 * length, value);
    const number = Number(value);
    this.#push(Number.isSafeInteger(number) ? number : value, cost.box + length);
  }

  #append(elements: PickleValue[]): void {
    const target = this.#top();
    this.#budget.charge(cost.entry * elements.length);
    if (Array.isArray(target)) for (const element of elements) target.push(element);
    else if (target instanceof Set) for (const element of elements) target.add(element);
    else if (target instanceof PickleObject) for (const element of elements) target.elements.push(element);
    else throw this.#error("a list or set to append to", describeValue(target));
  }

  #setItems(items: PickleValue[]): void {
    const target = this.#top();
    const entries = target instanceof PickleObject ? target.entries : target;
    if (!(entries instanceof Map)) throw this.#error("a dictionary to set items of", describeValue(target));
    if (items.length % 2 !== 0) throw this.#error("keys and values in pairs", `${items.length} items`);
    this.#budget.charge(cost.entry * items.length);
    for (let i = 0; i < items.length; i += 2) entries.set(items[i]!, items[i + 1]!);
  }

  #memoize(index: number): void {
    this.#budget.charge(cost.entry);
    this.#memo.set(index, this.#top());
  }

  #recall(index: number): void {
    const value = this.#memo.get(index);
    if (value === undefined) throw this.#error("a value stored before", `memo ${index}`);
    this.#push(value);
  }

  #name(): Uint8Array {
    const name = this.reader.line();
    if (name.length > maxNameBytes) throw this.#error("the name of a class", `${name.length} bytes`);
    return name;
  }

  #pushGlobal(module: string, name: string): void {
    const full = `${module}.${name}`;
    this.host.checkGlobal(full);
    this.#push(new PickleGlobal(full), cost.list + cost.string + 2 * full.length);
  }

  #construct(callee: PickleValue, args: PickleValue): void {
    if (!(callee instanceof PickleGlobal)) throw this.#error("the name of a class to build", describeValue(callee));
    if (!Array.isArray(args)) throw this.#error("a tuple of arguments", describeValue(args));
    this.#budget.charge(cost.object);
    const value = this.host.construct(callee.name, args, (bytes) => this.#budget.charge(bytes));
    this.#push(value ?? new PickleObject(callee.name, args));
  }

  #build(target: PickleValue, state: PickleValue): void {
    if (target instanceof PickleObject) target.state = state;
    else if (typeof target !== "object" || target === null || Array.isArray(target)) {
      throw this.#error("an object to set attributes of", describeValue(target));
    }
    // Attributes of dictionaries (`_metadata`) and tensors say nothing about weights.
  }

  #error(expected: string, received: string): FormatError {
    return new FormatError({ expected, received: `${received} at byte ${this.reader.at} of the pickle` });
  }
}

const utf8 = new TextDecoder("utf-8", { ignoreBOM: true });

function decode(bytes: Uint8Array): string {
  return utf8.decode(bytes);
}
