import { UserError } from "../core/errors.js";
import type { RawPixels } from "./picture.js";

/** As decoders have it. */
const mostPixels = 0x3fff * 0x3fff;

export function isObject(value: unknown): value is object {
  return typeof value === "object" && value !== null;
}

/** What looks like decoded pixels; {@link checkedPixels} tells whether they are. */
export function isPixels(value: unknown): value is { width: unknown; height: unknown; data: unknown } {
  return isObject(value) && "width" in value && "height" in value && "data" in value;
}

/** Memory that was moved away is empty, and refuses to be looked at. */
export function copyOf(view: Uint8Array | Uint8ClampedArray): Uint8Array<ArrayBuffer> {
  return view.length > 0 ? new Uint8Array(view) : new Uint8Array();
}

/**
 * Pixels of a caller's, whose sizes fit each other. Without `channels` a clamped array is what canvases give, RGBA.
 * @throws UserError for pixels that do not fill width × height × channels, and for values that are not of 8 bits.
 */
export function checkedPixels({
  width,
  height,
  data,
  ...rest
}: {
  width: unknown;
  height: unknown;
  data: unknown;
}): RawPixels {
  const clamped = isArray<Uint8ClampedArray>(data, "Uint8ClampedArray");
  if (!clamped && !isArray<Uint8Array>(data, "Uint8Array")) {
    throw new UserError({
      expected: "pixels of 8 bits in a Uint8Array or Uint8ClampedArray",
      received: describePicture(data),
      remedy: "convert them to 0 … 255",
    });
  }
  const [columns, rows] = [checkedSide("width", width), checkedSide("height", height)];
  const channels = channelsOf(rest, clamped, data.length / (columns * rows));
  if (columns * rows > mostPixels || data.length !== columns * rows * channels) {
    throw new UserError({
      expected: `${rows} × ${columns} × ${channels} = ${rows * columns * channels} values of a picture, at most ${mostPixels} pixels`,
      received: `${data.length} values`,
      remedy: "give width, height and channels as the pixels have them, and encoded files as bytes alone",
    });
  }
  return { width: columns, height: rows, channels, data };
}

function checkedSide(name: string, side: unknown): number {
  if (typeof side === "number" && Number.isInteger(side) && side >= 1) return side;
  throw new UserError({
    expected: `${name} of a picture from 1`,
    received: describePicture(side),
    remedy: "give the size that the pixels have",
  });
}

/** Also of another realm: a frame, a test's sandbox. */
function isArray<T extends ArrayBufferView>(value: unknown, name: string): value is T {
  return ArrayBuffer.isView(value) && Object.prototype.toString.call(value) === `[object ${name}]`;
}

function channelsOf(rest: object, clamped: boolean, perPixel: number): RawPixels["channels"] {
  const channels = "channels" in rest ? rest.channels : undefined;
  if (channels === 1 || channels === 3 || channels === 4) return channels;
  if (channels === undefined && clamped) return 4;
  const guess = perPixel === 1 || perPixel === 3 || perPixel === 4 ? perPixel : undefined;
  throw new UserError({
    expected: "channels of the pixels: 1 (grey), 3 (RGB) or 4 (RGBA)",
    received: channels === undefined ? "none" : describePicture(channels),
    remedy: guess ? `add channels: ${guess}` : "say which there are",
  });
}

/** A value that should have been a picture, in a few words. */
export function describePicture(value: unknown): string {
  if (ArrayBuffer.isView(value)) return `a ${Object.prototype.toString.call(value).slice(8, -1)}`;
  if (Array.isArray(value)) return `an array of ${value.length}`;
  if (typeof value === "string") return JSON.stringify(value.slice(0, 40));
  if (typeof value === "function" || typeof value === "symbol") return `a ${typeof value}`;
  if (!isObject(value)) return String(value);
  const tag = Object.prototype.toString.call(value).slice(8, -1);
  return tag !== "Object"
    ? `a ${tag}`
    : `an object ${Object.keys(value).length > 0 ? `with the keys ${Object.keys(value).slice(0, 6).join(", ")}` : "without keys"}`;
}
