import { FormatError } from "../../core/errors.js";
import { bytesPerElement, type DType, type NamedArray } from "../../core/named-arrays.js";
import { bytesOfArray, checkedElementCount, deferredFromBytes, quoted } from "../array-bytes.js";
import { dataType, emptyTensor, type TensorProto } from "./proto.js";
import { storedByArray } from "./stored-bytes.js";

const dtypeOfDataType: ReadonlyMap<number, DType> = new Map(
  Object.entries(dataType).map(([dtype, number]) => [number, dtype as DType]),
);

/** Our element type for a TensorProto.DataType; undefined for strings, complex and 8- or 4-bit floats. */
export function dtypeOf(type: number | undefined): DType | undefined {
  return type === undefined ? undefined : dtypeOfDataType.get(type);
}

/**
 * A tensor's elements, from raw bytes (a view where they lie aligned) or from the field of its type.
 * @throws FormatError when it has another number of elements than its shape, lies in another file that was not read
 *   (`withExternalData`), or is of a type that we do not have.
 */
export function tensorToArray(tensor: TensorProto): NamedArray {
  const what = `tensor ${quoted(tensor.name ?? "")}`;
  const dtype = dtypeOf(tensor.dataType);
  if (dtype === undefined) {
    throw new FormatError({
      expected: `${what} of numbers or booleans`,
      received: `data type ${tensor.dataType ?? 0}`,
    });
  }
  if (tensor.dataLocation === 1) {
    throw new FormatError({
      expected: `the data of ${what}`,
      received: "a reference to another file",
      remedy: "read the model from its folder, with the files beside it",
    });
  }
  const count = checkedElementCount(tensor.dims, what);
  if (tensor.rawData !== undefined) {
    checkLength(what, count * bytesPerElement[dtype], tensor.rawData.length, "bytes");
    const { rawData } = tensor;
    return rawData instanceof Uint8Array
      ? deferredFromBytes(dtype, tensor.dims, rawData)
      : rawData.array(dtype, tensor.dims);
  }
  const values = typedValues(dtype, tensor);
  checkLength(what, count, values.length, "elements");
  return { dtype, shape: tensor.dims, data: values } as NamedArray;
}

/** An array as a tensor with raw bytes, on the same memory; those of a deferred array are asked for when they are written. */
export function arrayToTensor(name: string, array: NamedArray): TensorProto {
  const rawData = array.fill ? storedByArray(name, array) : bytesOfArray(array);
  return { ...emptyTensor, name, dims: array.shape, dataType: dataType[array.dtype], rawData };
}

/** The field that holds a type's elements (onnx.proto, TensorProto): small types stand in int32_data. */
function typedValues(dtype: DType, tensor: TensorProto): NamedArray["data"] {
  switch (dtype) {
    case "f32":
      return tensor.floatData;
    case "f64":
      return tensor.doubleData;
    case "i64":
      return tensor.int64Data;
    case "u64":
      return tensor.uint64Data;
    case "u32":
      return Uint32Array.from(tensor.uint64Data, Number);
    case "i32":
      return tensor.int32Data;
    case "i16":
      return Int16Array.from(tensor.int32Data);
    case "i8":
      return Int8Array.from(tensor.int32Data);
    case "u8":
    case "bool":
      return Uint8Array.from(tensor.int32Data);
    case "u16":
    case "f16":
    case "bf16":
      return Uint16Array.from(tensor.int32Data);
  }
}

function checkLength(what: string, expected: number, received: number, unit: string): void {
  if (expected === received) return;
  throw new FormatError({ expected: `${expected} ${unit} for ${what}, as its shape says`, received: `${received}` });
}
