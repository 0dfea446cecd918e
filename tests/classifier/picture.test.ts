import { Buffer, File } from "node:buffer";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { pathToFileURL } from "node:url";
import { MessageChannel } from "node:worker_threads";
import sharp from "sharp";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Picture } from "#repvgg/classifier/picture.js";
import { decodePicture, decodePortable, readPicture } from "#repvgg/classifier/picture.node.js";
import { UserError } from "#repvgg/core/errors.js";
import { rngFor } from "#repvgg/core/rng.js";
import type { Image } from "#repvgg/data/dataset.js";
import { flattenOnWhite } from "#repvgg/data/on-white.js";

const width = 20;
const height = 12;
const rng = rngFor(0, "picture kinds");
const pixels = Uint8Array.from({ length: width * height * 3 }, () => rng.int(256));
const image: Image = { width, height, channels: 3, data: pixels };
let png: Buffer;
let folder: string;
let server: Server;
let site: string;

beforeAll(async () => {
  png = await sharp(pixels, { raw: { width, height, channels: 3 } })
    .png()
    .toBuffer();
  folder = await mkdtemp(join(tmpdir(), "repvgg-picture-"));
  await writeFile(join(folder, "some picture.png"), png);
  server = createServer((request, response) => {
    if (request.url === "/picture.png") response.end(png);
    else if (request.url === "/endless") for (let i = 0; i < 100; i++) response.write(new Uint8Array(1000));
    else if (request.url === "/silent") response.write("x");
    else if (request.url === "/broken") {
      response.writeHead(200, { "Content-Length": "1000" });
      response.write("x", () => response.destroy());
    } else response.writeHead(404).end();
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  site = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});

afterAll(async () => {
  server.closeAllConnections();
  server.close();
  await rm(folder, { recursive: true, force: true });
});

function sharedCopy(bytes: Uint8Array): SharedArrayBuffer {
  const memory = new SharedArrayBuffer(bytes.length);
  new Uint8Array(memory).set(bytes);
  return memory;
}

function withAlpha(alpha: (i: number) => number): Uint8ClampedArray {
  const data = new Uint8ClampedArray(width * height * 4);
  for (let i = 0; i < width * height; i++) data.set([...pixels.subarray(3 * i, 3 * i + 3), alpha(i)], 4 * i);
  return data;
}

async function* inParts(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += 100) yield bytes.subarray(at, at + 100);
}

/** Every way in which a picture may be given; all show the same pixels. */
const kinds: Record<string, () => Picture> = {
  "a path": () => join(folder, "some picture.png"),
  "a file: URL": () => pathToFileURL(join(folder, "some picture.png")),
  "a file: URL as a string": () => pathToFileURL(join(folder, "some picture.png")).href,
  "an address": () => `${site}/picture.png`,
  "an address as a URL": () => new URL(`${site}/picture.png`),
  "a data: URL": () => `data:image/png;base64,${png.toString("base64")}`,
  "a Buffer": () => png,
  "a Uint8Array within a larger buffer": () => new Uint8Array([1, 2, 3, ...png, 4]).subarray(3, 3 + png.length),
  "an ArrayBuffer": () => Uint8Array.from(png).buffer,
  "a SharedArrayBuffer": () => sharedCopy(png),
  "a view of shared memory": () => new Uint8Array(sharedCopy(png)),
  "a Blob": () => new Blob([Uint8Array.from(png)]),
  "a File": () => new File([Uint8Array.from(png)], "x.png") as unknown as Blob,
  "a web stream": () => new Blob([Uint8Array.from(png)]).stream(),
  "a Node stream": () => Readable.from(inParts(png)),
  "an asynchronous generator": () => inParts(png),
  pixels: () => image,
  "clamped pixels with channels": () => ({ ...image, data: new Uint8ClampedArray(pixels) }),
  "pixels in a Buffer": () => ({ ...image, data: Buffer.from(pixels) }),
  "opaque RGBA": () => ({ width, height, channels: 4, data: Uint8Array.from(withAlpha(() => 255)) }),
  "opaque ImageData": () => ({ width, height, data: withAlpha(() => 255) }),
};

describe("a picture", () => {
  it.each(Object.keys(kinds))("may be %s", async (kind) => {
    expect(await decodePicture(kinds[kind]!())).toEqual(image);
  });

  it("of grey pixels stays grey", async () => {
    const grey: Picture = { width: 2, height: 1, channels: 1, data: Uint8Array.of(3, 200) };
    expect(await decodePicture(grey)).toEqual(grey);
  });

  it("is copied: what the caller does with its memory afterwards changes nothing", async () => {
    const data = Uint8Array.from(pixels);
    const bytes = Uint8Array.from(png);
    const [raw, file] = [readPicture({ ...image, data }), readPicture(bytes)];
    data.fill(0);
    bytes.fill(0);
    expect(await decodePortable(await raw)).toEqual(image);
    expect(await decodePortable(await file)).toEqual(image);
  });

  it("with an alpha channel is laid on white as the decoder lays a file: every value with every alpha", async () => {
    const data = new Uint8Array(256 * 256 * 4);
    for (let i = 0; i < 65536; i++) data.set([i >> 8, 255 - (i >> 8), 77, i & 255], 4 * i);
    const file = await sharp(data, { raw: { width: 256, height: 256, channels: 4 } })
      .png()
      .toBuffer();
    const decoded = await decodePicture(file);
    expect(Buffer.compare(flattenOnWhite(256, 256, data).data, decoded.data)).toBe(0);
    const clamped = new Uint8ClampedArray(data);
    expect(Buffer.compare((await decodePicture({ width: 256, height: 256, data: clamped })).data, decoded.data)).toBe(
      0,
    );
  });
});

describe("what is no picture is an error of one line", () => {
  const pixelData = { width, height, data: pixels };
  const hostile: [string, () => unknown, string][] = [
    ["undefined", () => undefined, "received undefined"],
    ["null", () => null, "received null"],
    ["a number", () => 5, "received 5"],
    ["a boolean", () => true, "received true"],
    ["a function", () => () => 1, "received a function"],
    ["a promise", () => Promise.resolve(png), "await it"],
    ["an answer of fetch", () => new Response("x"), "pass its body"],
    ["an array of numbers", () => [1, 2, 3], "received an array of 3"],
    ["an empty object", () => ({}), "received an object without keys"],
    ["what sharp gives", () => ({ data: png, info: { width: 1 } }), "pass { ...info, data }"],
    ["floats alone", () => new Float32Array(3), "received a Float32Array"],
    ["clamped bytes alone", () => new Uint8ClampedArray(3), "received a Uint8ClampedArray"],
    ["a DataView", () => new DataView(new ArrayBuffer(3)), "received a DataView"],
    ["an empty string", () => "", "received an empty string"],
    ["base64", () => png.toString("base64").padEnd(6000, "A"), 'Buffer.from(text, "base64")'],
    ["no file", () => join(folder, "absent.png"), "no such file"],
    ["a NUL in a path", () => "a\0b", "null bytes"],
    ["another scheme", () => new URL("ftp://example.org/a.png"), "received ftp:"],
    ["a blob: URL", () => new URL("blob:nodedata:1"), "received blob:"],
    ["a file: URL of another machine", () => new URL("file://elsewhere/a.png"), "a file: URL of this machine"],
    ["an address without a file", () => `${site}/absent.png?token=secret`, "HTTP status 404"],
    ["an address without a server", () => "http://127.0.0.1:9/a.png", "check the address and the network"],
    ["an answer that breaks off", () => `${site}/broken`, `expected the bytes of ${"http"}`],
    ["a data: URL that is none", () => "data:nothing", "data: URL"],
    ["no bytes", () => new Uint8Array(), "received none"],
    ["an empty Blob", () => new Blob([]), "received none"],
    ["an empty stream", () => Readable.from([]), "received none"],
    ["moved memory", moved, "received none"],
    ["a stream of text", () => Readable.from(["text"]), "received text"],
    ["a stream of objects", () => Readable.from([{}]), "received object"],
    ["a stream that breaks", () => Readable.from(breaking()), "received disk on fire"],
    ["a stream in use", locked, "expected the bytes of the stream"],
    ["pixels without channels", () => pixelData, "add channels: 3"],
    ["pixels with two channels", () => ({ ...pixelData, channels: 2 }), "received 2"],
    ["channels as text", () => ({ ...pixelData, channels: "rgb" }), 'received "rgb"'],
    ["too few pixels", () => ({ width: 32, height: 32, channels: 3, data: new Uint8Array(3) }), "received 3 values"],
    ["too many pixels", () => ({ ...image, height: height - 1 }), "received 720 values"],
    ["RGBA said to be RGB", () => ({ ...image, data: Uint8Array.from(withAlpha(() => 9)) }), "received 960 values"],
    ["short ImageData", () => ({ width, height, data: new Uint8ClampedArray(pixels) }), "received 720 values"],
    ["floats as pixels", () => ({ ...image, data: new Float32Array(pixels) }), "received a Float32Array"],
    ["an array as pixels", () => ({ ...image, data: [...pixels] }), "received an array of 720"],
    ["a width of none", () => ({ ...image, width: 0, data: new Uint8Array() }), "expected width"],
    ["a width of a half", () => ({ ...image, width: 1.5 }), "expected width"],
    ["a height as text", () => ({ ...image, height: "12" }), "expected height"],
    ["more pixels than memory", () => ({ ...image, width: 1e9, height: 1e9 }), "at most"],
    ["text in a Blob", () => new Blob(["hello"]), "text, not a picture"],
    ["half a file", () => png.subarray(0, 60), "damaged PNG"],
  ];

  it.each(hostile)("%s", async (_, make, message) => {
    const error = await decodePicture(make() as Picture).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(UserError);
    expect((error as UserError).message).toContain(message);
    expect((error as UserError).message).not.toContain("\n");
    expect((error as UserError).message).not.toContain("secret");
    expect((error as UserError).message.length).toBeLessThan(400);
  });
});

function moved(): Uint8Array {
  const bytes = Uint8Array.from(png);
  const { port1 } = new MessageChannel();
  port1.postMessage(bytes, [bytes.buffer]);
  port1.close();
  return bytes;
}

function locked(): ReadableStream {
  const stream = new Blob([Uint8Array.from(png)]).stream();
  stream.getReader();
  return stream as ReadableStream;
}

async function* breaking(): AsyncGenerator<Uint8Array> {
  yield png.subarray(0, 10);
  throw new Error("disk on fire");
}

describe("limits of what is read", () => {
  const limits = { maxBytes: 5000 };

  it.each<[string, () => Picture]>([
    ["a server that sends on and on", () => `${site}/endless`],
    ["a Blob", () => new Blob([new Uint8Array(5001)])],
    ["a stream", () => Readable.from(Array.from({ length: 10 }, () => new Uint8Array(1000)))],
  ])("hold for %s", async (_, make) => {
    await expect(readPicture(make(), limits)).rejects.toThrow(/expected at most 5000 bytes from .*raise maxBytes/);
  });

  it("do not hold for what is in memory or on disk", async () => {
    expect(await decodePortable(await readPicture(png, { maxBytes: 1 }))).toEqual(image);
  });

  it("let go of a stream that is too long", async () => {
    let cancelled = false;
    const stream = new ReadableStream<Uint8Array>({
      pull: (controller) => controller.enqueue(new Uint8Array(1000)),
      cancel: () => {
        cancelled = true;
      },
    });
    await expect(readPicture(stream, limits)).rejects.toThrow("at most 5000 bytes");
    expect(cancelled).toBe(true);
  });
});

describe("a signal", () => {
  it.each<[string, () => Picture]>([
    ["a server that is silent", () => `${site}/silent`],
    ["a stream that waits", () => new Readable({ read: () => {} })],
    ["a web stream that waits", () => new ReadableStream()],
    ["a generator that waits", () => waiting()],
  ])("gives up at once: %s", async (_, make) => {
    const stop = new AbortController();
    const picture = readPicture(make(), { signal: stop.signal });
    setTimeout(() => stop.abort(new Error("enough")), 20);
    await expect(picture).rejects.toThrow("enough");
  });

  it("destroys the stream", async () => {
    const stream = new Readable({ read: () => {} });
    await expect(readPicture(stream, { signal: AbortSignal.timeout(10) })).rejects.toThrow(/timeout/);
    expect(stream.destroyed).toBe(true);
  });

  it("that was given before is heard", async () => {
    await expect(readPicture(png, { signal: AbortSignal.abort(new Error("before")) })).rejects.toThrow("before");
  });
});

async function* waiting(): AsyncGenerator<Uint8Array> {
  await new Promise(() => {});
  yield png;
}
