import { type FileHandle, open, realpath, rename, rm, stat } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { explainFileError } from "./file-errors.node.js";

let counter = 0;

/**
 * Writes a file so that at every moment, also after a crash, `path` holds either the old file or the whole new one:
 * a temporary name in the same folder, fsync, rename, fsync of the folder. On failure the temporary file is removed.
 * What is there and is no file (a device, a pipe) is not replaced but written to.
 * @param content text (UTF-8), bytes, or chunks that are asked for one after another: each while the one before is being written
 * @throws UserError saying what to do when the disk is full, the folder is missing or may not be written.
 */
export async function writeFileAtomically(
  path: string,
  content: string | Uint8Array | Iterable<Uint8Array>,
): Promise<void> {
  const chunks =
    typeof content === "string"
      ? [new TextEncoder().encode(content)]
      : content instanceof Uint8Array
        ? [content]
        : content;
  try {
    const target = await realpath(path).catch(() => path); // a link stays a link
    if (await isSpecial(target)) return await writeThrough(target, chunks);
    const { file, temporary } = await openTemporary(target);
    try {
      try {
        await writeAll(file, chunks);
        await file.sync();
      } finally {
        await file.close();
      }
      await rename(temporary, target);
    } catch (error) {
      await rm(temporary, { force: true });
      throw error;
    }
    await syncFolder(dirname(target));
  } catch (error) {
    throw explainFileError("write", path, error);
  }
}

async function isSpecial(target: string): Promise<boolean> {
  const there = await stat(target).catch(() => undefined);
  return there !== undefined && !there.isFile() && !there.isDirectory();
}

async function writeThrough(target: string, chunks: Iterable<Uint8Array>): Promise<void> {
  const file = await open(target, "w");
  try {
    await writeAll(file, chunks);
  } finally {
    await file.close();
  }
}

async function openTemporary(target: string): Promise<{ file: FileHandle; temporary: string }> {
  for (;;) {
    const temporary = join(dirname(target), `.${basename(target)}.${process.pid}.${counter++}.tmp`);
    try {
      return { file: await open(temporary, "wx"), temporary };
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error; // left by a killed process of the same id
    }
  }
}

async function writeAll(file: FileHandle, chunks: Iterable<Uint8Array>): Promise<void> {
  let writing: Promise<void> = Promise.resolve();
  try {
    for (const chunk of chunks) {
      await writing;
      writing = writeChunk(file, chunk);
      writing.catch(() => {}); // it is awaited, but only after the next chunk was made
    }
  } finally {
    await writing;
  }
}

async function writeChunk(file: FileHandle, chunk: Uint8Array): Promise<void> {
  for (let at = 0; at < chunk.length; ) {
    at += (await file.write(chunk, at, Math.min(2 ** 30, chunk.length - at))).bytesWritten;
  }
}

/** Makes the rename itself durable. Windows cannot open a folder; its rename needs no such step. */
export async function syncFolder(folder: string): Promise<void> {
  if (process.platform === "win32") return;
  const handle = await open(folder, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
