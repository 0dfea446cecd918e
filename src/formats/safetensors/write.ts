import { inMemory } from "../../core/deferred-array.js";
import { UserError } from "../../core/errors.js";
import { bytesPerElement, elementCount, type NamedArray, type NamedArrays } from "../../core/named-arrays.js";
import { chunksAsAnnounced, concatenate, type TensorSpec } from "../array-bytes.js";
import { maxHeaderBytes, safetensorsName } from "./dtypes.js";

/**
 * A safetensors file as chunks, so that it never stands in memory as a whole: the header, then each tensor, deferred ones in
 * parts. A chunk is valid until the second one after it is asked for.
 * The header lists tensors in the order of `specs`; the data lie widest element type first, which aligns every tensor
 * without holes (the format allows none). The header is padded with spaces to a multiple of 8 bytes.
 * @param dataOf called once for each tensor, in the order of the data, when its turn comes
 * @throws UserError when a name is reserved or `dataOf` gives another type or shape than announced.
 */
export function* safetensorsChunks(
  specs: ReadonlyMap<string, TensorSpec>,
  metadata: Readonly<Record<string, string>>,
  dataOf: (name: string) => NamedArray,
): Generator<Uint8Array, void, undefined> {
  const dataOrder = [...specs].sort(([, a], [, b]) => bytesPerElement[b.dtype] - bytesPerElement[a.dtype]);
  yield headerBytes(specs, metadata, dataOrder);
  for (const [name, spec] of dataOrder) {
    yield* chunksAsAnnounced(name, spec, dataOf(name));
  }
}

/**
 * A whole safetensors file in memory.
 * @throws UserError when a name is reserved or an array does not fill its shape.
 */
export function writeSafetensors(arrays: NamedArrays, metadata: Readonly<Record<string, string>> = {}): Uint8Array {
  return concatenate(safetensorsChunks(arrays, metadata, (name) => inMemory(arrays.get(name)!)));
}

function headerBytes(
  specs: ReadonlyMap<string, TensorSpec>,
  metadata: Readonly<Record<string, string>>,
  dataOrder: readonly [string, TensorSpec][],
): Uint8Array {
  const offsets = new Map<string, [number, number]>();
  let at = 0;
  for (const [name, { dtype, shape }] of dataOrder) {
    const end = at + elementCount(shape) * bytesPerElement[dtype];
    offsets.set(name, [at, end]);
    at = end;
  }
  const members: string[] = [];
  if (Object.keys(metadata).length > 0) members.push(`"__metadata__":${JSON.stringify(metadata)}`);
  for (const [name, { dtype, shape }] of specs) {
    if (name === "__metadata__") {
      throw new UserError({ expected: "another tensor name", received: `"__metadata__", which safetensors reserves` });
    }
    const entry = { dtype: safetensorsName[dtype], shape, data_offsets: offsets.get(name) };
    members.push(`${JSON.stringify(name)}:${JSON.stringify(entry)}`);
  }
  const json = new TextEncoder().encode(`{${members.join(",")}}`);
  const length = Math.ceil(json.length / 8) * 8;
  if (length > maxHeaderBytes) {
    throw new UserError({
      expected: `names and metadata of at most ${maxHeaderBytes} bytes, as safetensors allows`,
      received: `${length} bytes`,
    });
  }
  const header = new Uint8Array(8 + length).fill(0x20);
  new DataView(header.buffer).setBigUint64(0, BigInt(length), true);
  header.set(json, 8);
  return header;
}
