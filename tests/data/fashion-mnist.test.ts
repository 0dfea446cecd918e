import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { createServer, type RequestListener } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import { UserError } from "#repvgg/core/errors.js";
import { ensureDownloaded, type KnownFile } from "#repvgg/data/download.node.js";
import {
  cacheFolder,
  fashionMnistFiles,
  findFashionMnist,
  shippedFashionMnist,
} from "#repvgg/data/fashion-mnist.node.js";
import { indicesByClass } from "#repvgg/data/hold-out.js";
import { writeIdx } from "#repvgg/data/idx.js";
import { openDataset, openTrainAndTest } from "#repvgg/data/open-dataset.node.js";
import { temporaryFolder } from "./pictures.js";

describe("the shipped subset", () => {
  test("is balanced, 28×28 grey, and at most 4 MB", async () => {
    const { train, test: held } = await openTrainAndTest("fashion-mnist-subset");
    expect(indicesByClass(train).map((indices) => indices.length)).toEqual(new Array(10).fill(700));
    expect(indicesByClass(held).map((indices) => indices.length)).toEqual(new Array(10).fill(200));
    expect([train.name, train.channels, train.classNames[9]]).toEqual(["fashion-mnist-subset/train", 1, "Ankle boot"]);
    const image = await train.read(0);
    expect([image.width, image.height, image.channels]).toEqual([28, 28, 1]);
    const files = readdirSync(shippedFashionMnist).map((name) => statSync(join(shippedFashionMnist, name)).size);
    expect(files.reduce((sum, size) => sum + size)).toBeLessThanOrEqual(4_000_000);
    expect(readFileSync(join(shippedFashionMnist, "LICENSE"), "utf8")).toContain("Zalando SE");
  });
});

