import { open, readFile } from "node:fs/promises";
import { UserError } from "../core/errors.js";
import { describeSystemError } from "../core/system-errors.js";
import { BrokenImageError } from "./broken-image.js";
import type { Image } from "./dataset.js";
import { describeKind, fileKind, kindRemedy, type PictureFormat } from "./file-kind.js";
import { toChannels } from "./image.js";
import { loadSharp } from "./load-sharp.node.js";

/** Bytes that a picture's file may have: pictures within the pixel limit, uncompressed, are smaller. */
const mostBytes = 2 ** 31 - 1;

/**
 * Decodes a JPEG, PNG, WebP, GIF, AVIF or TIFF picture, HEIC where the installed sharp has a decoder for it: turned as its EXIF
 * orientation says, in sRGB, 16 bits reduced to 8, alpha composited on white; of several frames the first. Grey pictures come
 * with one channel, all others with three.
 * @param picture the file's bytes, or its path
 * @param name how errors call the picture, where bytes are given
 * @throws BrokenImageError where it is none of these, damaged, or of more pixels than sharp decodes (268 million); UserError where
 * the file cannot be read
 */
export async function decodeImage(picture: Uint8Array | string, name = "the picture"): Promise<Image> {
  const file = typeof picture === "string" ? picture : name;
  const bytes = typeof picture === "string" ? await readPicture(picture) : picture;
  const kind = fileKind(bytes, file);
  if (!kind.format) {
    const remedy = kindRemedy(kind);
    throw new BrokenImageError(file, describeKind(kind), remedy === undefined ? {} : { remedy });
  }
  const sharp = await loadSharp();
  try {
    // "error" still fails on truncated files, but lets pass what other decoders only warn of.
    const input = sharp(bytes, { failOn: "error" });
    const { channels, pages = 1, format } = await input.metadata();
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
    const decoded = channels !== undefined && channels <= 2 ? toChannels(image, 1) : image;
    // Pages of HEIF are pictures of one shot; the main one was taken.
    return pages > 1 && format !== "heif" ? { ...decoded, frames: pages } : decoded;
  } catch (error) {
    throw await undecodable(file, kind.format, bytes, error);
  }
}

/** Whether the installed sharp decodes HEIC: its prebuilt binaries hold no HEVC decoder, a libvips of the system's own may. */
async function readsHeic(): Promise<boolean> {
  const sharp = await loadSharp();
  return sharp.format.heif.input.fileSuffix?.includes(".heic") ?? false;
}

const noHeic = "HEIC: this build of sharp has no HEVC decoder";

/** Why a file whose format is read is of no use all the same; undefined where it may be read. */
export async function unreadFormat(format: PictureFormat): Promise<string | undefined> {
  return format === "HEIC" && !(await readsHeic()) ? noHeic : undefined;
}

async function undecodable(
  file: string,
  format: PictureFormat,
  bytes: Uint8Array,
  cause: unknown,
): Promise<BrokenImageError> {
  const reason = await unreadFormat(format);
  if (reason !== undefined) return new BrokenImageError(file, reason, { cause, remedy: "convert to JPEG" });
  const line = (cause as Error).message.split("\n")[0]!.trim().replace(/:$/, "");
  if (/exceeds pixel limit/.test(line)) {
    const sharp = await loadSharp();
    const size = await sharp(bytes, { limitInputPixels: false })
      .metadata()
      .then(({ width, height }) => `${width}×${height} pixels`)
      .catch(() => "more pixels");
    return new BrokenImageError(file, `${format} of ${size}; at most ${pixelLimit} million are decoded`, {
      cause,
      remedy: "make it smaller",
    });
  }
  return new BrokenImageError(file, `damaged ${format}: ${line}`, { cause });
}

/** Of sharp, in millions: 0x3fff × 0x3fff. */
const pixelLimit = Math.floor((0x3fff * 0x3fff) / 1e6);

async function readPicture(path: string): Promise<Uint8Array> {
  try {
    const file = await open(path);
    try {
      const stat = await file.stat();
      if (stat.isDirectory()) throw Object.assign(new Error("a folder"), { code: "EISDIR" });
      if (stat.size > mostBytes) throw new BrokenImageError(path, `a file of ${stat.size} bytes`);
      return await readFile(file);
    } finally {
      await file.close();
    }
  } catch (error) {
    throw error instanceof UserError ? error : unreadable(path, "a picture", error);
  }
}

/** The error for a file or folder that the system does not let us read. */
export function unreadable(path: string, what: string, error: unknown): UserError {
  const received = describeSystemError(error);
  return new UserError({ expected: `${what} at ${path}`, received, remedy: "check the path" }, { cause: error });
}
