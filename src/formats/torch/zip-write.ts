import { UserError } from "../../core/errors.js";
import { centralSignature, endSignature, localSignature } from "./zip-read.js";

/** A member to write; its bytes are asked for when its turn comes. */
export interface ZipMember {
  readonly name: string;
  readonly bytes: () => Uint8Array;
}

/** Date of every member, 1 January 1980: the same content gives the same file. */
const dosDate = 0x21;
/** Names are UTF-8. */
const flags = 0x0800;
/** Version 2.0 of the format. */
const version = 20;
const maxBytes = 0xffffffff;
/** Members begin at multiples of this, as PyTorch's do: readers map them without copying. */
const alignment = 64;
/** PyTorch's id of an extra field that only pads. */
const paddingId = 0x4246;

/**
 * A zip file of uncompressed members, as chunks.
 * @throws UserError when it would pass 4 GiB or 65 535 members.
 */
export function* storedZipChunks(
  members: Iterable<ZipMember>,
  crc32: (bytes: Uint8Array) => number,
): Generator<Uint8Array, void, undefined> {
  const directory: Uint8Array[] = [];
  let at = 0;
  for (const member of members) {
    const name = new TextEncoder().encode(member.name);
    const bytes = member.bytes();
    const crc = crc32(bytes);
    const header = localHeader(name, bytes.length, crc, at);
    directory.push(centralEntry(name, bytes.length, crc, at));
    yield header;
    yield bytes;
    at += header.length + bytes.length;
    if (at > maxBytes || directory.length > 0xffff) {
      throw new UserError({
        expected: "weights of at most 4 GiB and 65,535 tensors for a .pth file",
        received: "more",
        remedy: "write safetensors instead",
      });
    }
  }
  yield* directory;
  const size = directory.reduce((total, entry) => total + entry.length, 0);
  yield fields([4, endSignature], [4, 0], [2, directory.length], [2, directory.length], [4, size], [4, at], [2, 0]);
}

function localHeader(name: Uint8Array, size: number, crc: number, at: number): Uint8Array {
  const fixed = 30 + name.length + 4;
  const padding = (alignment - ((at + fixed) % alignment)) % alignment;
  const start = fields(
    [4, localSignature],
    [2, version],
    [2, flags],
    [2, 0],
    [2, 0],
    [2, dosDate],
    [4, crc],
    [4, size],
    [4, size],
    [2, name.length],
    [2, 4 + padding],
  );
  const header = new Uint8Array(fixed + padding);
  header.set(start);
  header.set(name, start.length);
  header.set(fields([2, paddingId], [2, padding]), start.length + name.length);
  return header;
}

function centralEntry(name: Uint8Array, size: number, crc: number, at: number): Uint8Array {
  const start = fields(
    [4, centralSignature],
    [2, version],
    [2, version],
    [2, flags],
    [2, 0],
    [2, 0],
    [2, dosDate],
    [4, crc],
    [4, size],
    [4, size],
    [2, name.length],
    [2, 0],
    [2, 0],
    [2, 0],
    [2, 0],
    [4, 0],
    [4, at],
  );
  const entry = new Uint8Array(start.length + name.length);
  entry.set(start);
  entry.set(name, start.length);
  return entry;
}

/** Little-endian unsigned numbers of 2 or 4 bytes, one after another. */
function fields(...numbers: readonly (readonly [width: 2 | 4, value: number])[]): Uint8Array {
  const bytes = new Uint8Array(numbers.reduce((total, [width]) => total + width, 0));
  const view = new DataView(bytes.buffer);
  let at = 0;
  for (const [width, value] of numbers) {
    if (width === 2) view.setUint16(at, value, true);
    else view.setUint32(at, value, true);
    at += width;
  }
  return bytes;
}
