import { FormatError } from "../../core/errors.js";
import { quoted } from "../array-bytes.js";
import { ByteReader } from "../byte-reader.js";
import { MemoryBudget, memoryCost } from "../memory-budget.js";

export const localSignature = 0x04034b50;
export const centralSignature = 0x02014b50;
export const endSignature = 0x06054b50;
const zip64EndSignature = 0x06064b50;
const zip64LocatorSignature = 0x07064b50;

export const endBytes = 22;
const maxCommentBytes = 0xffff;

interface CentralEntry {
  readonly name: string;
  readonly size: number;
  readonly headerOffset: number;
}

/**
 * The members of a zip file, uncompressed ones only, as PyTorch writes them (PKWARE's APPNOTE 6.3.9, zip64 included).
 * Members are views on `bytes`: nothing is inflated, so that nothing can explode.
 * @throws FormatError on compressed or encrypted members, on names that leave the archive or come twice, and on members
 *   that overlap or reach beyond the file.
 */
export function readStoredZip(bytes: Uint8Array): Map<string, Uint8Array> {
  const directory = findDirectory(bytes);
  const reader = new ByteReader(bytes.subarray(0, directory.end), directory.offset, "the zip directory");
  const entries: CentralEntry[] = [];
  // Every round takes at least 46 bytes, so that a false count ends with the directory.
  const budget = new MemoryBudget(bytes.length, "the zip directory");
  for (let i = 0; i < directory.count; i++) {
    budget.charge(memoryCost.view + memoryCost.dictionary);
    entries.push(readCentralEntry(reader));
  }
  const members = new Map<string, Uint8Array>();
  let previousEnd = 0;
  for (const entry of entries.sort((a, b) => a.headerOffset - b.headerOffset)) {
    if (members.has(entry.name)) throw refuse("every member once", `a second ${quoted(entry.name)}`);
    const data = readMember(bytes.subarray(0, directory.offset), entry, previousEnd);
    previousEnd = data.end;
    members.set(entry.name, bytes.subarray(data.start, data.end));
  }
  return members;
}

/** Whether the bytes begin as a zip file does. */
export function isZip(bytes: Uint8Array): boolean {
  return bytes.length >= 4 && new ByteReader(bytes).uint32() === localSignature;
}

function refuse(expected: string, received: string): FormatError {
  return new FormatError({ expected, received: `${received} in the zip archive` });
}

function findDirectory(bytes: Uint8Array): { offset: number; end: number; count: number } {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const lowest = Math.max(0, bytes.length - endBytes - maxCommentBytes);
  for (let at = bytes.length - endBytes; at >= lowest; at--) {
    if (view.getUint32(at, true) !== endSignature) continue;
    const commentLength = view.getUint16(at + 20, true);
    if (at + endBytes + commentLength !== bytes.length) continue;
    const zip64 = readZip64End(bytes, at);
    const count = zip64?.count ?? view.getUint16(at + 10, true);
    const size = zip64?.size ?? view.getUint32(at + 12, true);
    const offset = zip64?.offset ?? view.getUint32(at + 16, true);
    if (offset + size > at) throw refuse("the directory within the file", `bytes ${offset} to ${offset + size}`);
    return { offset, end: offset + size, count };
  }
  throw new FormatError({
    expected: "a zip archive with its directory at the end",
    received: "none",
    remedy: "the file is cut short; fetch it again",
  });
}

function readZip64End(bytes: Uint8Array, endAt: number): { offset: number; size: number; count: number } | undefined {
  const locatorAt = endAt - 20;
  if (locatorAt < 0) return undefined;
  const locator = new ByteReader(bytes, locatorAt, "the zip64 locator");
  if (locator.uint32() !== zip64LocatorSignature) return undefined;
  locator.uint32();
  const recordAt = locator.uint64();
  if (recordAt > locatorAt) throw refuse("the zip64 record before its locator", `byte ${recordAt}`);
  const record = new ByteReader(bytes.subarray(0, locatorAt), recordAt, "the zip64 record");
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
  if (method !== 0 || sizes.compressed !== sizes.size) {
    throw new FormatError({
      expected: "a zip archive whose members are stored, as PyTorch writes it",
      received: `a compressed ${quoted(name)}`,
      remedy: "save the checkpoint again with torch.save, or unzip and zip it with `zip -0`",
    });
  }
  checkName(name);
  return { name, size: sizes.size, headerOffset: sizes.headerOffset };
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

function readMember(
  bytes: Uint8Array,
  { name, size, headerOffset }: CentralEntry,
  previousEnd: number,
): { start: number; end: number } {
  if (headerOffset < previousEnd) throw refuse(`${quoted(name)} not to overlap another member`, `byte ${headerOffset}`);
  if (headerOffset > bytes.length) throw refuse(`${quoted(name)} within the file`, `byte ${headerOffset}`);
  const reader = new ByteReader(bytes, headerOffset, `the zip archive's ${quoted(name)}`);
  if (reader.uint32() !== localSignature)
    throw refuse(`a header for ${quoted(name)}`, `other bytes at ${headerOffset}`);
  reader.take(22);
  const nameLength = reader.uint16();
  const extraLength = reader.uint16();
  const localName = new TextDecoder().decode(reader.take(nameLength));
  if (localName !== name) throw refuse(`the name ${quoted(name)} at byte ${headerOffset}`, quoted(localName));
  reader.take(extraLength);
  const start = reader.at;
  reader.take(size);
  return { start, end: start + size };
}
