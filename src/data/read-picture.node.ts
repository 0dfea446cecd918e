import type { Image } from "./dataset.js";
import { decodeImage } from "./decode.node.js";
import { isAddress } from "./find-pictures.node.js";
import { collect, fetchFile, type ReadLimits } from "./remote-bytes.node.js";

/** Bytes of a picture from the network or standard input: more is taken for a mistake. */
const mostBytes = 2 ** 28;

/**
 * Decodes a picture from a path, an address (http, https) or standard input ("-").
 * @throws BrokenImageError as {@link decodeImage}; UserError where it cannot be had
 */
export async function readPicture(place: string, limits: ReadLimits = {}): Promise<Image> {
  const own = { maxBytes: mostBytes, ...limits };
  if (place === "-") return decodeImage(await collect(process.stdin, "standard input", own), "standard input");
  if (isAddress(place)) return decodeImage((await fetchFile(new URL(place), "a picture", own)).bytes, place);
  return decodeImage(place);
}
