import { UserError } from "../core/errors.js";
import { describeSystemError } from "../core/system-errors.js";

export interface ReadLimits {
  readonly signal?: AbortSignal | undefined;
  /** Largest number of bytes that is taken from the network, a stream or a Blob. Default 64 MiB. */
  readonly maxBytes?: number | undefined;
  /** Milliseconds without a byte after which a server is given up. Default 30,000. */
  readonly patience?: number | undefined;
}

const defaultMaxBytes = 64 * 2 ** 20;
const defaultPatience = 30_000;

/**
 * A file from the network or a data: URL.
 * @param what it shall be, for errors
 * @throws UserError when the server does not answer, has none, sends too much or nothing for too long; the signal's reason.
 */
export async function fetchFile(
  url: URL,
  what: string,
  limits: ReadLimits,
): Promise<{ readonly bytes: Uint8Array<ArrayBuffer>; readonly name: string }> {
  const name = url.protocol === "data:" ? "the data: URL" : `${url.origin}${url.pathname}`;
  if (!/^(https?|data):$/.test(url.protocol)) {
    throw new UserError({ expected: "an address that begins with http, https, file or data", received: url.protocol });
  }
  const expected = `${what} at ${name}`;
  const silence = new AbortController();
  const signal = AbortSignal.any([silence.signal, ...(limits.signal ? [limits.signal] : [])]);
  const remedy = "check the address and the network, or try later";
  const tooSlow = new UserError({ expected, received: "no answer in time", remedy });
  const listen = () => setTimeout(() => silence.abort(tooSlow), limits.patience ?? defaultPatience);
  let timer = listen();
  const heard = (): void => {
    clearTimeout(timer);
    timer = listen();
  };
  try {
    const response = await fetch(url, { signal });
    if (!response.ok) {
      await response.body?.cancel();
      throw new UserError({ expected, received: `HTTP status ${response.status}`, remedy: "check the address" });
    }
    const announced = Number(response.headers.get("content-length") ?? Number.NaN);
    const bytes = response.body
      ? await collect(response.body, name, { ...limits, signal }, announced, heard)
      : new Uint8Array();
    return { bytes, name };
  } catch (error) {
    signal.throwIfAborted();
    if (error instanceof UserError) throw error;
    throw new UserError({ expected, received: describeSystemError(error), remedy }, { cause: error });
  } finally {
    clearTimeout(timer);
  }
}

type ByteStream = ReadableStream<unknown> | AsyncIterable<unknown>;

/**
 * All bytes of a stream. Where they are too many, or the signal aborts, the stream is let go at once.
 * @param announced how many there will be, where that is known
 * @param onPart called whenever some have come
 * @throws UserError for more than the limit and for what is no bytes; the signal's reason.
 */
export async function collect(
  stream: ByteStream,
  name: string,
  { signal, maxBytes = defaultMaxBytes }: ReadLimits,
  announced = Number.NaN,
  onPart?: () => void,
): Promise<Uint8Array<ArrayBuffer>> {
  const taken: Uint8Array[] = [];
  let length = 0;
  let stop = (): void => {};
  const aborted = new Promise<never>((_, reject) => {
    stop = () => reject(signal!.reason);
  });
  aborted.catch(() => {}); // told by the race
  signal?.addEventListener("abort", stop);
  let source: Source | undefined;
  try {
    source = sourceOf(stream);
    if (announced > maxBytes) throw tooLarge(name, announced, maxBytes);
    for (;;) {
      signal?.throwIfAborted();
      const { done, value } = await Promise.race([source.next(), aborted]);
      if (done) break;
      if (!(value instanceof Uint8Array)) throw noBytes(name, value);
      onPart?.();
      length += value.length;
      if (length > maxBytes) throw tooLarge(name, length, maxBytes);
      taken.push(value);
    }
  } catch (error) {
    source?.cancel();
    signal?.throwIfAborted();
    if (error instanceof UserError) throw error;
    const received = describeSystemError(error);
    throw new UserError({ expected: `the bytes of ${name}`, received, remedy: "send them again" }, { cause: error });
  } finally {
    signal?.removeEventListener("abort", stop);
  }
  const bytes = new Uint8Array(length);
  let at = 0;
  for (const part of taken) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}

interface Source {
  next(): Promise<{ readonly done?: boolean | undefined; readonly value?: unknown }>;
  /** Lets go of the stream at once: an iterator's own end waits for the part that is under way. */
  cancel(): void;
}

function sourceOf(stream: ByteStream): Source {
  if ("getReader" in stream) {
    const reader = stream.getReader();
    return { next: () => reader.read(), cancel: () => void reader.cancel().catch(() => {}) };
  }
  const parts = stream[Symbol.asyncIterator]();
  const destroy = "destroy" in stream && typeof stream.destroy === "function" ? stream.destroy : undefined;
  return {
    next: () => parts.next(),
    cancel: () => (destroy ? destroy.call(stream) : void parts.return?.()?.catch(() => {})),
  };
}

function tooLarge(name: string, bytes: number, most: number): UserError {
  return new UserError({
    expected: `at most ${most} bytes from ${name}`,
    received: `${bytes} or more`,
    remedy: "send a smaller picture, or raise maxBytes",
  });
}

function noBytes(name: string, value: unknown): UserError {
  return new UserError({
    expected: `bytes (Uint8Array) from ${name}`,
    received: typeof value === "string" ? "text" : typeof value,
    remedy: "leave the stream without an encoding and out of object mode",
  });
}
