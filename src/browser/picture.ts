import type { RawPixels } from "../classifier/picture.js";
import { checkedPixels, describePicture, isPixels } from "../classifier/pixels.js";
import { UserError } from "../core/errors.js";
import type { Image } from "../data/dataset.js";
import { describeKind, fileKind, kindRemedy, type PictureFormat, sniffBytes } from "../data/file-kind.js";
import { flattenOnWhite, rgbOnWhite } from "../data/on-white.js";

/** What shows a picture in a browser; or a file of one (chosen, or its bytes), or decoded pixels. */
export type Picture =
  | ImageBitmap
  | HTMLImageElement
  | HTMLVideoElement
  | HTMLCanvasElement
  | OffscreenCanvas
  | ImageData
  | Blob
  | Uint8Array<ArrayBuffer>
  | ArrayBuffer
  | RawPixels;

/** Those that another thread can be given. */
export type PortablePicture = ImageBitmap | Blob | RawPixels;

/**
 * A picture's pixels as the browser shows them: turned as EXIF says, in sRGB, transparent parts on white; of a video the frame
 * that is on. Grey pictures come as RGB, which the net's own step takes back.
 * @throws UserError for a picture that is broken, not there yet, or of a site that keeps its pixels to itself.
 */
export async function decodePicture(picture: Picture): Promise<Image> {
  if (isPixels(picture)) return opaque(checkedPixels(picture));
  const bitmap = await toBitmap(picture);
  try {
    return bitmapPixels(bitmap);
  } finally {
    if (bitmap !== picture) bitmap.close();
  }
}

function opaque({ width, height, channels, data }: RawPixels): Image {
  return channels === 4 ? flattenOnWhite(width, height, data) : { width, height, channels, data: new Uint8Array(data) };
}

/** Pixels that are drawn and read at once: of large pictures one strip after another, so that only their RGB is held whole. */
const stripPixels = 2 ** 22;

/** @throws UserError for pixels of another site, and for more of them than this browser holds. */
function bitmapPixels(bitmap: ImageBitmap): Image {
  const { width, height } = bitmap;
  const rows = Math.min(height, Math.max(1, Math.floor(stripPixels / width)));
  const context = new OffscreenCanvas(width, rows).getContext("2d", { willReadFrequently: true, colorSpace: "srgb" });
  if (!context) throw tooLarge(width, height);
  const data = pixelArray(width, height);
  for (let top = 0; top < height; top += rows) {
    const count = Math.min(rows, height - top);
    context.fillStyle = "white";
    context.fillRect(0, 0, width, rows);
    context.drawImage(bitmap, 0, top, width, count, 0, 0, width, count);
    const strip = readable(() => context.getImageData(0, 0, width, count));
    // What was painted white is opaque: a canvas beyond the browser's limits stays empty, and says nothing.
    if (strip.data[3] !== 255 || strip.data.at(-1) !== 255) throw tooLarge(width, height);
    rgbOnWhite(strip.data, data, top * width * 3);
  }
  return { width, height, channels: 3, data };
}

function pixelArray(width: number, height: number): Uint8Array {
  try {
    return new Uint8Array(width * height * 3);
  } catch {
    throw tooLarge(width, height);
  }
}

function tooLarge(width: number, height: number): UserError {
  return new UserError({
    expected: "a picture that this browser can hold",
    received: `one of ${width}×${height} pixels`,
    remedy: "make it smaller",
  });
}

/**
 * The picture as something that a worker can be given, and what of it may be moved there instead of copied.
 * @throws UserError as {@link decodePicture}.
 */
export async function portablePicture(
  picture: Picture,
): Promise<{ readonly picture: PortablePicture; readonly move: readonly Transferable[] }> {
  if (isPixels(picture)) return { picture: checkedPixels(picture), move: [] };
  if (picture instanceof Blob) return { picture, move: [] };
  const bitmap = await toBitmap(picture);
  checkReadable(bitmap);
  return { picture: bitmap, move: bitmap === picture ? [] : [bitmap] };
}

