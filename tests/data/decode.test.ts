import { writeFileSync } from "node:fs";
import { join } from "node:path";
import sharp from "sharp";
import { describe, expect, test } from "vitest";
import { UserError } from "#repvgg/core/errors.js";
import { BrokenImageError } from "#repvgg/data/broken-image.js";
import { decodeImage } from "#repvgg/data/decode.node.js";
import { encode, temporaryFolder, uniform, wavesAndNoise } from "./pictures.js";

describe("decodeImage", () => {
  test("gives the pixels of lossless formats, from bytes and from a path", async () => {
    const image = wavesAndNoise(21, 13, 3, 1);
    expect(await decodeImage(await encode(image, "png"))).toEqual(image);
    expect(await decodeImage(await encode(image, "webp"))).toEqual(image);
    const path = join(temporaryFolder(), "x.png");
    writeFileSync(path, await encode(image, "png"));
    expect(await decodeImage(path)).toEqual(image);
  });

  test("AVIF, GIF and TIFF; of several frames the first, and how many there are", async () => {
    const image = wavesAndNoise(21, 13, 3, 1);
    expect(await decodeImage(await encode(image, "tiff"))).toEqual(image);
    expect(await decodeImage(await encode(uniform(16, 16, 3, 90), "gif"))).toEqual(uniform(16, 16, 3, 90));
    const avif = await decodeImage(await encode(uniform(16, 16, 3, 90), "avif"));
    expect([avif.width, avif.height, avif.channels, avif.frames]).toEqual([16, 16, 3, undefined]);
    for (const value of avif.data) expect(Math.abs(value - 90)).toBeLessThanOrEqual(2);
    const frames = [uniform(8, 6, 3, 200), uniform(8, 6, 3, 20)];
    for (const format of ["gif", "webp", "tiff"] as const) {
      const pictures = await Promise.all(frames.map((frame) => encode(frame, "png")));
      const animation = await sharp(pictures, { join: { animated: true } })
        .toFormat(format, format === "webp" ? { lossless: true } : {})
        .toBuffer();
      expect(await decodeImage(animation), format).toEqual({ ...frames[0], frames: 2 });
    }
  });

  test("HEIC and pictures over the pixel limit say so, and what to do", async () => {
    // What holds HEVC, as far as a decoder without it looks.
    const avif = (await encode(uniform(8, 8, 3, 9), "avif")).toString("latin1");
    const heic = Buffer.from(avif.replace("avif", "heic").replaceAll("av01", "hvc1"), "latin1");
    await expect(decodeImage(heic, "IMG_1.HEIC")).rejects.toThrow(
      "received IMG_1.HEIC (HEIC: this build of sharp has no HEVC decoder): convert to JPEG",
    );
    const { data } = await sharp({
      create: { width: 16_400, height: 16_400, channels: 3, background: "red" },
      limitInputPixels: false,
    })
      .png({ compressionLevel: 1 })
      .toBuffer({ resolveWithObject: true });
    await expect(decodeImage(data, "big.png")).rejects.toThrow(
      "received big.png (PNG of 16400×16400 pixels; at most 268 million are decoded): make it smaller",
    );
  });

  test("grey pictures have one channel, with and without alpha, 8 and 16 bits", async () => {
    const grey = wavesAndNoise(9, 8, 1, 2);
    expect(await decodeImage(await encode(grey, "png"))).toEqual(grey);
    const jpeg = await decodeImage(await encode(uniform(8, 8, 1, 90), "jpeg"));
    expect(jpeg).toEqual(uniform(8, 8, 1, 90));
    const wide = await sharp(
      Uint16Array.from(grey.data, (value) => value * 257),
      { raw: { width: 9, height: 8, channels: 1 } },
    )
      .toColourspace("grey16")
      .png()
      .toBuffer();
    expect((await sharp(wide).metadata()).depth).toBe("ushort");
    expect(await decodeImage(wide)).toEqual(grey);
  });

  test("alpha is composited on white", async () => {
    const pixels = Uint8Array.of(10, 20, 30, 255, 10, 20, 30, 0, 0, 0, 0, 128, 255, 0, 0, 255);
    const png = await sharp(pixels, { raw: { width: 2, height: 2, channels: 4 } })
      .png()
      .toBuffer();
    const { data, channels } = await decodeImage(png);
    expect(channels).toBe(3);
    expect([...data.subarray(0, 6)]).toEqual([10, 20, 30, 255, 255, 255]);
    expect(Math.abs(data[6]! - 127)).toBeLessThanOrEqual(1);
    expect([...data.subarray(9)]).toEqual([255, 0, 0]);
  });

  test("is turned as EXIF says", async () => {
    const image = wavesAndNoise(6, 4, 3, 3);
    const turned = await sharp(image.data, { raw: { width: 6, height: 4, channels: 3 } })
      .withMetadata({ orientation: 6 })
      .png()
      .toBuffer();
    const result = await decodeImage(turned);
    expect([result.width, result.height]).toEqual([4, 6]);
    // Orientation 6: the stored picture is shown turned clockwise; its lower left corner comes to the upper left.
    expect([...result.data.subarray(0, 3)]).toEqual([...image.data.subarray(3 * 6 * 3, 3 * 6 * 3 + 3)]);
  });

  test("names a broken picture and says what it is", async () => {
    const jpeg = await encode(wavesAndNoise(64, 64, 3, 4), "jpeg");
    const png = await encode(wavesAndNoise(64, 64, 3, 4), "png");
    const damaged = png.slice();
    damaged.fill(0x55, 100, 400);
    const bombHeader = png.slice();
    new DataView(bombHeader.buffer, bombHeader.byteOffset).setUint32(16, 0x7fffffff);
    for (const [bytes, reason] of [
      [new TextEncoder().encode("hello, world, I am text"), /text, not a picture/],
      [new Uint8Array(0), /empty file/],
      [Uint8Array.of(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12), /not a picture of these formats/],
      [jpeg.subarray(0, jpeg.length >> 1), /damaged JPEG/],
      [jpeg.subarray(0, 20), /damaged JPEG/],
      [png.subarray(0, png.length >> 1), /damaged PNG/],
      [damaged, /damaged PNG/],
      [bombHeader, /damaged PNG: .*header\)/],
      [(await encode(wavesAndNoise(64, 64, 3, 4), "webp")).subarray(0, 300), /damaged WebP/],
    ] as const) {
      const error = await decodeImage(bytes, "photo.png").catch((caught: unknown) => caught);
      expect(error).toBeInstanceOf(BrokenImageError);
      expect((error as BrokenImageError).file).toBe("photo.png");
      expect((error as Error).message).toMatch(reason);
      expect((error as Error).message).not.toContain("\n");
    }
  });

  test("says that a file is not there", async () => {
    await expect(decodeImage("/nowhere/x.png")).rejects.toThrow(UserError);
    await expect(decodeImage(temporaryFolder())).rejects.toThrow(/a picture at .*, received a folder: check the path/);
    await expect(decodeImage("/nowhere/x.png")).rejects.toThrow(/a picture at \/nowhere\/x.png, received no such file/);
  });
});
