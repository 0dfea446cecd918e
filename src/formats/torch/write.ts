import { append } from "../../core/append.js";
import { UserError } from "../../core/errors.js";
import { type DType, elementCount, type NamedArray, type NamedArrays } from "../../core/named-arrays.js";
import { bytesAsAnnounced, concatenate, quoted, type TensorSpec } from "../array-bytes.js";
import { crc32 } from "./crc32.js";
import * as op from "./pickle-opcodes.js";
import { storedZipChunks, type ZipMember } from "./zip-write.js";

/** PyTorch's storage classes; it has none for the unsigned types beyond 8 bits. */
const storageOfDType: Readonly<Partial<Record<DType, string>>> = {
  f64: "DoubleStorage",
  f32: "FloatStorage",
  f16: "HalfStorage",
  bf16: "BFloat16Storage",
  i64: "LongStorage",
  i32: "IntStorage",
  i16: "ShortStorage",
  i8: "CharStorage",
  u8: "ByteStorage",
  bool: "BoolStorage",
};

/**
 * A `.pth` file as chunks, so that it never stands in memory as a whole: the state dict (an OrderedDict of tensors), as
 * `torch.save` writes it since PyTorch 1.6. `torch.load(file, weights_only=True)` reads it.
 * @param dataOf called once for each tensor, in the order of `specs`, when its turn comes
 * @param checksum CRC-32, where the platform has a faster one
 * @throws UserError when an array has an element type that PyTorch's storages have not, or is not as announced.
 */
export function torchChunks(
  specs: ReadonlyMap<string, TensorSpec>,
  dataOf: (name: string) => NamedArray,
  checksum: (bytes: Uint8Array) => number = crc32,
): Generator<Uint8Array, void, undefined> {
  const pickle = pickleStateDict(specs);
  const text = (content: string) => () => new TextEncoder().encode(content);
  const members: ZipMember[] = [{ name: "archive/data.pkl", bytes: () => pickle }];
  members.push({ name: "archive/byteorder", bytes: text("little") });
  let key = 0;
  for (const [name, spec] of specs) {
    members.push({ name: `archive/data/${key++}`, bytes: () => bytesAsAnnounced(name, spec, dataOf(name)) });
  }
  members.push({ name: "archive/version", bytes: text("3\n") });
  return storedZipChunks(members, checksum);
}

/** A whole `.pth` file in memory; see {@link torchChunks}. */
export function writeTorch(arrays: NamedArrays): Uint8Array {
  return concatenate(torchChunks(arrays, (name) => arrays.get(name)!));
}

/** Protocol 2, and of its opcodes only those that the restricted unpickler of every PyTorch since 1.13 knows. */
function pickleStateDict(specs: ReadonlyMap<string, TensorSpec>): Uint8Array {
  const pickle = new PickleWriter();
  pickle.byte(op.PROTO, 2).global("collections", "OrderedDict").byte(op.EMPTY_TUPLE, op.REDUCE);
  pickle.byte(op.MARK);
  let key = 0;
  for (const [name, { dtype, shape }] of specs) {
    const storage = storageOfDType[dtype];
    if (storage === undefined) {
      throw new UserError({
        expected: `an element type that PyTorch's storages have for ${quoted(name)}`,
        received: dtype,
        remedy: "convert it to i64, or write safetensors",
      });
    }
    pickle.text(name).global("torch._utils", "_rebuild_tensor_v2").byte(op.MARK);
    pickle.byte(op.MARK).text("storage").global("torch", storage).text(String(key++)).text("cpu");
    pickle.integer(elementCount(shape)).byte(op.TUPLE, op.BINPERSID);
    pickle.integer(0).integers(shape).integers(rowMajorStrides(shape)).byte(op.NEWFALSE);
    pickle.global("collections", "OrderedDict").byte(op.EMPTY_TUPLE, op.REDUCE);
    pickle.byte(op.TUPLE, op.REDUCE);
  }
  pickle.byte(op.SETITEMS, op.STOP);
  return pickle.finish();
}

function rowMajorStrides(shape: readonly number[]): number[] {
  const strides = new Array<number>(shape.length);
  let stride = 1;
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    strides[axis] = stride;
    stride *= Math.max(1, shape[axis]!);
  }
  return strides;
}

class PickleWriter {
  readonly #bytes: number[] = [];

  byte(...bytes: number[]): this {
    return this.#all(bytes);
  }

  #all(bytes: Iterable<number>): this {
    append(this.#bytes, bytes);
    return this;
  }

  global(module: string, name: string): this {
    return this.byte(op.GLOBAL).#all(new TextEncoder().encode(`${module}\n${name}\n`));
  }

  text(text: string): this {
    const bytes = new TextEncoder().encode(text);
    return this.byte(op.BINUNICODE).#uint32(bytes.length).#all(bytes);
  }

  integer(value: number): this {
    if (value < 2 ** 31) return this.byte(op.BININT).#uint32(value);
    this.byte(op.LONG1, 8).#uint32(value % 2 ** 32);
    return this.#uint32(Math.floor(value / 2 ** 32));
  }

  integers(values: readonly number[]): this {
    this.byte(op.MARK);
    for (const value of values) this.integer(value);
    return this.byte(op.TUPLE);
  }

  finish(): Uint8Array {
    return Uint8Array.from(this.#bytes);
  }

  #uint32(value: number): this {
    return this.byte(value & 0xff, (value >>> 8) & 0xff, (value >>> 16) & 0xff, (value >>> 24) & 0xff);
  }
}