/** @throws UserError for pixels of another site: those cannot be sent to a worker either. */
function checkReadable(bitmap: ImageBitmap): void {
  const context = new OffscreenCanvas(1, 1).getContext("2d")!;
  context.drawImage(bitmap, 0, 0);
  readable(() => context.getImageData(0, 0, 1, 1));
}

function isBitmap(picture: Picture): picture is ImageBitmap {
  return typeof ImageBitmap !== "undefined" && picture instanceof ImageBitmap;
}

async function toBitmap(picture: Exclude<Picture, RawPixels | ImageData>): Promise<ImageBitmap> {
  if (isBitmap(picture)) {
    if (picture.width > 0) return picture;
    throw missing("an ImageBitmap that was closed or moved away", undefined, "give each picture once, or a copy");
  }
  if (picture instanceof Uint8Array || picture instanceof ArrayBuffer) return toBitmap(new Blob([picture]));
  if (picture instanceof Blob) {
    try {
      return await createImageBitmap(picture);
    } catch (error) {
      throw await undecodable(picture, error);
    }
  }
  // Elements exist only where there is a document.
  if (typeof HTMLImageElement !== "undefined" && picture instanceof HTMLImageElement) {
    await picture.decode().catch((error: unknown) => {
      throw missing(`the image ${picture.currentSrc || picture.src}, which did not load`, error);
    });
  }
  if (typeof HTMLVideoElement !== "undefined" && picture instanceof HTMLVideoElement && picture.readyState < 2) {
    throw missing("a video without a frame yet", undefined, "wait for its event loadeddata");
  }
  try {
    return await createImageBitmap(picture as ImageBitmapSource);
  } catch (error) {
    if (error instanceof DOMException && error.name === "SecurityError") throw withheld(error);
    throw missing(describePicture(picture), error, remedyFor(picture));
  }
}

function remedyFor(value: unknown): string {
  if (typeof value === "string" || value instanceof URL) return "fetch it and pass (await fetch(address)).blob()";
  if (value instanceof Promise) return "await it";
  if (value instanceof Response) return "pass await response.blob()";
  return "pass an image, a canvas, a video, a File or Blob, a file's bytes, or pixels { width, height, channels, data }";
}

/** Formats that every browser decodes. */
const shownEverywhere: ReadonlySet<PictureFormat> = new Set(["JPEG", "PNG", "WebP", "GIF"]);

/** What a file is that the browser does not decode: by its first bytes, as Node says it. */
async function undecodable(file: Blob, cause: unknown): Promise<UserError> {
  const name = typeof File !== "undefined" && file instanceof File ? file.name : "a file";
  const head = await file
    .slice(0, sniffBytes)
    .arrayBuffer()
    .catch(() => undefined);
  if (!head) return missing(`${name}, which cannot be read any more`, cause, "choose it again");
  const kind = fileKind(new Uint8Array(head), name);
  const { format } = kind;
  if (!format) return missing(`${name} (${describeKind(kind)})`, cause, kindRemedy(kind));
  if (shownEverywhere.has(format)) return missing(`${name} (damaged ${format})`, cause, "replace the file");
  return missing(
    `${name} (${format}: damaged, or this browser has no decoder for it)`,
    cause,
    "convert it to JPEG or PNG",
  );
}

function missing(received: string, cause?: unknown, remedy = "give another one"): UserError {
  return new UserError({ expected: "a picture that this browser can show", received, remedy }, { cause });
}

function withheld(cause: unknown): UserError {
  return new UserError(
    {
      expected: "a picture whose pixels this page may read",
      received: "one of another site",
      remedy: 'load it with crossorigin="anonymous" from a server that allows it (CORS)',
    },
    { cause },
  );
}

/** @throws UserError for pixels of another site. */
function readable(read: () => ImageData): ImageData {
  try {
    return read();
  } catch (error) {
    throw withheld(error);
  }
}
