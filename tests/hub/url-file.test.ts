import type { IncomingMessage, ServerResponse } from "node:http";
import { describe, expect, test } from "vitest";
import { UserError } from "#repvgg/core/errors.js";
import { urlFile } from "#repvgg/hub/url-file.node.js";
import { sendBytes, serve } from "./fake-hub.js";

const content = Buffer.from(Array.from({ length: 500 }, (_, i) => (i * 3) % 256));

type Answer = (request: IncomingMessage, response: ServerResponse) => void;
const withRanges: Answer = (request, response) => sendBytes(request, response, content, '"v1"', {});
/** Sends everything, in chunks of 90 bytes, whatever part was asked for. */
const withoutRanges: Answer = (_request, response) => {
  response.writeHead(200, { "Content-Length": content.length });
  for (let at = 0; at < content.length; at += 90) response.write(content.subarray(at, at + 90));
  response.end();
};

async function read(chunks: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  for await (const chunk of chunks) {
    expect(chunk.length).toBeGreaterThan(0);
    parts.push(chunk);
  }
  return Buffer.concat(parts);
}

describe.each([
  ["knows ranges", withRanges],
  ["does not know ranges", withoutRanges],
])("a file on a server that %s", (_, answer) => {
  test("is known by its size and read from any byte on, as it is and without a token", async () => {
    const [asked, tokens, encodings]: (string | undefined)[][] = [[], [], []];
    const url = await serve((request, response) => {
      asked!.push(request.headers.range);
      tokens!.push(request.headers.authorization);
      encodings!.push(String(request.headers["accept-encoding"]));
      answer(request, response);
    });
    const file = await urlFile(`${url}/x.pth`, "x.pth", undefined);
    expect([file.name, file.bytes, file.digest]).toEqual(["x.pth", 500, { algorithm: "sha256", hex: undefined }]);
    expect(file.blob).toMatch(/^url-[0-9a-f]{64}$/);
    for (const from of [0, 1, 89, 90, 91, 180, 499])
      expect(await read(file.open(from))).toEqual(content.subarray(from));
    expect(tokens!.every((token) => token === undefined)).toBe(true);
    for (const encoding of encodings!) expect(encoding).toMatch(/^identity/);
    expect(asked).toEqual(["bytes=0-0", ...[0, 1, 89, 90, 91, 180, 499].map((from) => `bytes=${from}-`)]);
  });
});

test("is checked by the beginning of its digest where its name ends in one", async () => {
  const url = await serve(withRanges);
  const digests: [string, string | undefined][] = [
    ["repvgg-A0-60ae8e23.pth", "60ae8e23"],
    [`a-${"0a".repeat(32)}.pt`, "0a".repeat(32)],
    ["a-60ae8e2.pth", undefined],
    ["a-60ae8e2g.pth", undefined],
    ["a-60ae8e23.safetensors", undefined],
    ["a60ae8e23.pth", undefined],
  ];
  for (const [name, hex] of digests) expect((await urlFile(url, name, undefined)).digest.hex).toBe(hex);
});

test("is another content where address, size, or what the server calls it are others", async () => {
  let headers: Record<string, string> = {};
  const url = await serve((_request, response) =>
    response.writeHead(200, { "Content-Length": 5, ...headers }).end("12345"),
  );
  const blobs = new Set<string>();
  for (const more of [{}, { ETag: "a" }, { ETag: "b" }, { "Last-Modified": "now" }, { "Content-Length": "6" }]) {
    headers = more as Record<string, string>;
    for (const path of ["/a", "/b"]) {
      const first = (await urlFile(url + path, "x.pth", undefined)).blob;
      expect((await urlFile(url + path, "y.pth", undefined)).blob).toBe(first);
      blobs.add(first);
    }
  }
  expect(blobs.size).toBe(10);
});

test("that is refused, has no size, or whose caller stops, is told", async () => {
  const missing = await serve((_request, response) => response.writeHead(404).end("no"));
  await expect(urlFile(missing, "x.pth", undefined)).rejects.toThrow(UserError);
  await expect(urlFile(missing, "x.pth", undefined)).rejects.toThrow(
    /a file at .*, received HTTP status 404: check the address/,
  );
  for (const range of ["bytes 0-0/*", "bytes 0-0", "bytes 0-0/9007199254740993"]) {
    const open = await serve((_request, response) => response.writeHead(206, { "Content-Range": range }).end("x"));
    await expect(urlFile(open, "x.pth", undefined)).rejects.toThrow(
      /a server that says how large .*, received no size/,
    );
  }
  const stream = await serve((_request, response) => {
    response.writeHead(200);
    response.write("x");
    response.end();
  });
  await expect(urlFile(stream, "x.pth", undefined)).rejects.toThrow(/received no size: download it by other means/);
  const good = await serve(withRanges);
  await expect(urlFile(good, "x.pth", AbortSignal.abort())).rejects.toThrow(/abort/i);
  await expect(urlFile("http://127.0.0.1:59/", "x.pth", undefined)).rejects.toThrow(
    /use --offline for what is in the cache/,
  );
});
