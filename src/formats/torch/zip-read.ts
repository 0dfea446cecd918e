import { FormatError } from "../../core/errors.js";
import { quoted } from "../array-bytes.js";
import { ByteReader, cutShort } from "../byte-reader.js";
import type { ByteSource } from "../byte-source.js";
import { MemoryBudget, memoryCost } from "../memory-budget.js";

export const localSignature = 0x04034b50;
export const centralSignature = 0x02014b50;
export const endSignature = 0x06054b50;
const zip64EndSignature = 0x06064b50;
const zip64LocatorSignature = 0x07064b50;

export const endBytes = 22;
const maxCommentBytes = 0xffff;
const localHeaderBytes = 30;
const zip64LocatorBytes = 20;
const zip64EndBytes = 56;

interface CentralEntry {
  readonly name: string;
  /** Of the name in UTF-8. */
  readonly nameLength: number;
  /** Of its bytes in the archive. */
  readonly size: number;
  readonly compressed: boolean;
  readonly headerOffset: number;
}

/** Where a member's bytes lie in the archive: [start, end). */
export interface ZipMemberSpan {
  readonly start: number;
  readonly end: number;
  /** The bytes are deflated or the like: see {@link refuseCompressed}. */
  readonly compressed: boolean;
}

/**
 * The members of a zip file, all uncompressed, as PyTorch writes checkpoints.
 * @throws FormatError as {@link readZipDirectory}, and on compressed members.
 */
export function readStoredZip(file: ByteSource): Map<string, ZipMemberSpan> {
  const members = readZipDirectory(file);
  for (const [name, member] of members) refuseCompressed(name, member);
  return members;
}

/** @throws FormatError for a member whose bytes are no use as they are: nothing is inflated, so that nothing can explode. */
export function refuseCompressed(name: string, { compressed }: ZipMemberSpan): void {
  if (!compressed) return;
  throw new FormatError({
    expected: "a zip archive whose members are stored, as PyTorch writes it",
    received: `a compressed ${quoted(name)}`,
    remedy: "save the checkpoint again with torch.save, or unzip and zip it with `zip -0`",
  });
}

/**
 * The members of a zip file (PKWARE's APPNOTE 6.3.9, zip64 included); only their headers are read.
 * @throws FormatError on encrypted members, on names that leave the archive or come twice, and on members that overlap or
 *   reach beyond the file.
 */
export function readZipDirectory(file: ByteSource): Map<string, ZipMemberSpan> {
  const directory = findDirectory(file);
  const reader = new ByteReader(file.bytes(directory.offset, directory.end), 0, "the zip directory");
  const entries: CentralEntry[] = [];
  // Every round takes at least 46 bytes, so that a false count ends with the directory.
  const budget = new MemoryBudget(file.size, "the zip directory");
  for (let i = 0; i < directory.count; i++) {
    budget.charge(memoryCost.view + memoryCost.dictionary);
    entries.push(readCentralEntry(reader));
  }
  const members = new Map<string, ZipMemberSpan>();
  let previousEnd = 0;
  for (const entry of entries.sort((a, b) => a.headerOffset - b.headerOffset)) {
    if (members.has(entry.name)) throw refuse("every member once", `a second ${quoted(entry.name)}`);
    const span = locateMember(file, directory.offset, entry, previousEnd);
    previousEnd = span.end;
    members.set(entry.name, span);
  }
  return members;
}

function refuse(expected: string, received: string): FormatError {
  return new FormatError({ expected, received: `${received} in the zip archive` });
}

function findDirectory(file: ByteSource): { offset: number; end: number; count: number } {
  const first = Math.max(0, file.size - endBytes - maxCommentBytes);
  const tail = file.bytes(first, file.size);
  const view = new DataView(tail.buffer, tail.byteOffset, tail.byteLength);
  for (let at = tail.length - endBytes; at >= 0; at--) {
    if (view.getUint32(at, true) !== endSignature) continue;
    const commentLength = view.getUint16(at + 20, true);
    if (at + endBytes + commentLength !== tail.length) continue;
    const zip64 = readZip64End(file, first + at);
    const count = zip64?.count ?? view.getUint16(at + 10, true);
    const size = zip64?.size ?? view.getUint32(at + 12, true);
    const offset = zip64?.offset ?? view.getUint32(at + 16, true);
    if (offset + size > first + at) {
      throw refuse("the directory within the file", `bytes ${offset} to ${offset + size}`);
    }
    return { offset, end: offset + size, count };
  }
  throw new FormatError({
    expected: "a zip archive with its directory at the end",
    received: "none",
    remedy: "the file is cut short; fetch it again",
  });
}

