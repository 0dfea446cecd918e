import sharp from "sharp";
import { describe, expect, test } from "vitest";
import { describeKind, fileKind, hasPictureName, kindRemedy, sniffBytes } from "#repvgg/data/file-kind.js";
import { encode, wavesAndNoise } from "./pictures.js";

const latin1 = (text: string): Uint8Array => Buffer.from(text, "latin1");
const box = (...names: string[]): Uint8Array => {
  const body = `ftyp${names[0]}\0\0\0\x01${names.slice(1).join("")}`;
  return latin1(`${String.fromCharCode(0, 0, 0, body.length + 4)}${body}\0\0\0\x08free`);
};

describe("what a file is", () => {
  test("pictures that sharp writes are told by their first bytes, whatever their name", async () => {
    for (const [format, name] of [
      ...([
        ["jpeg", "JPEG"],
        ["png", "PNG"],
        ["webp", "WebP"],
      ] as const),
      ...([
        ["gif", "GIF"],
        ["tiff", "TIFF"],
        ["avif", "AVIF"],
      ] as const),
    ] as const) {
      const bytes = await encode(wavesAndNoise(9, 8, 3, 1), format);
      for (const head of [bytes, bytes.subarray(0, sniffBytes)]) {
        expect(fileKind(head, "x.txt")).toEqual({ name, format: name, convertible: false });
      }
    }
    const big = await sharp({ create: { width: 4, height: 4, channels: 3, background: "red" } })
      .tiff({ bigtiff: true })
      .toBuffer();
    expect(fileKind(big).format).toBe("TIFF");
  });

  test("one changed byte of a mark makes it another file", () => {
    for (const [whole, name, counts] of [
      [latin1("\xff\xd8\xff\xe0"), "JPEG", (at: number) => at < 3],
      [latin1("\x89PNG\r\n\x1a\n"), "PNG", () => true],
      [latin1("RIFF\x01\x02\x03\x04WEBP"), "WebP", (at: number) => at < 4 || at >= 8],
    ] as const) {
      expect(fileKind(whole).format).toBe(name);
      for (let at = 0; at < whole.length; at++) {
        const other = Uint8Array.from(whole);
        other[at]! ^= 1;
        expect(fileKind(other).format, `${name} ${at}`).toBe(counts(at) ? undefined : name);
        if (at < 3) expect(fileKind(whole.subarray(0, at)).format).toBeUndefined();
      }
    }
  });

  test.each<[string, Uint8Array, string?]>([
    ["HEIC", box("heic", "mif1", "heic")],
    ["HEIC", box("mif1", "mif1", "heic")],
    ["HEIC", box("mif1")],
    ["AVIF", box("mif1", "mif1", "avif", "miaf")],
    ["AVIF", box("avif", "avif", "mif1", "miaf")],
    ["AVIF", box("avis", "avis", "msf1", "mif1")],
    ["QuickTime video", box("qt  ", "qt  ")],
    ["MP4 video", box("isom", "isom", "mp41")],
    ["MP4 video", box("3gp4", "isom")],
    ["camera raw file", box("crx ", "crx ", "isom")],
    ["camera raw file", latin1("II*\0\x10\0\0\0CR\x02\0")],
    ["camera raw file", latin1("MM\0*\0\0\0\x08"), "DSC_1.NEF"],
    ["PDF document", latin1("%PDF-1.7\n%\xe2\xe3")],
    ["BMP", latin1("BM\x36\x10\0\0\0\0\0\0\x36\0\0\0")],
    ["JPEG XL", latin1("\xff\x0a\xfa\x1f")],
    ["JPEG XL", latin1("\0\0\0\x0cJXL \r\n\x87\n")],
    ["Matroska or WebM video", latin1("\x1aE\xdf\xa3\x01")],
    ["AVI video", latin1("RIFF\x01\x02\x03\x04AVI LIST")],
    ["SVG drawing", latin1('<?xml version="1.0"?>\n<!-- by hand -->\n<svg xmlns="x">')],
    ["SVG drawing", latin1("<svg>")],
    ["SVG drawing", latin1("\xef\xbb\xbf <svg viewBox='0 0 1 1'>")],
  ])("%s is named, and can be converted", (name, bytes, file) => {
    const kind = fileKind(bytes, file);
    expect([kind.name, kind.convertible || kind.format !== undefined]).toEqual([name, true]);
    expect(kind.format !== undefined).toBe(name === "HEIC" || name === "AVIF");
    if (!kind.format) {
      expect(describeKind(kind)).toBe(`${name}, which is not read`);
      expect(kindRemedy(kind)).toBe("convert it to JPEG or PNG");
    }
  });

  test.each<[string, Uint8Array]>([
    ["empty file", latin1("")],
    ["text", latin1("hello")],
    ["text", latin1("\t\r\n ~")],
    ["text", latin1("<svgs>")],
    ["text", latin1("a < b <svg>")],
    ["text", latin1("\xff\xfeh\0i\0")],
    ["text", Buffer.from("日本\n")],
    ["HTML page", latin1("<!DOCTYPE html><html><svg>")],
    ["ZIP archive", latin1("PK\x03\x04\x14\0")],
    ["gzip archive", latin1("\x1f\x8b\x08")],
    ["tar archive", latin1(`${"name".padEnd(257, "\0")}ustar\0`)],
    ["sound", latin1("RIFF\x01\x02\x03\x04WAVEfmt ")],
    ["unknown file", latin1("abc\0")],
    ["unknown file", latin1("abc\x1f")],
    ["unknown file", latin1("BMabc\0")],
  ])("%s is no picture", (name, bytes) => {
    expect(fileKind(bytes)).toEqual({ name, convertible: false });
    expect(kindRemedy(fileKind(bytes))).toBeUndefined();
  });

  test("names", () => {
    for (const name of ["a.JPG", "a.jpeg", "a.jfif", "x.y.tif", "a.HEIC", "a.avif"])
      expect(hasPictureName(name)).toBe(true);
    for (const name of ["a.svg", "jpg", "a.jpg.txt", "a.bmp"]) expect(hasPictureName(name)).toBe(false);
  });
});
