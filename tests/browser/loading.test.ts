import { mkdtempSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { netOf } from "#repvgg/exchange/net.js";
import { saveNet } from "#repvgg/exchange/save-net.node.js";
import { repvgg } from "#repvgg/nn/repvgg.js";
import type { RunningSite } from "#repvgg/serve/static-files.node.js";
import { type OpenedPage, openLibrary, startSite } from "./support.js";

const folder = mkdtempSync(join(tmpdir(), "repvgg-browser-"));
const file = (name: string): string => join(folder, name);
let site: RunningSite;
let opened: OpenedPage;

beforeAll(async () => {
  await saveNet(netOf(repvgg("nano", { seed: 1 })), file("net.safetensors"));
  await saveNet(netOf(repvgg("nano", { seed: 1 })), file("cut.safetensors"));
  await saveNet(netOf(repvgg("nano", { seed: 1 })), file("cut.pth"));
  await saveNet(netOf(repvgg("nano", { seed: 1 })), file("cut.onnx"));
  for (const name of ["cut.safetensors", "cut.pth", "cut.onnx"]) truncateSync(file(name), 20_000);
  writeFileSync(file("empty.onnx"), "");
  writeFileSync(file("page.bin"), "<!doctype html><p>no model</p>");
  site = await startSite({ folders: { "/files/": folder } });
  opened = await openLibrary(site);
});
afterAll(async () => {
  await opened?.close();
  await site.close();
  rmSync(folder, { recursive: true });
});

it.each([
  ["cut.safetensors", "FormatError", /^expected .*, received .* in http:.*cut\.safetensors/],
  ["cut.pth", "FormatError", /^expected .*, received .*cut\.pth/],
  ["cut.onnx", "FormatError", /^expected .*, received .*cut\.onnx/],
  ["empty.onnx", "UserError", /^expected a model file: .*, received .*empty\.onnx, an empty file/],
  ["page.bin", "UserError", /^expected a model file: .*, received .*page\.bin, an HTML page/],
  ["missing.pth", "UserError", /^expected a file at http.*missing\.pth, received HTTP status 404: check the address/],
])("says what is wrong with %s, and lives on", async (name, kind, message) => {
  const error = await opened.page.evaluate(async (url) => {
    const engine = await window.repvgg.createEngine({ threads: 1 });
    const caught = await engine.load(url).then(
      () => undefined,
      (thrown: Error) => ({
        name: thrown.name,
        message: thrown.message,
        ours: thrown instanceof window.repvgg.UserError,
      }),
    );
    const net = await engine.load("/files/net.safetensors");
    return { ...caught, lives: net.info.name === "nano" };
  }, `/files/${name}`);
  expect(error).toMatchObject({ name: kind, ours: true, lives: true });
  expect(error.message).toMatch(message);
  expect(error.message).not.toContain("\n");
});

it("names a dropped file, and a server that does not answer", async () => {
  const messages = await opened.page.evaluate(async () => {
    const engine = await window.repvgg.createEngine({ threads: 1 });
    const caught = (work: Promise<unknown>): Promise<string> =>
      work.then(
        () => "",
        (error: Error) => error.message,
      );
    return [
      await caught(engine.load(new File(["nothing"], "holiday.jpg"))),
      await caught(engine.load("http://127.0.0.1:9/net.onnx")),
      await caught(engine.load(new Uint8Array(3), { name: "three bytes" })),
    ];
  });
  expect(messages[0]).toMatch(/received holiday\.jpg, text that begins with "nothing"/);
  expect(messages[1]).toMatch(/received no answer: check the address and the connection/);
  expect(messages[2]).toMatch(/received three bytes, zeros at its beginning/);
});

it("tells how far it is", async () => {
  const told = await opened.page.evaluate(async () => {
    const progress: { loaded: number; total: number | undefined; cached: boolean }[] = [];
    const engine = await window.repvgg.createEngine({ threads: 1 });
    const { info } = await engine.load("/files/net.safetensors", {
      cache: "off",
      onProgress: (now) => progress.push(now),
    });
    return { progress, bytes: info.bytes };
  });
  const { loaded, total } = told.progress.at(-1)!;
  expect(loaded).toBe(total);
  expect(loaded).toBeGreaterThan(told.bytes);
  expect(told.progress[0]).toEqual({ loaded: 0, total, cached: false });
  expect(told.progress.every((now, i) => i === 0 || now.loaded >= told.progress[i - 1]!.loaded)).toBe(true);
});

it.each([true, false])("gives up when told to (worker: %s)", async (worker) => {
  const seen = await opened.page.evaluate(async (inWorker) => {
    const { createEngine, createLocalEngine } = window.repvgg;
    const engine = await (inWorker ? createEngine : createLocalEngine)({ threads: 1 });
    const stop = new AbortController();
    const reason = await engine
      .load("/files/net.safetensors", { signal: stop.signal, cache: "off", onProgress: () => stop.abort("enough") })
      .catch((thrown: unknown) => thrown);
    const early = await engine
      .load("/files/net.safetensors", { signal: AbortSignal.abort("too late") })
      .catch((thrown: unknown) => thrown);
    const net = await engine.load("/files/net.safetensors");
    const asked = await net
      .classify(new ImageData(8, 8), { signal: AbortSignal.abort("no picture") })
      .catch((thrown: unknown) => thrown);
    return { reason, early, asked };
  }, worker);
  expect(seen).toEqual({ reason: "enough", early: "too late", asked: "no picture" });
});

describe("the browser's store", () => {
  const load = (options: { cache?: "revalidate" | "first" | "off" }): Promise<boolean> =>
    opened.page.evaluate(async (given) => {
      let fromStore = false;
      await window.repvgg.loadModel("/files/stored.safetensors", {
        ...given,
        onProgress: ({ cached }) => {
          fromStore = cached;
        },
      });
      return fromStore;
    }, options);
  const stored = (): Promise<number> =>
    opened.page.evaluate(async () => (await (await caches.open(window.repvgg.cacheName)).keys()).length);

  beforeEach(async () => {
    await saveNet(netOf(repvgg("nano", { seed: 2 })), file("stored.safetensors"));
    await opened.page.evaluate(() => caches.delete(window.repvgg.cacheName));
  });

  it("keeps a file as long as the server has no other one", async () => {
    expect(await load({})).toBe(false);
    await expect.poll(stored).toBe(1);
    expect(await load({})).toBe(true);
    await saveNet(netOf(repvgg("nano", { seed: 3 })), file("stored.safetensors"));
    expect(await load({ cache: "first" })).toBe(true);
    expect(await load({})).toBe(false);
  });

  it("is left alone when told so", async () => {
    expect(await load({ cache: "off" })).toBe(false);
    expect(await stored()).toBe(0);
  });

  it("serves pages whose server is gone", async () => {
    const passing = await startSite({ folders: { "/files/": folder } });
    const page = await openLibrary(passing);
    const load = (address: string): Promise<string> =>
      page.page.evaluate(async (url) => (await window.repvgg.loadModel(url)).architecture.name, address);
    await load("/files/stored.safetensors");
    await expect.poll(() => page.page.evaluate(() => caches.has(window.repvgg.cacheName))).toBe(true);
    await passing.close();
    expect(await load("/files/stored.safetensors")).toBe("nano");
    await expect(load("/files/net.safetensors")).rejects.toThrow(/no answer/);
    await page.close();
  });
});
