/** Formats of pictures that are read; HEIC only where the decoder has it. */
export type PictureFormat = "JPEG" | "PNG" | "WebP" | "GIF" | "AVIF" | "TIFF" | "HEIC";

/** Those that are read everywhere in Node, for messages. */
export const readFormats = "JPEG, PNG, WebP, GIF, AVIF or TIFF";

/** What a file is, as its first bytes show. */
export interface FileKind {
  /** The format where it is a picture that may be read. */
  readonly format?: PictureFormat;
  /** In a few words, for lists and messages: "GIF", "MP4 video", "text". */
  readonly name: string;
  /** It shows something, but we do not read it: convert it. False for other files. */
  readonly convertible: boolean;
}

/** Bytes that {@link fileKind} wants to see; of a shorter file all. */
export const sniffBytes = 512;

/** Endings that pictures have, whatever the files hold. */
const pictureEndings = /\.(jpe?g|jpe|jfif|png|webp|gif|avifs?|tiff?|hei[cf]s?|hif)$/i;

/** Whether a file's name says that it is a picture of a format that we read. */
export function hasPictureName(name: string): boolean {
  return pictureEndings.test(name);
}

/** Raw files of cameras are TIFF by their bytes, but what they show at once is a preview. */
const rawEndings = /\.(3fr|arw|cr2|dng|erf|iiq|kdc|mef|mos|nef|nrw|orf|pef|raw|rw2|sr2|srf|srw)$/i;

const cameraRaw: FileKind = { name: "camera raw file", convertible: true };

/** Marks at places of a file: bytes in latin1, "?" for any. In order: the first that fits counts. */
const marks: readonly (readonly [at: number, mark: string, name: string, kind: "read" | "convert" | "other"])[] = [
  [0, "\xff\xd8\xff", "JPEG", "read"],
  [0, "\x89PNG\r\n\x1a\n", "PNG", "read"],
  [0, "RIFF????WEBP", "WebP", "read"],
  [0, "GIF87a", "GIF", "read"],
  [0, "GIF89a", "GIF", "read"],
  [0, "II*\0", "TIFF", "read"],
  [0, "MM\0*", "TIFF", "read"],
  [0, "II+\0", "TIFF", "read"],
  [0, "MM\0+", "TIFF", "read"],
  [0, "%PDF-", "PDF document", "convert"],
  [0, "%!PS", "PostScript document", "convert"],
  [0, "8BPS", "Photoshop file", "convert"],
  [0, "\xff\x0a", "JPEG XL", "convert"],
  [0, "\0\0\0\x0cJXL \r\n\x87\n", "JPEG XL", "convert"],
  [0, "\0\0\0\x0cjP  \r\n\x87\n", "JPEG 2000", "convert"],
  [0, "\xff\x4f\xff\x51", "JPEG 2000", "convert"],
  [0, "BM????\0\0\0\0", "BMP", "convert"],
  [0, "\0\0\x01\0", "icon", "convert"],
  [0, "\x76\x2f\x31\x01", "OpenEXR", "convert"],
  [0, "#?RADIANCE", "Radiance HDR", "convert"],
  [0, "DDS ", "DDS texture", "convert"],
  [0, "gimp xcf", "GIMP file", "convert"],
  [0, "FUJIFILMCCD-RAW", "camera raw file", "convert"],
  [0, "IIU\0", "camera raw file", "convert"],
  [0, "IIRO", "camera raw file", "convert"],
  [0, "RIFF????AVI ", "AVI video", "convert"],
  [0, "RIFF????WAVE", "sound", "other"],
  [4, "moov", "QuickTime video", "convert"],
  [4, "mdat", "QuickTime video", "convert"],
  [4, "wide", "QuickTime video", "convert"],
  [0, "\x1aE\xdf\xa3", "Matroska or WebM video", "convert"],
  [0, "\0\0\x01\xba", "MPEG video", "convert"],
  [0, "\0\0\x01\xb3", "MPEG video", "convert"],
  [0, "OggS", "Ogg video or sound", "convert"],
  [0, "FLV\x01", "Flash video", "convert"],
  [0, "\x30\x26\xb2\x75\x8e\x66\xcf\x11", "Windows Media video", "convert"],
  [0, "ID3", "sound", "other"],
  [0, "fLaC", "sound", "other"],
  [0, "PK\x03\x04", "ZIP archive", "other"],
  [0, "PK\x05\x06", "ZIP archive", "other"],
  [0, "\x1f\x8b", "gzip archive", "other"],
  [0, "7z\xbc\xaf\x27\x1c", "7-Zip archive", "other"],
  [0, "Rar!\x1a\x07", "RAR archive", "other"],
  [257, "ustar", "tar archive", "other"],
  [0, "\x93NUMPY", "NumPy array", "other"],
];

