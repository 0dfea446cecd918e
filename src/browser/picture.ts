import { UserError } from "../core/errors.js";
import type { Image } from "../data/dataset.js";

/** What shows a picture in a browser; or a file of one, or decoded pixels. */
export type Picture =
  | ImageBitmap
  | HTMLImageElement
  | HTMLVideoElement
  | HTMLCanvasElement
  | OffscreenCanvas
  | ImageData
  | Blob
  | Image;

/** Those that another thread can be given. */
export type PortablePicture = ImageBitmap | ImageData | Blob | Image;

/**
 * A picture's pixels as the browser shows them: turned as EXIF says, in sRGB, transparent parts on white; of a video the frame
 * that is on. Grey pictures come as RGB, which the net's own step takes back.
 * @throws UserError for a picture that is broken, not there yet, or of a site that keeps its pixels to itself.
 */
export async function decodePicture(picture: Picture): Promise<Image> {
  if (isPixels(picture)) return picture;
  if (isImageData(picture)) return onWhite(picture);
  const bitmap = await toBitmap(picture);
  const { width, height } = bitmap;
  const canvas = new OffscreenCanvas(width, height);
  const context = canvas.getContext("2d", { willReadFrequently: true, colorSpace: "srgb" })!;
  context.fillStyle = "white";
  context.fillRect(0, 0, width, height);
  context.drawImage(bitmap, 0, 0);
  if (bitmap !== picture) bitmap.close();
  return onWhite(readable(() => context.getImageData(0, 0, width, height)));
}

/**
 * The picture as something that a worker can be given, and what of it may be moved there instead of copied.
 * @throws UserError as {@link decodePicture}.
 */
export async function portablePicture(
  picture: Picture,
): Promise<{ readonly picture: PortablePicture; readonly move: readonly Transferable[] }> {
  if (isPixels(picture) || isImageData(picture) || picture instanceof Blob) return { picture, move: [] };
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

function isPixels(picture: Picture): picture is Image {
  return "data" in picture && picture.data instanceof Uint8Array;
}

function isImageData(picture: Picture): picture is ImageData {
  return typeof ImageData !== "undefined" && picture instanceof ImageData;
}

function isBitmap(picture: Picture): picture is ImageBitmap {
  return typeof ImageBitmap !== "undefined" && picture instanceof ImageBitmap;
}

async function toBitmap(picture: Exclude<Picture, Image | ImageData>): Promise<ImageBitmap> {
  if (isBitmap(picture)) {
    if (picture.width > 0) return picture;
    throw missing("an ImageBitmap that was closed or moved away");
  }
  if (picture instanceof Blob) {
    const name = typeof File !== "undefined" && picture instanceof File ? picture.name : "a file";
    return createImageBitmap(picture).catch((error: unknown) => {
      throw missing(`${name}${picture.type ? ` (${picture.type})` : ""}, which is damaged or of another kind`, error);
    });
  }
  // Elements exist only where there is a document.
  if (typeof HTMLImageElement !== "undefined" && picture instanceof HTMLImageElement) {
    await picture.decode().catch((error: unknown) => {
      throw missing(`the image ${picture.currentSrc || picture.src}, which did not load`, error);
    });
  }
  if (typeof HTMLVideoElement !== "undefined" && picture instanceof HTMLVideoElement && picture.readyState < 2) {
    throw missing("a video without a frame yet");
  }
  try {
    return await createImageBitmap(picture as ImageBitmapSource);
  } catch (error) {
    throw error instanceof DOMException && error.name === "SecurityError" ? withheld(error) : missing("none", error);
  }
}

function missing(received: string, cause?: unknown): UserError {
  return new UserError({ expected: "a picture that this browser can show", received }, { cause });
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

/** RGB out of RGBA (not premultiplied), composited on white: c·α + 255·(1 − α), rounded. */
function onWhite({ data, width, height }: ImageData): Image {
  const pixels = new Uint8Array(width * height * 3);
  for (let from = 0, to = 0; to < pixels.length; from += 4, to += 3) {
    const alpha = data[from + 3]!;
    const white = 255 * (255 - alpha);
    for (let c = 0; c < 3; c++) {
      pixels[to + c] = alpha === 255 ? data[from + c]! : Math.round((data[from + c]! * alpha + white) / 255);
    }
  }
  return { width, height, channels: 3, data: pixels };
}
