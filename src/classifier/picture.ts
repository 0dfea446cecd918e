/** Rows of pixels, channels last, 8 bits: grey, RGB or RGBA (not premultiplied; laid on white). */
export interface RawPixels {
  /** In pixels. */
  readonly width: number;
  /** In pixels. */
  readonly height: number;
  /** 1 grey, 3 RGB, 4 RGBA. */
  readonly channels: 1 | 3 | 4;
  /** [height][width][channels] */
  readonly data: Uint8Array | Uint8ClampedArray;
}

/** What canvases give: RGBA. */
export interface ImageDataLike {
  /** In pixels. */
  readonly width: number;
  /** In pixels. */
  readonly height: number;
  /** [height][width][4] */
  readonly data: Uint8ClampedArray;
}

/**
 * A picture: a path, or an address (http, https, file or data; as a string or a URL); a file's bytes in memory, in a Blob or coming in a stream;
 * or decoded pixels.
 */
export type Picture =
  | string
  | URL
  | Uint8Array
  | ArrayBuffer
  | SharedArrayBuffer
  | Blob
  | ReadableStream<Uint8Array>
  | AsyncIterable<Uint8Array>
  | ImageDataLike
  | RawPixels;

/** A picture as another thread can be given it: a path, or memory that is nobody else's. */
export type PortablePicture =
  | { readonly kind: "file"; readonly path: string }
  | { readonly kind: "bytes"; readonly bytes: Uint8Array<ArrayBuffer>; readonly name: string }
  | (Omit<RawPixels, "data"> & { readonly kind: "pixels"; readonly data: Uint8Array<ArrayBuffer> });