/** Brands of ISO media files (ISO 14496-12), which say what is in them; of several, the first of this order counts. */
const brands: readonly (readonly [brand: RegExp, name: string, kind: "read" | "convert"])[] = [
  [/^avi[fs]$/, "AVIF", "read"],
  [/^(he(ic|ix|im|is|vc|vx|vm|vs)|mif1|msf1)$/, "HEIC", "read"],
  [/^crx $/, "camera raw file", "convert"],
  [/^qt {2}$/, "QuickTime video", "convert"],
  [/^M4A |^M4B $/, "sound", "convert"],
];

/**
 * What a file is, whatever its name says. The name tells camera raw files from TIFF, nothing more.
 * @param bytes its first {@link sniffBytes}, or all of it
 */
export function fileKind(bytes: Uint8Array, name = ""): FileKind {
  if (bytes.length === 0) return { name: "empty file", convertible: false };
  for (const [at, mark, known, kind] of marks) {
    if (!matches(bytes, at, mark)) continue;
    return known === "TIFF" && (rawEndings.test(name) || matches(bytes, 8, "CR")) ? cameraRaw : asKind(known, kind);
  }
  if (matches(bytes, 4, "ftyp")) return isoMedia(bytes);
  return textKind(bytes) ?? { name: "unknown file", convertible: false };
}

function asKind(name: string, kind: "read" | "convert" | "other"): FileKind {
  return { name, convertible: kind === "convert", ...(kind === "read" && { format: name as PictureFormat }) };
}

function matches(bytes: Uint8Array, at: number, mark: string): boolean {
  if (bytes.length < at + mark.length) return false;
  for (let i = 0; i < mark.length; i++) {
    if (mark[i] !== "?" && bytes[at + i] !== mark.charCodeAt(i)) return false;
  }
  return true;
}

function isoMedia(bytes: Uint8Array): FileKind {
  const size = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength).getUint32(0);
  const found: string[] = [];
  // At 8 the major brand, at 12 its version, then the compatible ones.
  for (let at = 8; at + 4 <= Math.min(size, bytes.length); at += 4) {
    if (at !== 12) found.push(latin1(bytes.subarray(at, at + 4)));
  }
  // What the file calls itself outranks what it is compatible with: mif1 alone says only "a picture".
  for (const candidates of [found.slice(0, 1).filter((brand) => !/^m[is]f1$/.test(brand)), found]) {
    for (const [brand, name, kind] of brands) {
      if (candidates.some((candidate) => brand.test(candidate))) return asKind(name, kind);
    }
  }
  return { name: "MP4 video", convertible: true };
}

function textKind(bytes: Uint8Array): FileKind | undefined {
  const head = bytes.subarray(0, sniffBytes);
  if (matches(head, 0, "\xff\xfe") || matches(head, 0, "\xfe\xff")) return { name: "text", convertible: false };
  // UTF-8 uses all bytes from 0x80 on.
  if (!head.every((byte) => byte >= 0x20 || byte === 9 || byte === 10 || byte === 12 || byte === 13)) return undefined;
  const text = latin1(head).toLowerCase();
  if (/^(\xef\xbb\xbf)?\s*(<\?xml[^>]*>\s*)?(<!--[\s\S]*?-->\s*)*(<!doctype svg[^>]*>\s*)?<svg[\s>]/.test(text)) {
    return { name: "SVG drawing", convertible: true };
  }
  if (/^(\xef\xbb\xbf)?\s*(<!doctype html|<html)/.test(text)) return { name: "HTML page", convertible: false };
  return { name: "text", convertible: false };
}

function latin1(bytes: Uint8Array): string {
  return String.fromCharCode(...bytes);
}

/** Why a file that is no picture of ours is not read, in a few words for messages. */
export function describeKind({ name, convertible }: FileKind): string {
  if (name === "empty file") return name;
  if (name === "unknown file") return "not a picture of these formats";
  return convertible ? `${name}, which is not read` : `${name}, not a picture`;
}

/** What to do about a file that is not read; undefined where nothing is known to help. */
export function kindRemedy({ convertible }: FileKind): string | undefined {
  return convertible ? "convert it to JPEG or PNG" : undefined;
}
