import { UserError } from "../core/errors.js";
import { describeSystemError } from "../core/system-errors.js";
import type { Image } from "./dataset.js";
import { decodeImage } from "./decode.node.js";
import { isAddress } from "./find-pictures.node.js";

/** Bytes of a picture from the network or standard input: more is taken for a mistake. */
const mostBytes = 2 ** 28;

/** Milliseconds without a byte after which a server is given up. */
const patience = 30_000;

/** What readers may be told otherwise; tests do. */
export interface ReadLimits {
  /** Default 256 MiB. */
  readonly maxBytes?: number;
  /** Milliseconds without a byte. Default 30,000. */
  readonly patience?: number;
}

/**
 * Decodes a picture from a path, an address (http, https) or standard input ("-").
 * @throws BrokenImageError as {@link decodeImage}; UserError where it cannot be had
 */
export async function readPicture(place: string, limits: ReadLimits = {}): Promise<Image> {
  if (place === "-") return decodeImage(await gathered(process.stdin, "standard input", limits), "standard input");
  if (isAddress(place)) return decodeImage(await fetchPicture(place, limits), place);
  return decodeImage(place);
}

/** A file's bytes from the web. Redirects are followed. @throws UserError where the server does not give it */
async function fetchPicture(address: string, limits: ReadLimits): Promise<Uint8Array> {
  const give = new AbortController();
  const tooSlow = new UserError({
    expected: `a picture at ${address}`,
    received: "no answer in time",
    remedy: "check the address and the network, or try later",
  });
  const wait = limits.patience ?? patience;
  let timer = setTimeout(() => give.abort(tooSlow), wait);
  const alive = (): void => {
    clearTimeout(timer);
    timer = setTimeout(() => give.abort(tooSlow), wait);
  };
  try {
    const response = await fetch(address, { signal: give.signal, headers: { accept: "image/*,*/*;q=0.5" } });
    if (!response.ok || !response.body) {
      await response.body?.cancel();
      throw new UserError({
        expected: `a picture at ${address}`,
        received: `HTTP status ${response.status}`,
        remedy: "check the address",
      });
    }
    const announced = Number(response.headers.get("content-length") ?? 0);
    if (announced > (limits.maxBytes ?? mostBytes)) {
      await response.body.cancel();
      throw tooLarge(address, limits);
    }
    return await gathered(response.body, address, limits, alive);
  } catch (error) {
    if (error instanceof UserError) throw error;
    if (give.signal.aborted) throw tooSlow;
    throw new UserError(
      {
        expected: `a picture at ${address}`,
        received: describeSystemError(error),
        remedy: "check the address and the network",
      },
      { cause: error },
    );
  } finally {
    clearTimeout(timer);
  }
}

/** A stream's bytes. @throws UserError where there are too many, or none */
async function gathered(
  stream: AsyncIterable<Uint8Array>,
  from: string,
  limits: ReadLimits,
  onChunk?: () => void,
): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of stream) {
    onChunk?.();
    length += chunk.length;
    if (length > (limits.maxBytes ?? mostBytes)) throw tooLarge(from, limits);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

function tooLarge(from: string, { maxBytes = mostBytes }: ReadLimits): UserError {
  return new UserError({
    expected: `a picture of at most ${Math.floor(maxBytes / 2 ** 20)} MiB from ${from}`,
    received: "more",
    remedy: "save it and give the file",
  });
}
