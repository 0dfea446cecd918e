import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { BrokenImageError } from "#repvgg/data/broken-image.js";
import { inMemoryIfSmall } from "#repvgg/data/in-memory.js";
import { MemoryDataset } from "#repvgg/data/memory-dataset.js";
import { openDataset } from "#repvgg/data/open-dataset.node.js";
import { cutJpeg, memoryPictures, pictureFolder } from "./pictures.js";

describe("inMemoryIfSmall", () => {
  test("decodes a small folder: the same pictures under the same indices", async () => {
    const folder = await openDataset(await pictureFolder(5));
    const progress: number[] = [];
    const decoded = await inMemoryIfSmall(folder, { onProgress: (done) => progress.push(done) });
    expect(decoded).toBeInstanceOf(MemoryDataset);
    expect([decoded.length, decoded.name, decoded.classNames]).toEqual([10, folder.name, folder.classNames]);
    for (let i = 0; i < folder.length; i++) {
      expect(decoded.label(i)).toBe(folder.label(i));
      expect(await decoded.read(i)).toEqual(await folder.read(i));
    }
    expect(progress).toEqual([0, 10]);
  });

  test("leaves a set as it is that is too large, is in memory already, or whose reading was ended", async () => {
    const folder = await openDataset(await pictureFolder(3));
    expect(await inMemoryIfSmall(folder, { maxBytes: 1000 })).toBe(folder);
    expect(await inMemoryIfSmall(folder, { signal: AbortSignal.abort() })).toBe(folder);
    const memory = memoryPictures(4);
    expect(await inMemoryIfSmall(memory)).toBe(memory);
  });

  test("leaves a folder with a broken picture as it is, so that indices stay; a strict one throws", async () => {
    const root = await pictureFolder(3, { "cat/aa.jpg": await cutJpeg() });
    const lenient = await openDataset(root);
    expect(await inMemoryIfSmall(lenient)).toBe(lenient);
    const strict = await openDataset(root, "train", { strict: true });
    const failure = await inMemoryIfSmall(strict).catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(BrokenImageError);
    expect((failure as BrokenImageError).file).toBe(join(root, "cat/aa.jpg"));
  });
});
