import { fileURLToPath } from "node:url";
import { types } from "node:util";
import { UserError } from "../core/errors.js";
import { viewOf } from "../core/view-of.js";
import type { Image } from "../data/dataset.js";
import { decodeImage } from "../data/decode.node.js";
import { flattenOnWhite } from "../data/on-white.js";
import { collect, fetchFile, type ReadLimits } from "../data/remote-bytes.node.js";
import type { Picture, PortablePicture } from "./picture.js";
import { checkedPixels, copyOf, describePicture, isObject, isPixels } from "./pixels.js";

/** A longer text is no path: pictures in base64 come as one. */
const longestPath = 4096;

/**
 * Checks what a caller gives as a picture and fetches what lies elsewhere. Memory of the caller's is copied before this returns to the
 * event loop.
 * @throws UserError for what is no picture: another kind of value, pixels that do not fill width × height × channels, an address without
 * one, more bytes than the limit; the signal's reason.
 */
export async function readPicture(picture: Picture, limits: ReadLimits = {}): Promise<PortablePicture> {
  limits.signal?.throwIfAborted();
  if (typeof picture === "string") return named(picture, limits);
  if (picture instanceof URL) return addressed(picture, limits);
  if (types.isUint8Array(picture)) return encoded(copyOf(picture));
  if (types.isAnyArrayBuffer(picture)) return encoded(copyOf(viewOf(picture)));
  if (isBlob(picture)) {
    const name = "name" in picture && typeof picture.name === "string" ? picture.name : "the picture";
    return encoded(await collect(picture.stream(), name, limits, picture.size), name);
  }
  if (isStream(picture)) return encoded(await collect(picture, "the stream", limits));
  if (isPixels(picture)) {
    const { data, ...pixels } = checkedPixels(picture);
    return { kind: "pixels", ...pixels, data: copyOf(data) };
  }
  throw noPicture(picture);
}

/** The picture's pixels. @throws UserError where they cannot be read or are damaged. */
export async function decodePortable(picture: PortablePicture): Promise<Image> {
  if (picture.kind === "file") return decodeImage(picture.path);
  if (picture.kind === "bytes") return decodeImage(picture.bytes, picture.name);
  const { width, height, channels, data } = picture;
  return channels === 4 ? flattenOnWhite(width, height, data) : { width, height, channels, data };
}

/** {@link readPicture}, decoded on the calling thread. */
export async function decodePicture(picture: Picture): Promise<Image> {
  return decodePortable(await readPicture(picture));
}

async function named(text: string, limits: ReadLimits): Promise<PortablePicture> {
  if (/^(https?|file|data):/i.test(text) && URL.canParse(text)) return addressed(new URL(text), limits);
  if (text.length > 0 && text.length <= longestPath) return { kind: "file", path: text };
  throw new UserError({
    expected: "a picture's path or address",
    received: text.length === 0 ? "an empty string" : `a string of ${text.length} characters`,
    remedy: text.length === 0 ? "name a file" : 'pass base64 as Buffer.from(text, "base64")',
  });
}

async function addressed(url: URL, limits: ReadLimits): Promise<PortablePicture> {
  if (url.protocol === "file:") return { kind: "file", path: pathOf(url) };
  const { bytes, name } = await fetchFile(url, "a picture", limits);
  return encoded(bytes, name);
}

function pathOf(url: URL): string {
  try {
    return fileURLToPath(url);
  } catch (error) {
    throw new UserError(
      { expected: "a file: URL of this machine", received: url.href, remedy: "use a path" },
      { cause: error },
    );
  }
}

function encoded(bytes: Uint8Array<ArrayBuffer>, name = "the picture"): PortablePicture {
  if (bytes.length > 0) return { kind: "bytes", bytes, name };
  throw new UserError({
    expected: `the bytes of ${name}`,
    received: "none",
    remedy:
      "read it as a whole, and only once: a buffer that was moved to another thread or a body that was read is empty",
  });
}

/** Also those of other realms and of packages. */
function isBlob(value: unknown): value is Blob {
  return isObject(value) && "arrayBuffer" in value && "stream" in value && "size" in value && "slice" in value;
}

function isStream(value: unknown): value is AsyncIterable<Uint8Array> {
  return isObject(value) && Symbol.asyncIterator in value;
}

function noPicture(value: unknown): UserError {
  const remedies: readonly [boolean, string][] = [
    [types.isPromise(value), "await it"],
    [isObject(value) && "arrayBuffer" in value, "pass its body, or await its arrayBuffer()"],
    [isObject(value) && "data" in value && "info" in value, "pass { ...info, data }"],
    [ArrayBuffer.isView(value), "pass pixels with { width, height, channels }, and files as Uint8Array"],
  ];
  return new UserError({
    expected:
      "a picture: a path, an address, a file's bytes (Uint8Array, ArrayBuffer, Blob, stream) or pixels { width, height, channels, data }",
    received: describePicture(value),
    remedy: remedies.find(([fits]) => fits)?.[1] ?? "give one of these",
  });
}
