import { createHash, randomUUID } from "node:crypto";
import { createReadStream } from "node:fs";
import { mkdir, open, rename, rm, stat } from "node:fs/promises";
import { dirname } from "node:path";
import { UserError } from "../core/errors.js";
import { describeSystemError } from "../core/system-errors.js";

/** A file that is known in advance. */
export interface KnownFile {
  readonly url: string;
  readonly bytes: number;
  /** SHA-256 in hexadecimal. */
  readonly sha256: string;
}

/**
 * Makes sure that `path` holds the known file: downloads it where it is missing or not the file, checks size and SHA-256,
 * and only then gives it its name.
 * @param options.onProgress called with the bytes received so far
 * @throws UserError where it cannot be downloaded, is another file, or cannot be written
 */
export async function ensureDownloaded(
  file: KnownFile,
  path: string,
  options: { onProgress?: (received: number, total: number) => void; signal?: AbortSignal } = {},
): Promise<void> {
  if (await holds(path, file)) return;
  // A name of its own for each attempt: two processes may download the same file at the same time.
  const temporary = `${path}.${randomUUID()}.part`;
  try {
    await mkdir(dirname(path), { recursive: true });
    await download(file, temporary, options);
    await rename(temporary, path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).syscall === undefined) throw error;
    const received = describeSystemError(error);
    throw new UserError(
      { expected: `to write ${path}`, received, remedy: "free space or choose another cache" },
      { cause: error },
    );
  } finally {
    await rm(temporary, { force: true }).catch(() => undefined); // gone, or there never was a place for it
  }
}

async function holds(path: string, file: KnownFile): Promise<boolean> {
  const found = await stat(path).catch(() => undefined);
  if (found?.size !== file.bytes) return false;
  const hash = createHash("sha256");
  for await (const chunk of createReadStream(path)) hash.update(chunk as Uint8Array);
  return hash.digest("hex") === file.sha256;
}

async function download(
  file: KnownFile,
  path: string,
  { onProgress, signal }: { onProgress?: (received: number, total: number) => void; signal?: AbortSignal },
): Promise<void> {
  const response = await fetch(file.url, signal ? { signal } : {}).catch((error: Error) => {
    if (signal?.aborted) throw error;
    throw failed(file, describeSystemError(error), error);
  });
  if (!response.ok || !response.body) throw failed(file, `HTTP status ${response.status}`);
  const hash = createHash("sha256");
  const target = await open(path, "wx");
  let received = 0;
  try {
    for await (const chunk of chunksOf(response.body, file)) {
      received += chunk.length;
      if (received > file.bytes) break;
      hash.update(chunk);
      await target.appendFile(chunk); // all of it: write() may take only a part
      onProgress?.(received, file.bytes);
    }
    await target.sync();
  } finally {
    await target.close();
  }
  if (received !== file.bytes) {
    const more = received > file.bytes ? "more" : String(received);
    throw new UserError({ expected: `${file.bytes} bytes from ${file.url}`, received: more, remedy: "try again" });
  }
  const digest = hash.digest("hex");
  if (digest !== file.sha256) {
    throw new UserError({
      expected: `a file with SHA-256 ${file.sha256} from ${file.url}`,
      received: digest,
      remedy: "the file was changed on its way or at its source; get it from a source that you trust",
    });
  }
}

async function* chunksOf(body: ReadableStream<Uint8Array>, file: KnownFile): AsyncGenerator<Uint8Array> {
  const reader = body.getReader();
  try {
    for (;;) {
      const { done, value } = await reader.read().catch((error: Error) => {
        throw failed(file, `a connection that broke off (${error.message})`, error);
      });
      if (done) return;
      yield value;
    }
  } finally {
    await reader.cancel().catch(() => undefined);
  }
}

function failed(file: KnownFile, received: string, cause?: unknown): UserError {
  return new UserError(
    {
      expected: `to download ${file.url}`,
      received,
      remedy: "check the network, or give a folder that holds the data set",
    },
    { cause },
  );
}
