import { UserError } from "../core/errors.js";
import { damaged, type ExpectedContent, isExpected } from "./content-check.js";

/** Bytes under way. */
export interface LoadProgress {
  /** Bytes that are here. */
  readonly loaded: number;
  /** Undefined where the server does not say. */
  readonly total: number | undefined;
  /** They come from the browser's store, not from the network. */
  readonly cached: boolean;
}

/**
 * How a file from the network is kept in this browser (Cache Storage; pages on https and localhost have one):
 * - `revalidate`: the stored copy where the server says that it has no other one, or cannot be reached;
 * - `first`: the stored copy without asking, for addresses whose content never changes;
 * - `off`: nothing is stored or looked for.
 */
export type CacheMode = "revalidate" | "first" | "off";

/** How a file comes from the network. */
export interface FetchOptions {
  /** Gives up; the promise rejects with the signal's reason. */
  readonly signal?: AbortSignal;
  /** Told of the bytes that have come. */
  readonly onProgress?: (progress: LoadProgress) => void;
  /** Default `revalidate`. */
  readonly cache?: CacheMode;
}

/** Name of the store: `caches.delete(cacheName)` empties it. */
export const cacheName = "repvgg-files-1";

/**
 * A file's bytes from the network, or from the browser's store.
 * @param expected what they have to be: others are neither taken from the store nor put there
 * @throws UserError when the server does not answer, has no such file or sends another one; the signal's reason when it is aborted.
 */
export async function fetchBytes(
  url: URL,
  options: FetchOptions = {},
  expected?: ExpectedContent,
): Promise<Uint8Array<ArrayBuffer>> {
  const { signal, onProgress, cache = "revalidate" } = options;
  signal?.throwIfAborted();
  const store = cache === "off" ? undefined : await openStore(url);
  const stored = await store?.match(url);
  if (stored && (cache === "first" || (await stillCurrent(url, stored, signal)))) {
    const bytes = await readBody(stored, true, signal, onProgress);
    if (!expected || (await isExpected(bytes, expected))) return bytes;
    await store?.delete(url);
  }
  const response = await request(url, signal);
  if (!response.ok) {
    throw new UserError({
      expected: `a file at ${url.href}`,
      received: `HTTP status ${response.status}`,
      remedy: "check the address",
    });
  }
  const bytes = await readBody(response, false, signal, onProgress, expected?.bytes);
  if (expected && !(await isExpected(bytes, expected))) throw damaged(url, expected, bytes.length);
  // Where the store is full the file is fetched anew next time.
  store?.put(url, copyFor(response, bytes)).catch(() => {});
  return bytes;
}

/** @throws UserError when the server does not answer. */
async function request(url: URL, signal: AbortSignal | undefined): Promise<Response> {
  try {
    return await fetch(url, signal ? { signal } : {});
  } catch (error) {
    signal?.throwIfAborted();
    throw unanswered(url, error);
  }
}

function unanswered(url: URL, cause: unknown): UserError {
  const parts = {
    expected: `a file at ${url.href}`,
    received: "no answer",
    remedy:
      "check the address and the connection; the page's Content Security Policy must allow it (connect-src), and another site's server this page (CORS)",
  };
  return new UserError(parts, { cause });
}

/** Undefined where there is none, or for addresses that it does not take. */
export async function openStore(url: URL): Promise<Cache | undefined> {
  if (typeof caches === "undefined" || !/^https?:$/.test(url.protocol)) return undefined;
  return caches.open(cacheName).catch(() => undefined); // private windows may forbid it
}

const validators = ["etag", "last-modified", "content-length"] as const;

/** Whether the server has the file that was stored; also where it cannot be asked. */
async function stillCurrent(url: URL, stored: Response, signal: AbortSignal | undefined): Promise<boolean> {
  let head: Response;
  try {
    head = await fetch(url, { method: "HEAD", cache: "no-cache", ...(signal && { signal }) });
    await head.arrayBuffer(); // an answer that is not read to its end, though empty, counts as broken off
  } catch {
    signal?.throwIfAborted();
    return true;
  }
  if (!head.ok) return false;
  const known = validators.filter((name) => head.headers.has(name));
  const telling = known.some((name) => name !== "content-length");
  return telling && known.every((name) => head.headers.get(name) === stored.headers.get(name));
}

function copyFor(response: Response, bytes: Uint8Array<ArrayBuffer>): Response {
  const headers = new Headers();
  for (const name of validators) {
    const value = response.headers.get(name);
    if (value !== null) headers.set(name, value);
  }
  return new Response(bytes, { headers });
}

/** Bytes for which room is made at once when a server announces them; what really comes may be more. */
const mostBelieved = 2 ** 28;

/**
 * A body's bytes, in one array.
 * @param most how many are wanted: of more only the first that are too many are read
 * @throws UserError when the connection breaks.
 */
export async function readBody(
  response: Response,
  cached: boolean,
  signal?: AbortSignal,
  onProgress?: (progress: LoadProgress) => void,
  most = Number.POSITIVE_INFINITY,
): Promise<Uint8Array<ArrayBuffer>> {
  const announced = Number(response.headers.get("content-length") ?? Number.NaN);
  // A packed body is longer than the header says when it is unpacked.
  const total = announced > 0 && !response.headers.has("content-encoding") ? announced : undefined;
  let bytes = new Uint8Array(Math.min(total ?? 1 << 20, mostBelieved));
  let loaded = 0;
  const reader = response.body?.getReader();
  const abort = (): void => void reader?.cancel(signal?.reason).catch(() => {});
  signal?.addEventListener("abort", abort);
  try {
    onProgress?.({ loaded, total, cached });
    for (;;) {
      const part = await reader?.read();
      signal?.throwIfAborted();
      if (!part || part.done) break;
      if (loaded + part.value.length > bytes.length) {
        const larger = new Uint8Array(Math.max(2 * bytes.length, loaded + part.value.length));
        larger.set(bytes.subarray(0, loaded));
        bytes = larger;
      }
      bytes.set(part.value, loaded);
      loaded += part.value.length;
      onProgress?.({ loaded, total, cached });
      if (loaded > most) {
        await reader?.cancel();
        break;
      }
    }
  } catch (error) {
    signal?.throwIfAborted();
    throw unanswered(new URL(response.url), error);
  } finally {
    signal?.removeEventListener("abort", abort);
  }
  return loaded === bytes.length ? bytes : bytes.slice(0, loaded);
}
