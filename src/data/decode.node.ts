import { readFile } from "node:fs/promises";
import { UserError } from "../core/errors.js";
import { BrokenImageError } from "./broken-image.js";
import type { Image } from "./dataset.js";
import { toChannels } from "./image.js";
import { loadSharp } from "./load-sharp.node.js";

/**
 * Decodes a JPEG, PNG or WebP picture: turned as its EXIF orientation says, in sRGB, 16 bits reduced to 8, alpha
 * composited on white. Grey pictures come with one channel, all others with three.
 * @param picture the file's bytes, or its path
 * @param name how errors call the picture, where bytes are given
 * @throws BrokenImageError where it is none of these, or damaged; UserError where the file cannot be read
 */
export async function decodeImage(picture: Uint8Array | string, name = "the picture"): Promise<Image> {
  const file = typeof picture === "string" ? picture : name;
  const bytes = typeof picture === "string" ? await readPicture(picture) : picture;
  const format = sniffImage(bytes);
  if (!format) throw new BrokenImageError(file, describeOther(bytes));
  const sharp = await loadSharp();
  try {
    // "error" still fails on truncated files, but lets pass what other decoders only warn of.
    const input = sharp(bytes, { failOn: "error" });
    const { channels } = await input.metadata();
    const { data, info } = await input
      .autoOrient()
      .flatten({ background: "white" })
      .toColourspace("srgb")
      .raw({ depth: "uchar" })
      .toBuffer({ resolveWithObject: true });
    const pixels = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
    const image: Image = {
      width: info.width,
      height: info.height,
      channels: info.channels === 1 ? 1 : 3,
      data: pixels,
    };
    return channels !== undefined && channels <= 2 ? toChannels(image, 1) : image;
  } catch (error) {
    throw new BrokenImageError(file, `damaged ${format}: ${(error as Error).message.split("\n")[0]}`, { cause: error });
  }
}

async function readPicture(path: string): Promise<Uint8Array> {
  try {
    return await readFile(path);
  } catch (error) {
    throw unreadable(path, "a picture", error);
  }
}

/** The error for a file or folder that the system does not let us read. */
export function unreadable(path: string, what: string, error: unknown): UserError {
  const { code, message } = error as NodeJS.ErrnoException;
  const received = code === "ENOENT" ? "no such file or folder" : code === "EACCES" ? "permission denied" : message;
  return new UserError({ expected: `${what} at ${path}`, received, remedy: "check the path" }, { cause: error });
}

/** Bytes that {@link sniffImage} needs. */
export const sniffBytes = 12;

/** The format that a file's first bytes show, whatever its name says. */
export function sniffImage(bytes: Uint8Array): "JPEG" | "PNG" | "WebP" | undefined {
  const starts = (at: number, ...values: number[]): boolean => values.every((value, i) => bytes[at + i] === value);
  if (starts(0, 0xff, 0xd8, 0xff)) return "JPEG";
  if (starts(0, 0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a)) return "PNG";
  if (starts(0, 0x52, 0x49, 0x46, 0x46) && starts(8, 0x57, 0x45, 0x42, 0x50)) return "WebP";
  return undefined;
}

/** What a file that is no picture of ours looks like, for the message. */
export function describeOther(bytes: Uint8Array): string {
  if (bytes.length === 0) return "empty file";
  const text = bytes
    .subarray(0, sniffBytes)
    .every((byte) => (byte >= 0x20 && byte < 0x7f) || byte === 9 || byte === 10 || byte === 13);
  return text ? "text, not a picture" : "not a picture of these formats";
}
