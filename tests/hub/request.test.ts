import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, describe, expect, test } from "vitest";
import { UserError } from "#repvgg/core/errors.js";
import { backoff, chunksOf, request } from "#repvgg/hub/request.node.js";

const servers: Server[] = [];
afterAll(() => {
  for (const server of servers) {
    server.closeAllConnections();
    server.close();
  }
});

/** A server that gives these answers in turn, the last one for ever; 0: it ends the connection without an answer. */
async function answers(...statuses: number[]): Promise<{ url: string; asked(): number }> {
  let asked = 0;
  const server = createServer((incoming, response) => {
    const status = statuses[Math.min(asked++, statuses.length - 1)]!;
    if (status === 0) incoming.socket.destroy();
    else response.writeHead(status).end(`answer ${asked}`);
  }).listen(0, "127.0.0.1");
  servers.push(server);
  await new Promise((resolve) => server.once("listening", resolve));
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, asked: () => asked };
}

describe("a request", () => {
  test.concurrent.each([429, 500, 502, 503, 504, 0])("is made again after %i", async (status) => {
    const server = await answers(status, 200);
    const response = await request(server.url, {}, "try later");
    expect([response.status, await response.text(), server.asked()]).toEqual([200, "answer 2", 2]);
  });

  test.concurrent.each([200, 206, 301, 400, 401, 403, 404, 416, 418, 501, 505])("is not after %i", async (status) => {
    const server = await answers(status, 200);
    const response = await request(server.url, { redirect: "manual" }, "try later");
    expect([response.status, server.asked()]).toEqual([status, 1]);
  });

  test.concurrent("is made four times at most, and then the answer is the server's", async () => {
    const server = await answers(503);
    expect((await request(server.url, {}, "try later")).status).toBe(503);
    expect(server.asked()).toBe(4);
    const broken = await answers(0);
    const failure = request(broken.url, {}, "try later");
    await expect(failure).rejects.toThrow(UserError);
    await expect(failure).rejects.toThrow(
      /^expected to reach http:\/\/127\.0\.0\.1:\d+, received a connection that was broken off: try later$/,
    );
    expect(broken.asked()).toBe(4);
  });

  test.concurrent("is not made again where nobody listens, and tells what to do", async () => {
    const started = request("http://127.0.0.1:59/file", {}, "check the network");
    await expect(started).rejects.toThrow(
      /^expected to reach http:\/\/127\.0\.0\.1:59, received a refused connection: check the network$/,
    );
  });

  test.concurrent("ends when its caller stops it, also while it waits to be made again", async () => {
    const server = await answers(503);
    const stop = new AbortController();
    const waiting = request(server.url, { signal: stop.signal }, "try later");
    waiting.catch(() => undefined);
    await expect.poll(server.asked).toBe(1);
    stop.abort();
    await expect(waiting).rejects.toThrow(/abort/i);
    await expect(waiting).rejects.not.toThrow(UserError);
    expect(server.asked()).toBe(1);
    await expect(request(server.url, { signal: AbortSignal.abort() }, "x")).rejects.not.toThrow(UserError);
  });

  test("waits twice as long each time", () => {
    expect([1, 2, 3, 4].map(backoff)).toEqual([250, 500, 1000, 2000]);
  });
});

test("the chunks of an answer come as they are; who leaves early ends the stream", async () => {
  const cancelled: string[] = [];
  const stream = (count: number) =>
    new ReadableStream<Uint8Array>({
      start(controller) {
        for (let i = 0; i < count; i++) controller.enqueue(Uint8Array.of(i));
        controller.close();
      },
      cancel: () => void cancelled.push("yes"),
    });
  const seen: number[] = [];
  for await (const chunk of chunksOf(stream(3))) seen.push(...chunk);
  expect(seen).toEqual([0, 1, 2]);
  const endless = new ReadableStream<Uint8Array>({
    pull: (controller) => controller.enqueue(Uint8Array.of(1)),
    cancel: () => void cancelled.push("yes"),
  });
  for await (const chunk of chunksOf(endless)) {
    expect([...chunk]).toEqual([1]);
    break;
  }
  expect(cancelled).toEqual(["yes"]);
  const broken = new ReadableStream<Uint8Array>({ start: (controller) => controller.error(new Error("cut")) });
  await expect(chunksOf(broken).next()).rejects.toThrow("cut");
});
