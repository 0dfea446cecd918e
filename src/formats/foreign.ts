import { FormatError } from "../core/errors.js";
import { quoted } from "./array-bytes.js";
import type { ByteSource } from "./byte-source.js";
import { isLegacy } from "./torch/container.js";

/** A file that holds no net: what it is, and how to come to the one that was meant. */
export interface ForeignFile {
  readonly what: string;
  readonly remedy: string;
}

/** Bytes at the beginning of a file that {@link foreignFile} looks at. */
export const foreignHeadBytes = 512;

const fetchAgain = "the download or the copy failed: fetch the file again";

/** Kinds that their first bytes tell, at the beginning or further on. */
const signatures: readonly (readonly [at: number, bytes: string, what: string, remedy: string])[] = [
  [0, "\x1f\x8b", "a gzip archive", "unpack it first: gunzip or tar xzf"],
  [0, "BZh", "a bzip2 archive", "unpack it first"],
  [0, "\xfd7zXZ\0", "an xz archive", "unpack it first"],
  [0, "\x28\xb5\x2f\xfd", "a zstd archive", "unpack it first"],
  [0, "7z\xbc\xaf\x27\x1c", "a 7-Zip archive", "unpack it first"],
  [0, "Rar!\x1a\x07", "a RAR archive", "unpack it first"],
  [
    257,
    "ustar",
    "a tar archive",
    "unpack it first: tar xf; what PyTorch before 0.1.10 wrote must be saved again by a newer one",
  ],
  [0, "\x89HDF\r\n\x1a\n", "an HDF5 file, as Keras writes it", "export the net to ONNX (tf2onnx)"],
  [4, "TFL3", "a TensorFlow Lite model", "export the original net to ONNX"],
  [
    0,
    "GGUF",
    "a GGUF file of a language model",
    "this package runs convolutional nets: name a .pth, .safetensors or .onnx file",
  ],
  [0, "\x93NUMPY", "a NumPy array", "save the weights with torch.save(model.state_dict(), FILE)"],
  [0, "\x89PNG", "a PNG picture", "name the net first, then pictures"],
  [0, "\xff\xd8\xff", "a JPEG picture", "name the net first, then pictures"],
  [0, "RIFF", "a WebP picture or a sound", "name the net first, then pictures"],
  [0, "%PDF", "a PDF document", "name a .pth, .safetensors or .onnx file"],
  [0, "\x7fELF", "a program", "name a .pth, .safetensors or .onnx file"],
];

/**
 * What stands in a file that is no net, where its first bytes tell: a page, a pointer or an error message that was stored in
 * the place of a download, an archive, a file of another program.
 * @param head the first {@link foreignHeadBytes} bytes, or all where there are fewer
 * @param size of the whole file
 */
export function foreignFile(head: Uint8Array, size: number): ForeignFile | undefined {
  if (size === 0) return { what: "an empty file", remedy: fetchAgain };
  for (const [at, bytes, what, remedy] of signatures) {
    if ([...bytes].every((character, i) => head[at + i] === character.charCodeAt(0))) return { what, remedy };
  }
  if (head[0] === 0x80 && head[1]! >= 2 && head[1]! <= 5 && !isLegacy(head)) {
    return {
      what: "a Python pickle that torch.save did not write",
      remedy: "load it in Python and save the weights with torch.save(model.state_dict(), FILE)",
    };
  }
  if (head.every((byte) => byte === 0)) return { what: "zeros at its beginning", remedy: fetchAgain };
  return isText(head) ? foreignText(new TextDecoder().decode(head.subarray(0, foreignHeadBytes))) : undefined;
}

function foreignText(text: string): ForeignFile {
  const start = text.trimStart();
  const pointer = /^version https:\/\/git-lfs\.github\.com\/spec\//.test(start);
  if (pointer) {
    const size = /^size (\d+)$/m.exec(start)?.[1];
    return {
      what: `a Git LFS pointer${size ? `, which stands for a file of ${size} bytes` : ""}`,
      remedy: "fetch the file itself: git lfs pull, or download it from the page of the repository",
    };
  }
  if (/^(\.\.\/)*(\.git\/annex|annex)\/objects\/|^\/annex\/objects\//.test(start)) {
    return { what: "a git-annex pointer", remedy: "fetch the file itself: git annex get FILE" };
  }
  if (/^(<!--[\s\S]*?-->\s*)?<(!doctype html|html|head|body|script)\b/i.test(start)) {
    const title = /<title[^>]*>\s*([^<]{1,80}?)\s*</i.exec(start)?.[1];
    return {
      what: `an HTML page${title ? ` (${quoted(title)})` : ""}, not the file that it shows or asks to confirm`,
      remedy: "download the file by its direct address (Hugging Face: /resolve/ in place of /blob/; GitHub: /raw/)",
    };
  }
  if (/^<\?xml|^<[A-Za-z]+[\s>]/.test(start)) {
    return {
      what: "an XML document, such as a server's error message",
      remedy: "look into it, and fetch the file again",
    };
  }
  const said = quoted(start.slice(0, 60).trimEnd());
  if (/^[{[]/.test(start)) {
    return {
      what: `JSON text, such as a server's error message or a description (it begins with ${said})`,
      remedy: "look into it, and fetch the file again; an index (…index.json) names the files that hold the weights",
    };
  }
  return { what: `text that begins with ${said}`, remedy: "name a .pth, .safetensors or .onnx file" };
}

/** Printable characters and breaks only, and more than a few. */
function isText(head: Uint8Array): boolean {
  let from = 0;
  if (head[0] === 0xef && head[1] === 0xbb && head[2] === 0xbf) from = 3; // a byte order mark
  const bytes = head.subarray(from, foreignHeadBytes);
  const printable = bytes.every((byte) => (byte >= 0x20 && byte !== 0x7f) || byte === 9 || byte === 10 || byte === 13);
  return printable && bytes.length >= 4 && bytes.subarray(0, 4).every((byte) => byte < 0x80);
}

/**
 * Refuses what is no file of the wanted kind at its first glance.
 * @param expected "an ONNX model"
 * @throws FormatError that says what the file is and what to do.
 */
export function refuseForeign(file: ByteSource, expected: string): void {
  const foreign = foreignFile(file.bytes(0, Math.min(foreignHeadBytes, file.size)), file.size);
  if (foreign) throw new FormatError({ expected, received: foreign.what, remedy: foreign.remedy });
}
