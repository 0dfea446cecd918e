import { FormatError } from "../../core/errors.js";
import { bytesPerElement, type NamedArray } from "../../core/named-arrays.js";
import { checkedElementCount, quoted } from "../array-bytes.js";
import { asSource, type ByteSource } from "../byte-source.js";
import { refuseForeign } from "../foreign.js";
import { MemoryBudget } from "../memory-budget.js";
import { dtypeOfSafetensorsName, maxHeaderBytes } from "./dtypes.js";
import { parseHeader, type TensorEntry } from "./header.js";

export interface Safetensors {
  /** In the order of the header. */
  readonly arrays: Map<string, NamedArray>;
  /** The header's `__metadata__`. */
  readonly metadata: Readonly<Record<string, string>>;
}

/**
 * Reads a safetensors file (https://github.com/huggingface/safetensors, "Format"): 8 bytes header length, JSON header, data.
 * Of a file in memory arrays are views, but for one whose data does not lie aligned, which is copied; of another one they are deferred.
 * @throws FormatError when the file is truncated, its header is not what the format says, its offsets overlap or leave
 *   holes, or a shape does not fill its bytes.
 */
export function readSafetensors(file: Uint8Array | ByteSource): Safetensors {
  const source = asSource(file);
  // A header's length may look like another format's signature; its brace does not.
  if (source.size < 9 || source.bytes(8, 9)[0] !== 0x7b) refuseForeign(source, "a safetensors file");
  const data = 8 + readHeaderLength(source);
  const header = parseHeader(decodeUtf8(source.bytes(8, data)), new MemoryBudget(source.size, "the header"));
  checkSpans(header.tensors, source.size - data);
  const arrays = new Map<string, NamedArray>();
  for (const entry of header.tensors) arrays.set(entry.name, readTensor(entry, source, data));
  return { arrays, metadata: header.metadata };
}

function readHeaderLength(file: ByteSource): number {
  if (file.size < 8) throw truncated("8 bytes of header length", `${file.size} bytes`);
  const bytes = file.bytes(0, 8);
  const length = new DataView(bytes.buffer, bytes.byteOffset, 8).getBigUint64(0, true);
  if (length > BigInt(file.size - 8)) {
    throw truncated(`a header of at most ${file.size - 8} bytes`, `a claim of ${length} bytes`);
  }
  if (length > BigInt(maxHeaderBytes)) {
    throw new FormatError({ expected: `a header of at most ${maxHeaderBytes} bytes`, received: `${length} bytes` });
  }
  return Number(length);
}

function truncated(expected: string, received: string): FormatError {
  return new FormatError({ expected, received, remedy: "the file is cut short or is not safetensors; fetch it again" });
}

function decodeUtf8(bytes: Uint8Array): string {
  if (bytes[0] !== 0x7b) {
    throw new FormatError({ expected: "a safetensors header that begins with {", received: "other bytes" });
  }
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw new FormatError({ expected: "a safetensors header in UTF-8", received: "bytes that are not" });
  }
}

/** The tensors' spans must cover the data exactly: no overlap, no hole, nothing left. */
function checkSpans(tensors: readonly TensorEntry[], dataBytes: number): void {
  const inOrder = [...tensors].sort((a, b) => a.begin - b.begin || a.end - b.end);
  let at = 0;
  for (const { name, begin, end } of inOrder) {
    if (end < begin || end > dataBytes) {
      throw truncated(`data offsets of ${quoted(name)} within ${dataBytes} bytes`, `[${begin}, ${end}]`);
    }
    if (begin !== at) {
      throw new FormatError({
        expected: `data of ${quoted(name)} to begin at byte ${at}, without ${begin < at ? "overlap" : "hole"}`,
        received: `byte ${begin}`,
      });
    }
    at = end;
  }
  if (at !== dataBytes) {
    throw new FormatError({ expected: `${at} bytes of data, as the header says`, received: `${dataBytes} bytes` });
  }
}

/** @param data where the tensors' data begin in the file */
function readTensor(entry: TensorEntry, file: ByteSource, data: number): NamedArray {
  const { name, shape, begin, end } = entry;
  const dtype = dtypeOfSafetensorsName.get(entry.dtype);
  if (dtype === undefined) {
    throw new FormatError({
      expected: `an element type among ${[...dtypeOfSafetensorsName.keys()].join(", ")} for ${quoted(name)}`,
      received: quoted(entry.dtype),
      remedy: "convert the file to one of them",
    });
  }
  const needed = checkedElementCount(shape, quoted(name)) * bytesPerElement[dtype];
  if (needed !== end - begin) {
    throw new FormatError({
      expected: `${needed} bytes for ${quoted(name)} of shape [${shape.join(", ")}] and type ${entry.dtype}`,
      received: `${end - begin} bytes`,
    });
  }
  return file.array(dtype, shape, data + begin);
}