function readZip64End(file: ByteSource, endAt: number): { offset: number; size: number; count: number } | undefined {
  const locatorAt = endAt - zip64LocatorBytes;
  if (locatorAt < 0) return undefined;
  const locator = new ByteReader(file.bytes(locatorAt, endAt), 0, "the zip64 locator");
  if (locator.uint32() !== zip64LocatorSignature) return undefined;
  locator.uint32();
  const recordAt = locator.uint64();
  if (recordAt > locatorAt) throw refuse("the zip64 record before its locator", `byte ${recordAt}`);
  const record = new ByteReader(
    file.bytes(recordAt, Math.min(locatorAt, recordAt + zip64EndBytes)),
    0,
    "the zip64 record",
  );
  if (record.uint32() !== zip64EndSignature) throw refuse("a zip64 record", `other bytes at ${recordAt}`);
  record.take(28);
  return { count: record.uint64(), size: record.uint64(), offset: record.uint64() };
}

function readCentralEntry(reader: ByteReader): CentralEntry {
  if (reader.uint32() !== centralSignature) throw refuse("a directory entry", `other bytes at ${reader.at - 4}`);
  reader.take(4);
  const flags = reader.uint16();
  const method = reader.uint16();
  reader.take(8);
  const compressedSize = reader.uint32();
  const sizes = { size: reader.uint32(), headerOffset: 0, compressed: compressedSize };
  const nameLength = reader.uint16();
  const extraLength = reader.uint16();
  const commentLength = reader.uint16();
  reader.take(8);
  sizes.headerOffset = reader.uint32();
  const name = new TextDecoder().decode(reader.take(nameLength));
  readZip64Extra(new ByteReader(reader.take(extraLength), 0, "a zip64 field"), sizes);
  reader.take(commentLength);
  if (flags & 1) throw refuse("members that are not encrypted", quoted(name));
  checkName(name);
  const compressed = method !== 0 || sizes.compressed !== sizes.size;
  return { name, nameLength, size: sizes.compressed, compressed, headerOffset: sizes.headerOffset };
}

/** Sizes that do not fit into 32 bits stand in an extra field, in this order, each only where the field says all ones. */
function readZip64Extra(reader: ByteReader, sizes: { size: number; compressed: number; headerOffset: number }): void {
  while (reader.bytes.length - reader.at >= 4) {
    const id = reader.uint16();
    const field = new ByteReader(reader.take(reader.uint16()), 0, "a zip64 field");
    if (id !== 1) continue;
    if (sizes.size === 0xffffffff) sizes.size = field.uint64();
    if (sizes.compressed === 0xffffffff) sizes.compressed = field.uint64();
    if (sizes.headerOffset === 0xffffffff) sizes.headerOffset = field.uint64();
  }
}

function checkName(name: string): void {
  const leaves = name.startsWith("/") || name.includes("\\") || name.includes("\0") || /^[A-Za-z]:/.test(name);
  if (name === "" || leaves || name.split("/").includes("..")) {
    throw refuse("member names that stay within the archive", quoted(name));
  }
}

/** @param limit where the directory begins: members lie before it */
function locateMember(
  file: ByteSource,
  limit: number,
  { name, nameLength, size, compressed, headerOffset }: CentralEntry,
  previousEnd: number,
): ZipMemberSpan {
  if (headerOffset < previousEnd) throw refuse(`${quoted(name)} not to overlap another member`, `byte ${headerOffset}`);
  if (headerOffset > limit) throw refuse(`${quoted(name)} within the file`, `byte ${headerOffset}`);
  const what = `the zip archive's ${quoted(name)}`;
  const headerEnd = Math.min(limit, headerOffset + localHeaderBytes + nameLength);
  const reader = new ByteReader(file.bytes(headerOffset, headerEnd), 0, what);
  if (reader.uint32() !== localSignature)
    throw refuse(`a header for ${quoted(name)}`, `other bytes at ${headerOffset}`);
  reader.take(22);
  const localLength = reader.uint16();
  const extraLength = reader.uint16();
  const localName = new TextDecoder().decode(reader.take(nameLength));
  if (localLength !== nameLength || localName !== name) {
    throw refuse(`the name ${quoted(name)} at byte ${headerOffset}`, quoted(localName));
  }
  const start = headerEnd + extraLength;
  if (start + size > limit) throw cutShort(`${size} more bytes`, start, what, Math.max(0, limit - start));
  return { start, end: start + size, compressed };
}