/** A local server for one test. */
async function serve(listener: RequestListener): Promise<string> {
  const server = createServer(listener).listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

const sha256 = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex");
const known = (url: string, bytes: Uint8Array): KnownFile => ({ url, bytes: bytes.length, sha256: sha256(bytes) });

describe("download", () => {
  const images = gzipSync(writeIdx([2, 2, 2], Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8)));
  const labels = gzipSync(writeIdx([2], Uint8Array.of(3, 7)));

  test("the data set comes into the cache once, checked, and opens from there", async () => {
    let requests = 0;
    const base = await serve((request, response) => {
      requests++;
      response.end(request.url === "/i.gz" ? images : labels);
    });
    const cache = join(temporaryFolder(), "deep", "cache");
    const files = { images: known(`${base}/i.gz`, images), labels: known(`${base}/l.gz`, labels) };
    const source = await findFashionMnist("train", { folders: [], cache, files });
    const dataset = await openDataset(source);
    expect([dataset.length, dataset.label(1), requests]).toEqual([2, 7, 2]);
    await findFashionMnist("train", { folders: [], cache, files });
    expect(requests).toBe(2);
    // A damaged file in the cache is got again.
    writeFileSync(
      join(cache, "i.gz"),
      images.map((byte, i) => (i === 12 ? byte ^ 1 : byte)),
    );
    await findFashionMnist("train", { folders: [], cache, files });
    expect(requests).toBe(3);
    expect(readdirSync(cache).sort()).toEqual(["i.gz", "l.gz"]);
  });

  test("progress is told as bytes come, and all of them are written though a write takes only a part", async () => {
    const bytes = Buffer.from(Array.from({ length: 300 }, (_, i) => i % 251));
    const url = await serve((_request, response) => {
      response.write(bytes.subarray(0, 100));
      setTimeout(() => response.end(bytes.subarray(100)), 20);
    });
    const folder = temporaryFolder();
    const probe = await open(join(folder, "probe"), "w");
    await probe.close();
    const handles: FileHandle = Object.getPrototypeOf(probe);
    const sync = vi.spyOn(handles, "sync");
    onTestFinished(() => void vi.restoreAllMocks());
    const told: [number, number][] = [];
    const path = join(folder, "deep", "file");
    await ensureDownloaded(known(url, bytes), path, { onProgress: (done, total) => told.push([done, total]) });
    expect(readFileSync(path).equals(bytes)).toBe(true);
    expect(told.at(-1)).toEqual([300, 300]);
    expect(told.map(([done]) => done)).toEqual([...told.map(([done]) => done)].sort((a, b) => a - b));
    expect(sync).toHaveBeenCalledTimes(1);
    // What is there is looked at and not got again.
    await ensureDownloaded({ ...known("http://127.0.0.1:9", bytes) }, path);
  });

  test("a caller can stop a download; nothing is left behind", async () => {
    const stop = new AbortController();
    const url = await serve((_request, response) => {
      response.write(images.subarray(0, 5));
      stop.abort();
    });
    const folder = temporaryFolder();
    const download = ensureDownloaded(known(url, images), join(folder, "x.gz"), { signal: stop.signal });
    await expect(download).rejects.toThrow();
    expect(readdirSync(folder)).toEqual([]);
    const aborted = ensureDownloaded(known(url, images), join(folder, "x.gz"), { signal: AbortSignal.abort() });
    await expect(aborted).rejects.toThrow(/abort/i);
    await expect(aborted).rejects.not.toThrow(UserError);
  });

  test("a place that cannot be written is told", async () => {
    const url = await serve((_request, response) => response.end(images));
    const folder = temporaryFolder({ file: "x" });
    const download = ensureDownloaded(known(url, images), join(folder, "file", "x.gz"));
    await expect(download).rejects.toThrow(UserError);
    await expect(download).rejects.toThrow(
      /expected to write .*x\.gz, received a file [a-z ]+: free space or choose another cache/,
    );
  });

  test.each<[string, RequestListener, RegExp]>([
    ["one byte more", (_request, response) => response.end(Buffer.concat([images, Buffer.of(0)])), /received more/],
    ["another file", (_request, response) => response.end(images.map((byte) => byte ^ 1)), /a file with SHA-256/],
    ["more bytes", (_request, response) => response.end(Buffer.concat([images, images])), /received more/],
    ["fewer bytes", (_request, response) => response.end(images.subarray(1)), /bytes from .*received \d+: try again/],
    [
      "an error",
      (_request, response) => {
        response.statusCode = 404;
        response.end("no");
      },
      /HTTP status 404/,
    ],
    [
      "a connection that breaks off",
      (_request, response) => {
        response.setHeader("content-length", images.length);
        response.write(images.subarray(0, 10), () => response.destroy());
      },
      /broke off/,
    ],
  ])("%s leaves no file", async (_title, listener, message) => {
    const folder = temporaryFolder();
    const file = known(`${await serve(listener)}/x.gz`, images);
    const download = ensureDownloaded(file, join(folder, "x.gz"));
    await expect(download).rejects.toThrow(UserError);
    await expect(download).rejects.toThrow(message);
    expect(readdirSync(folder)).toEqual([]);
  });

  test("without a network, and into a place that cannot be written, says so", async () => {
    const folder = temporaryFolder({ file: "text" });
    const nowhere = known("http://127.0.0.1:1/x.gz", images);
    await expect(ensureDownloaded(nowhere, join(folder, "x.gz"))).rejects.toThrow(/to download .*check the network/);
    await expect(ensureDownloaded(nowhere, join(folder, "file", "x.gz"))).rejects.toThrow(
      /expected to write .*free space/,
    );
  });

  test("the cache is where the environment says", () => {
    const before = { ...process.env };
    onTestFinished(() => {
      process.env = before;
    });
    process.env.XDG_CACHE_HOME = "/xdg";
    delete process.env.REPVGG_CACHE;
    expect(cacheFolder()).toBe("/xdg/repvgg");
    process.env.REPVGG_CACHE = "/own";
    expect(cacheFolder()).toBe("/own");
  });

  test("the official files are known", () => {
    for (const split of ["train", "test"] as const) {
      for (const file of Object.values(fashionMnistFiles[split])) {
        expect(file.url).toMatch(/^http:\/\/fashion-mnist\.s3-website\.eu-central-1\.amazonaws\.com\/.*-ubyte\.gz$/);
        expect(file.sha256).toMatch(/^[0-9a-f]{64}$/);
      }
    }
  });
});

// Where Debian's dataset-fashion-mnist is installed: the same pictures as upstream, packed without a name and a time.
test.skipIf(!existsSync("/usr/share/datasets/fashion-mnist"))(
  "the full set is found where Debian puts it",
  async () => {
    const { train, test: held } = await openTrainAndTest("fashion-mnist");
    expect([train.length, held.length]).toEqual([60000, 10000]);
    const subset = await openDataset("fashion-mnist-subset", "test");
    const all = new Set(
      Array.from({ length: held.length }, (_, i) => (held.read(i) as { data: Uint8Array }).data.join()),
    );
    for (let i = 0; i < subset.length; i += 97) {
      expect(all.has((subset.read(i) as { data: Uint8Array }).data.join())).toBe(true);
    }
  },
);
