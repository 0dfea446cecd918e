import { MemorySource } from "#repvgg/formats/byte-source.js";
import { readStoredZip } from "#repvgg/formats/torch/zip-read.js";

/** What a test may want wrong about a member; everything not named is right. */
export interface MemberOptions {
  readonly localName?: string;
  readonly method?: number;
  readonly flags?: number;
  readonly compressedSize?: number;
  readonly size?: number;
  readonly offset?: number;
  /** Sizes and offset in zip64 extra fields. */
  readonly zip64?: boolean;
}

export interface Member extends MemberOptions {
  readonly name: string;
  readonly data: Uint8Array;
}

/** A zip file byte by byte, to be wrong where a test wants it. Independent of the product's writer. */
export function buildZip(
  members: readonly Member[],
  end: { zip64?: boolean; count?: number; comment?: string } = {},
): Uint8Array {
  const out: number[] = [];
  const put = (value: number, width: number): void => {
    for (let i = 0, rest = value; i < width; i++, rest = Math.floor(rest / 256)) out.push(rest % 256);
  };
  const u16 = (value: number): void => put(value, 2);
  const u32 = (value: number): void => put(value, 4);
  const u64 = (value: number): void => put(value, 8);
  const text = (t: string): Uint8Array => new TextEncoder().encode(t);
  const offsets: number[] = [];
  for (const m of members) {
    offsets.push(out.length);
    const name = text(m.localName ?? m.name);
    u32(0x04034b50);
    for (const v of [45, m.flags ?? 0, m.method ?? 0, 0, 0]) u16(v);
    for (const v of [0, m.data.length, m.data.length]) u32(v);
    u16(name.length);
    u16(0);
    out.push(...name, ...m.data);
  }
  const directory = out.length;
  members.forEach((m, i) => {
    const name = text(m.name);
    const size = m.size ?? m.data.length;
    const compressed = m.compressedSize ?? size;
    const offset = m.offset ?? offsets[i]!;
    u32(0x02014b50);
    for (const v of [45, 45, m.flags ?? 0, m.method ?? 0, 0, 0]) u16(v);
    u32(0);
    u32(m.zip64 ? 0xffffffff : compressed);
    u32(m.zip64 ? 0xffffffff : size);
    for (const v of [name.length, m.zip64 ? 28 : 0, 0, 0, 0]) u16(v);
    u32(0);
    u32(m.zip64 ? 0xffffffff : offset);
    out.push(...name);
    if (m.zip64) {
      u16(1);
      u16(24);
      for (const v of [size, compressed, offset]) u64(v);
    }
  });
  const directoryEnd = out.length;
  if (end.zip64) {
    u32(0x06064b50);
    u64(44);
    u16(45);
    u16(45);
    u32(0);
    u32(0);
    for (const v of [members.length, members.length, directoryEnd - directory, directory]) u64(v);
    u32(0x07064b50);
    u32(0);
    u64(directoryEnd);
    u32(1);
  }
  u32(0x06054b50);
  u16(0);
  u16(0);
  const count = end.count ?? members.length;
  u16(end.zip64 ? 0xffff : count);
  u16(end.zip64 ? 0xffff : count);
  u32(end.zip64 ? 0xffffffff : directoryEnd - directory);
  u32(end.zip64 ? 0xffffffff : directory);
  const comment = text(end.comment ?? "");
  u16(comment.length);
  out.push(...comment);
  return Uint8Array.from(out);
}

/** A zip file's members with their bytes, as the product finds them. */
export function zipMembers(file: Uint8Array): [name: string, data: Uint8Array][] {
  return [...readStoredZip(new MemorySource(file))].map(([name, { start, end }]) => [name, file.subarray(start, end)]);
}

/** A checkpoint around a long pickle; buildZip spreads its data and would not take megabytes. */
export function zipOfPickle(pickle: Uint8Array): Uint8Array {
  const empty = buildZip([{ name: "archive/data.pkl", data: new Uint8Array(0) }]);
  const header = 30 + "archive/data.pkl".length;
  const file = new Uint8Array(empty.length + pickle.length);
  file.set(empty.subarray(0, header));
  file.set(pickle, header);
  file.set(empty.subarray(header), header + pickle.length);
  const view = new DataView(file.buffer);
  const directory = header + pickle.length;
  for (const at of [18, 22, directory + 20, directory + 24]) view.setUint32(at, pickle.length, true);
  view.setUint32(file.length - 6, directory, true);
  return file;
}
