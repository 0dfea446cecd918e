import { afterAll, beforeAll, expect, it } from "vitest";
import type { RunningSite } from "#repvgg/serve/static-files.node.js";
import { type OpenedPage, openLibrary, startSite } from "./support.js";

let site: RunningSite;
let opened: OpenedPage;
beforeAll(async () => {
  site = await startSite();
  opened = await openLibrary(site);
});
afterAll(async () => {
  await opened?.close();
  await site.close();
});

it("one picture, however it is given, has the same logits", async () => {
  const result = await opened.page.evaluate(async () => {
    const { createEngine, createLocalEngine, predict, repvgg } = window.repvgg;
    const { width, height } = { width: 20, height: 12 };
    const rgba = new Uint8ClampedArray(width * height * 4).map((_, i) => (i % 4 === 3 ? 255 : (i * 7) % 256));
    const rgb = Uint8Array.from(rgba.filter((_, i) => i % 4 !== 3));
    const image = new ImageData(rgba, width, height);
    const canvas = new OffscreenCanvas(width, height);
    canvas.getContext("2d")!.putImageData(image, 0, 0);
    const blob = await canvas.convertToBlob();
    const bytes = new Uint8Array(await blob.arrayBuffer());
    const kinds = {
      imageData: image,
      canvas,
      blob,
      bytes,
      "part of memory": new Uint8Array([0, ...bytes, 0]).subarray(1, bytes.length + 1),
      buffer: bytes.buffer,
      rgb: { width, height, channels: 3, data: rgb },
      "clamped rgb": { width, height, channels: 3, data: new Uint8ClampedArray(rgb) },
      rgba: { width, height, channels: 4, data: new Uint8Array(rgba) },
      "rgba of a canvas": { width, height, data: rgba },
    } as const;
    const logits: Record<string, string> = {};
    for (const [where, create] of Object.entries({ worker: createEngine, page: createLocalEngine })) {
      const engine = await create();
      const net = await engine.create("nano", { seed: 3 });
      for (const [kind, picture] of Object.entries(kinds))
        logits[`${where}: ${kind}`] = (await net.classify(picture as typeof canvas)).logits.join();
      engine.dispose();
    }
    const model = repvgg("nano", { seed: 3 });
    const top = async (picture: unknown) => JSON.stringify(await predict(model, picture as typeof canvas));
    return { logits, predicted: [await top(kinds.rgb), await top(kinds.buffer), await top(kinds["rgba of a canvas"])] };
  });
  expect(Object.keys(result.logits)).toHaveLength(20);
  expect(new Set(Object.values(result.logits)).size).toBe(1);
  expect(new Set(result.predicted).size).toBe(1);
});

it("what is no picture is an error of one line with a remedy, in the worker, on the page's thread and alone", async () => {
  const told = await opened.page.evaluate(async () => {
    const { createEngine, createLocalEngine, decodePicture, UserError } = window.repvgg;
    const pixels = { width: 8, height: 8, channels: 3, data: new Uint8Array(192) };
    const hostile: Record<string, unknown> = {
      undefined: undefined,
      null: null,
      "a number": 5,
      "a string": "/cat.jpg",
      "an address": new URL("http://localhost/cat.jpg"),
      "a promise": Promise.resolve(new Blob()),
      "an answer": new Response("x"),
      "an array": [1, 2, 3],
      "an object": { a: 1 },
      "a function": () => 1,
      "floats alone": new Float32Array(3),
      "no bytes": new Uint8Array(),
      text: new TextEncoder().encode("no picture"),
      "too few pixels": { ...pixels, data: new Uint8Array(3) },
      "too many pixels": { ...pixels, height: 7 },
      "RGBA said to be RGB": { ...pixels, data: new Uint8Array(256) },
      "no channels": { width: 8, height: 8, data: new Uint8Array(192) },
      "two channels": { ...pixels, channels: 2 },
      "a width of none": { ...pixels, width: 0 },
      "a width of text": { ...pixels, width: "8" },
      "floats as pixels": { ...pixels, data: new Float32Array(192) },
      "an array as pixels": { ...pixels, data: [...pixels.data] },
      "an empty canvas": new OffscreenCanvas(0, 0),
    };
    const engines = await Promise.all([createEngine(), createLocalEngine()]);
    const nets = await Promise.all(engines.map((engine) => engine.create("nano")));
    const calls: Record<string, (picture: never) => Promise<unknown>> = {
      decode: decodePicture,
      worker: (picture) => nets[0]!.classify(picture),
      features: (picture) => nets[0]!.features(picture, ["stage1"]),
      page: (picture) => nets[1]!.classify(picture),
    };
    const told: Record<string, string> = {};
    for (const [where, call] of Object.entries(calls))
      for (const [name, picture] of Object.entries(hostile))
        told[`${where}: ${name}`] = await call(picture as never).then(
          () => "an answer",
          (error: Error) =>
            error instanceof UserError && error.remedy ? error.message : `not ours: ${error.name} ${error.message}`,
        );
    for (const engine of engines) engine.dispose();
    return told;
  });
  expect(Object.keys(told)).toHaveLength(4 * 23);
  expect(Object.entries(told).filter(([, text]) => !/^expected [^\n]+, received [^\n]+: [^\n]+$/.test(text))).toEqual(
    [],
  );
  expect(told["worker: undefined"]).toMatch(/received undefined: pass an image/);
  expect(told["worker: no channels"]).toMatch(/add channels: 3$/);
  expect(told["worker: an answer"]).toMatch(/pass await response\.blob\(\)$/);
});
