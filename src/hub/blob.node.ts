import { createHash, type Hash } from "node:crypto";
import { createReadStream } from "node:fs";
import { type FileHandle, mkdir, open, rename, rm, stat, statfs } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { UserError } from "../core/errors.js";
import { explainFileError } from "../formats/file-errors.node.js";
import { claimPartial, releasePartial } from "./partial.node.js";
import type { Digest, RemoteFile } from "./remote-file.js";
import { backoff } from "./request.node.js";

/** Breaks in a row without a byte between them after which a download is given up. */
const maxBreaks = 5;

export interface DownloadOptions {
  /** Told of the bytes that are there, those of an earlier attempt included. */
  readonly onBytes?: ((done: number, total: number) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Makes sure that `folder` holds a file's content, whole and checked, under the name {@link RemoteFile.blob}. A download that
 * breaks off goes on where it stopped, now or at the next call; several at once do not disturb each other.
 * @returns the digest, hexadecimal
 * @throws UserError when it cannot be got, is damaged, or cannot be written.
 */
export async function ensureBlob(folder: string, file: RemoteFile, options: DownloadOptions = {}): Promise<string> {
  const path = join(folder, file.blob);
  try {
    const there = await digestOf(path, file.digest, file.bytes);
    if (there !== undefined) return there;
    await mkdir(folder, { recursive: true });
    const partial = await claimPartial(folder, file.blob);
    try {
      const digest = await complete(partial, folder, file, options);
      await rename(partial, path);
      return digest;
    } finally {
      releasePartial(partial);
    }
  } catch (error) {
    throw explainFileError("write", path, error);
  }
}

/**
 * The digest of a file; undefined where there is no such file or it is not what it should be.
 * @param bytes its size, where that is known
 */
export async function digestOf(path: string, digest: Digest, bytes?: number): Promise<string | undefined> {
  const found = await stat(path).catch(() => undefined);
  if (!found?.isFile() || (bytes !== undefined && found.size !== bytes)) return undefined;
  const hash = startHash(digest, found.size);
  await hashFile(hash, path);
  const hex = hash.digest("hex");
  return hex.startsWith(digest.hex ?? "") ? hex : undefined;
}

async function complete(partial: string, folder: string, file: RemoteFile, options: DownloadOptions): Promise<string> {
  for (;;) {
    const { size } = await stat(partial);
    const resumed = size > 0 && size <= file.bytes;
    if (size > file.bytes) await truncate(partial);
    await checkSpace(folder, file.bytes - (resumed ? size : 0));
    const { received, hex } = await receive(partial, file, options);
    if (received === file.bytes && hex.startsWith(file.digest.hex ?? "")) return hex;
    await truncate(partial);
    if (resumed) continue; // what was there before may have been the damaged part
    await rm(partial, { force: true });
    throw new UserError({
      expected: file.digest.hex
        ? `${file.name} of ${file.bytes} bytes with ${file.digest.algorithm} ${file.digest.hex}`
        : `${file.name} of ${file.bytes} bytes`,
      received: received === file.bytes ? hex : `${received > file.bytes ? "more" : received} bytes`,
      remedy: "the file was damaged on its way or changed at its source; try again, or another HF_ENDPOINT",
    });
  }
}

/** Appends what is missing. More than `file.bytes` are never written. */
async function receive(
  partial: string,
  file: RemoteFile,
  { onBytes, signal }: DownloadOptions,
): Promise<{ received: number; hex: string }> {
  const hash = startHash(file.digest, file.bytes);
  await hashFile(hash, partial);
  const target = await open(partial, "a");
  let received = (await target.stat()).size;
  onBytes?.(received, file.bytes);
  try {
    for (let breaks = 0; received < file.bytes; ) {
      const before = received;
      try {
        for await (const chunk of file.open(received)) {
          if (received + chunk.length > file.bytes) return { received: received + chunk.length, hex: "" };
          await writeAll(target, chunk);
          hash.update(chunk);
          received += chunk.length;
          onBytes?.(received, file.bytes);
        }
        if (received < file.bytes) throw new Error(`the connection ended after ${received} bytes`);
      } catch (error) {
        if (signal?.aborted || error instanceof UserError || isFileError(error)) throw error;
        breaks = received > before ? 1 : breaks + 1;
        if (breaks === maxBreaks) throw broken(file, received, error);
        await sleep(backoff(breaks), undefined, signal ? { signal } : {});
      }
    }
    await target.sync();
  } finally {
    await target.close();
  }
  return { received, hex: hash.digest("hex") };
}

function isFileError(error: unknown): boolean {
  const { code, syscall } = error as NodeJS.ErrnoException;
  return code !== undefined && (syscall === "write" || syscall === "fsync");
}

function broken(file: RemoteFile, received: number, error: unknown): UserError {
  return new UserError(
    {
      expected: `${file.bytes} bytes of ${file.name}`,
      received: `${received}, then ${error instanceof Error ? error.message : String(error)}`,
      remedy: "run it again: it goes on where it stopped",
    },
    { cause: error },
  );
}

function startHash(digest: Digest, bytes: number): Hash {
  return digest.algorithm === "sha256" ? createHash("sha256") : createHash("sha1").update(`blob ${bytes}\0`);
}

async function hashFile(hash: Hash, path: string): Promise<void> {
  for await (const chunk of createReadStream(path, { highWaterMark: 2 ** 20 })) hash.update(chunk as Uint8Array);
}

async function writeAll(file: FileHandle, chunk: Uint8Array): Promise<void> {
  for (let at = 0; at < chunk.length; ) at += (await file.write(chunk, at)).bytesWritten;
}

async function truncate(path: string): Promise<void> {
  const file = await open(path, "r+");
  await file.truncate(0).finally(() => file.close());
}

/** Asked before, not found out after half an hour. */
async function checkSpace(folder: string, bytes: number): Promise<void> {
  const { bavail, bsize } = await statfs(folder);
  const free = bavail * bsize;
  if (bytes <= free) return;
  const mega = (n: number): string => `${Math.ceil(n / 1e6).toLocaleString("en")} MB`;
  throw new UserError({
    expected: `${mega(bytes)} of free space in ${folder}`,
    received: mega(free),
    remedy: "free some, or set HF_HOME to a folder on another disk",
  });
}
