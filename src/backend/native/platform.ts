import { closeSync, openSync, readSync } from "node:fs";

/** Which C library a program of Linux was linked with: an addon has to have been made for the same one. */
export type Libc = "gnu" | "musl";

/** What a native addon is made for; `platform` and `architecture` as Node names them. */
export interface Platform {
  readonly platform: string;
  readonly architecture: string;
  /** Undefined where it cannot be told, and on other systems than Linux. */
  readonly libc: Libc | undefined;
}

/** Those that packages are published for (scripts/native-packages.mjs makes them). */
const published: readonly string[] = [
  ...["linux-x64-gnu", "linux-arm64-gnu", "linux-x64-musl", "linux-arm64-musl"],
  ...["darwin-arm64", "darwin-x64", "win32-x64", "win32-arm64"],
];

/** The package with the addon for a platform, or undefined where none is made. A Linux whose C library is unknown is taken for glibc's. */
export function nativePackage({ platform, architecture, libc = "gnu" }: Platform): string | undefined {
  const id = `${platform}-${architecture}${platform === "linux" ? `-${libc}` : ""}`;
  return published.includes(id) ? `@repvgg/${id}` : undefined;
}

/** The platform of this process. */
export function thisPlatform(): Platform {
  const libc = process.platform === "linux" ? (libcOf(startOf(process.execPath)) ?? reportedLibc()) : undefined;
  return { platform: process.platform, architecture: process.arch, libc };
}

/**
 * The C library of an ELF program, by the dynamic linker that it asks for ("/lib64/ld-linux-x86-64.so.2", "/lib/ld-musl-x86_64.so.1").
 * @param bytes the beginning of the file
 * @returns undefined for what is no little-endian ELF of 64 bits, asks for none (a static program), or for another
 */
export function libcOf(bytes: Uint8Array): Libc | undefined {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const header = 64;
  if (bytes.length < header || view.getUint32(0) !== 0x7f454c46 || bytes[4] !== 2 || bytes[5] !== 1) return undefined;
  const [table, entryBytes, entries] = [
    view.getBigUint64(32, true),
    view.getUint16(54, true),
    view.getUint16(56, true),
  ];
  for (let i = 0; i < entries; i++) {
    const entry = Number(table) + i * entryBytes;
    if (entry + 56 > bytes.length) return undefined;
    const interpreter = 3;
    if (view.getUint32(entry, true) !== interpreter) continue;
    const [offset, length] = [Number(view.getBigUint64(entry + 8, true)), Number(view.getBigUint64(entry + 32, true))];
    if (offset + length > bytes.length) return undefined;
    const path = new TextDecoder("latin1").decode(bytes.subarray(offset, offset + length));
    if (/\/ld-musl-/.test(path)) return "musl";
    return /\/ld-linux/.test(path) ? "gnu" : undefined;
  }
  return undefined;
}

/** The first bytes of a file, fewer where it is shorter; none where it cannot be read. */
function startOf(path: string): Uint8Array {
  const bytes = new Uint8Array(16384);
  try {
    const file = openSync(path, "r");
    try {
      return bytes.subarray(0, readSync(file, bytes, 0, bytes.length, 0));
    } finally {
      closeSync(file);
    }
  } catch {
    return bytes.subarray(0, 0);
  }
}

/** What Node says of its C library, for programs that were started by way of the dynamic linker. It may take long: it lists open sockets too. */
function reportedLibc(): Libc | undefined {
  const report = process.report?.getReport() as { header?: { glibcVersionRuntime?: string } } | undefined;
  if (!report?.header) return undefined;
  return report.header.glibcVersionRuntime === undefined ? "musl" : "gnu";
}
