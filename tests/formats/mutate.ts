import type { Rng } from "#repvgg/core/rng.js";

/** Numbers at which parsers break: ends of ranges, by width in bytes. */
const extremes: readonly (readonly [width: number, value: bigint])[] = [
  [1, 0n],
  [1, 0x7fn],
  [1, 0x80n],
  [1, 0xffn],
  [2, 0xffffn],
  [4, 0n],
  [4, 0x7fffffffn],
  [4, 0x80000000n],
  [4, 0xffffffffn],
  [8, 0xffffffffn],
  [8, 1n << 60n],
  [8, (1n << 63n) - 1n],
  [8, (1n << 64n) - 1n],
];

/** A damaged copy of a file: one to four bit flips, extreme numbers, cuts, copies, insertions. */
export function mutate(file: Uint8Array, rng: Rng): Uint8Array {
  let bytes: Uint8Array = file.slice();
  for (let edits = 1 + rng.int(4); edits > 0 && bytes.length > 0; edits--) bytes = mutateOnce(bytes, rng);
  return bytes;
}

function mutateOnce(bytes: Uint8Array, rng: Rng): Uint8Array {
  const at = rng.int(bytes.length);
  const length = 1 + rng.int(Math.min(32, bytes.length - at));
  switch (rng.int(8)) {
    case 0:
      bytes[at]! ^= 1 << rng.int(8);
      return bytes;
    case 1:
      bytes[at] = rng.int(256);
      return bytes;
    case 2: {
      const [width, value] = extremes[rng.int(extremes.length)]!;
      for (let i = 0; i < width && at + i < bytes.length; i++) bytes[at + i] = Number((value >> BigInt(8 * i)) & 0xffn);
      return bytes;
    }
    case 3:
      bytes[at] = bytes[at]! + (rng.int(2) ? 1 : 255);
      return bytes;
    case 4:
      return splice(bytes, at, length, new Uint8Array(0));
    case 5:
      return splice(bytes, at, 0, bytes.slice(at, at + length));
    case 6:
      return splice(
        bytes,
        at,
        0,
        Uint8Array.from({ length }, () => rng.int(256)),
      );
    default:
      return rng.int(4) === 0
        ? bytes.slice(0, at)
        : splice(bytes, at, length, bytes.slice(rng.int(bytes.length)).slice(0, length));
  }
}

function splice(bytes: Uint8Array, at: number, remove: number, insert: Uint8Array): Uint8Array {
  const result = new Uint8Array(bytes.length - remove + insert.length);
  result.set(bytes.subarray(0, at));
  result.set(insert, at);
  result.set(bytes.subarray(at + remove), at + insert.length);
  return result;
}
