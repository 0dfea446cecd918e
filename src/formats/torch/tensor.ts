import { deferredArray } from "../../core/deferred-array.js";
import { FormatError } from "../../core/errors.js";
import { bytesPerElement, type DType, type NamedArray } from "../../core/named-arrays.js";
import { arrayFromBytes, bytesOfArray, checkedElementCount } from "../array-bytes.js";
import type { ByteSource } from "../byte-source.js";

/** Element types by the name of PyTorch's storage class. */
const dtypeOfStorage: Readonly<Record<string, DType>> = {
  DoubleStorage: "f64",
  FloatStorage: "f32",
  HalfStorage: "f16",
  BFloat16Storage: "bf16",
  LongStorage: "i64",
  IntStorage: "i32",
  ShortStorage: "i16",
  CharStorage: "i8",
  ByteStorage: "u8",
  BoolStorage: "bool",
};

/** Element types by the name of PyTorch's dtype, for tensors on untyped storages. */
const dtypeOfName: Readonly<Record<string, DType>> = {
  float64: "f64",
  float32: "f32",
  float16: "f16",
  bfloat16: "bf16",
  int64: "i64",
  int32: "i32",
  int16: "i16",
  int8: "i8",
  uint64: "u64",
  uint32: "u32",
  uint16: "u16",
  uint8: "u8",
  bool: "bool",
};

/** Where a file's storages lie. */
export interface StorageSource {
  /** A storage of at least `length` bytes. @throws FormatError when the file does not hold that many. */
  storage(key: string, length: number): ByteSource;
  /** Asks for memory to copy strided tensors into. @throws FormatError when a file asks for more than it is worth. */
  allow(bytes: number): void;
}

/** A run of elements in a checkpoint, which tensors look at. Its bytes are fetched when they are needed. */
export class TorchStorage {
  constructor(
    readonly source: StorageSource,
    readonly key: string,
    /** Class name as in the file: `torch.FloatStorage`. */
    readonly typeName: string,
    /** Length in elements (in bytes for untyped storages). */
    readonly length: number,
  ) {}

  /** Undefined for untyped storages and for element types that we do not have. */
  get dtype(): DType | undefined {
    return dtypeOfStorage[this.typeName.slice(this.typeName.lastIndexOf(".") + 1)];
  }

  describe(): string {
    return `a ${this.typeName}`;
  }
}

/** A tensor of a checkpoint: a strided window on a storage. */
export class TorchTensor {
  #array: NamedArray | undefined;

  constructor(
    readonly storage: TorchStorage,
    /** First element in the storage. */
    readonly offset: number,
    readonly shape: readonly number[],
    /** In elements. */
    readonly strides: readonly number[],
    /** Where the tensor itself states it: `torch.uint16`. */
    readonly dtypeName?: string,
  ) {}

  describe(): string {
    return `a tensor [${this.shape.join(", ")}] on ${this.storage.describe()}`;
  }

  /**
   * The tensor as a dense row-major array: of a file in memory a view where it is dense there, else a copy; of another one deferred.
   * @throws FormatError when it reaches beyond its storage or has an element type that we do not have.
   */
  toArray(): NamedArray {
    this.#array ??= this.#read();
    return this.#array;
  }

  #read(): NamedArray {
    const { storage, offset, shape, strides } = this;
    const dtype = this.dtypeName === undefined ? storage.dtype : dtypeOfName[this.dtypeName.replace("torch.", "")];
    if (dtype === undefined) {
      throw new FormatError({
        expected: "a tensor of floats of 16, 32 or 64 bits, whole numbers or booleans",
        received: this.dtypeName ?? storage.typeName,
        remedy: "convert the checkpoint to float32 with PyTorch",
      });
    }
    const width = bytesPerElement[dtype];
    const count = checkedElementCount(shape, "a tensor");
    const length = storage.dtype === undefined ? Math.floor(storage.length / width) : storage.length;
    const last = count === 0 ? offset - 1 : shape.reduce((at, size, axis) => at + (size - 1) * strides[axis]!, offset);
    if (!(last < length)) {
      throw new FormatError({
        expected: `${this.describe()} within its ${length} elements`,
        received: `strides [${strides.join(", ")}] from element ${offset}`,
      });
    }
    const source = storage.source.storage(storage.key, length * width);
    if (count === 0 || isDense(shape, strides)) return source.array(dtype, shape, offset * width);
    storage.source.allow(count * width);
    // The window alone is read: many tensors may share one storage.
    const window = source.array(dtype, [last + 1 - offset], offset * width);
    return gathered(window, shape, strides);
  }
}

function isDense(shape: readonly number[], strides: readonly number[]): boolean {
  let dense = 1;
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    if (shape[axis] !== 1 && strides[axis] !== dense) return false;
    dense *= shape[axis]!;
  }
  return true;
}

/** The elements of a strided window in row-major order; deferred where the window is. */
function gathered(window: NamedArray, shape: readonly number[], strides: readonly number[]): NamedArray {
  const { dtype } = window;
  const gather = (): NamedArray =>
    arrayFromBytes(dtype, shape, gatherBytes(bytesOfArray(window), bytesPerElement[dtype], shape, strides));
  if (!window.fill) return gather();
  const fill = (target: NamedArray["data"]): void => target.set(gather().data as never);
  return deferredArray(dtype, shape, fill, false);
}

function gatherBytes(
  bytes: Uint8Array,
  width: number,
  shape: readonly number[],
  strides: readonly number[],
): Uint8Array {
  const axes = shape
    .map((size, axis) => ({ size, step: strides[axis]! * width, index: 0 }))
    .filter(({ size }) => size > 1);
  const result = new Uint8Array(axes.reduce((product, { size }) => product * size, width));
  let from = 0;
  for (let to = 0; to < result.length; to += width) {
    for (let i = 0; i < width; i++) result[to + i] = bytes[from + i]!;
    for (let a = axes.length - 1; a >= 0; a--) {
      const axis = axes[a]!;
      from += axis.step;
      if (++axis.index < axis.size) break;
      from -= axis.step * axis.size;
      axis.index = 0;
    }
  }
  return result;
}
