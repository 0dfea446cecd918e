import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Engine } from "repvgg/browser";
import sharp from "sharp";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createBackend } from "#repvgg/backend/select.node.js";
import { picturesOf } from "#repvgg/classifier/net-classifier.js";
import { likeliest, pictureInput } from "#repvgg/classifier/prediction.js";
import type { Image } from "#repvgg/data/dataset.js";
import { decodeImage } from "#repvgg/data/decode.node.js";
import { createSession } from "#repvgg/engine/session.js";
import { foldNet } from "#repvgg/exchange/fold-net.js";
import { loadNet } from "#repvgg/exchange/load-net.node.js";
import { netOf } from "#repvgg/exchange/net.js";
import { saveNet } from "#repvgg/exchange/save-net.node.js";
import { repvgg } from "#repvgg/nn/repvgg.js";
import type { RunningSite } from "#repvgg/serve/static-files.node.js";
import { type OpenedPage, openLibrary, root, startSite } from "./support.js";

declare global {
  interface Window {
    /** One for all tests of a page. */
    engine?: Engine;
  }
}

const folder = mkdtempSync(join(tmpdir(), "repvgg-browser-"));
afterAll(() => rmSync(folder, { recursive: true }));

/** A picture of soft colours with noise, as photographs have. */
async function paint(name: string, alpha: boolean): Promise<void> {
  const [width, height, channels] = [120, 90, alpha ? 4 : 3];
  const data = Buffer.alloc(width * height * channels);
  for (let i = 0, seed = 7; i < data.length; i++) {
    seed = (seed * 1103515245 + 12345) % 2 ** 31;
    const [x, y, c] = [Math.floor(i / channels) % width, Math.floor(i / channels / width), i % channels];
    data[i] = c === 3 ? (x * 255) / width : 128 + 90 * Math.sin(x / (20 + 9 * c) + y / 31) + (seed % 30) - 15;
  }
  await sharp(data, { raw: { width, height, channels: channels as 3 | 4 } }).toFile(join(folder, name));
}

const rgb = repvgg("nano", { inputChannels: 3, classes: 12, inputSize: [48, 40], seed: 5 });
const grey = repvgg("nano", { seed: 6, classNames: [..."abcdefghij"] });

beforeAll(async () => {
  await Promise.all([
    paint("photo.jpg", false),
    paint("photo.png", false),
    paint("photo.webp", false),
    paint("glass.png", true),
  ]);
  await saveNet(netOf(rgb), join(folder, "rgb-train.safetensors"));
  await saveNet(foldNet(netOf(rgb)).net, join(folder, "rgb-plain.safetensors"));
  await saveNet(foldNet(netOf(grey)).net, join(folder, "grey-plain.onnx"));
  await saveNet(netOf(grey), join(folder, "grey-train.pth"));
});

/** Node's logits for decoded pixels. */
async function inNode(path: string, picture: Image): Promise<number[]> {
  const net = await loadNet(path);
  const backend = await createBackend({ threads: 1, kernels: "wasm" });
  const input = pictureInput(picture, picturesOf(net).preprocessing);
  const session = createSession(net.graph, { backend, shape: input.shape });
  const logits = [...session.run(input)[session.outputNames[0]!]!.data];
  backend.dispose();
  return logits;
}

describe.each([
  { page: "isolated", isolated: true },
  { page: "not isolated", isolated: false },
])("a page that is $page", ({ isolated }) => {
  let site: RunningSite;
  let opened: OpenedPage;
  beforeAll(async () => {
    site = await startSite({
      isolated,
      folders: { "/files/": folder, "/oracles/": join(root, "tests/fixtures/oracles") },
    });
    opened = await openLibrary(site);
  });
  afterAll(async () => {
    await opened?.close();
    await site.close();
  });

  it.each([
    ["files/rgb-train.safetensors", "photo.jpg"],
    ["files/rgb-plain.safetensors", "photo.jpg"],
    ["files/rgb-plain.safetensors", "glass.png"],
    ["files/rgb-plain.safetensors", "photo.webp"],
    ["files/grey-train.pth", "photo.png"],
    ["files/grey-plain.onnx", "photo.png"],
    ["oracles/tiny-g4-train.pth", "photo.jpg"],
    ["oracles/tiny-se-deploy.pth", "photo.jpg"],
    ["oracles/tiny-ddp-legacy.pth", "photo.png"],
    ["oracles/tiny-half.pth", "photo.png"],
    ["oracles/tiny-deploy.onnx", "photo.jpg"],
  ])("predicts by %s what Node predicts of %s", async (model, picture) => {
    const seen = await opened.page.evaluate(
      async ([modelUrl, pictureUrl]) => {
        const image = new Image();
        image.src = pictureUrl!;
        await image.decode();
        const pixels = await window.repvgg.decodePicture(image);
        window.engine ??= await window.repvgg.createEngine();
        const net = await window.engine.load(modelUrl!);
        const { predictions, logits } = await net.classify(image);
        net.dispose();
        return { ...pixels, data: [...pixels.data], logits: [...logits], top: predictions };
      },
      [`/${model}`, `/files/${picture}`],
    );
    const path = model.startsWith("files/") ? join(folder, model.slice(6)) : join(root, "tests/fixtures", model);
    const expected = await inNode(path, { ...seen, data: Uint8Array.from(seen.data) } as Image);
    expect(seen.logits).toHaveLength(expected.length);
    seen.logits.forEach((logit, i) => {
      expect(Math.abs(logit - expected[i]!)).toBeLessThan(1e-4);
    });
    expect(seen.logits).toEqual(expected); // the same kernels: the same bits, on any number of threads
    const names = Array.from(expected, (_, i) => String(i));
    const order = likeliest(Float32Array.from(expected), names, 5).map(({ classIndex }) => classIndex);
    expect(seen.top.map(({ classIndex }) => classIndex)).toEqual(order);
    expect(opened.errors).toEqual([]);
  });
});

describe("pictures", () => {
  let site: RunningSite;
  let opened: OpenedPage;
  beforeAll(async () => {
    site = await startSite({ folders: { "/files/": folder } });
    opened = await openLibrary(site);
  });
  afterAll(async () => {
    await opened?.close();
    await site.close();
  });

  it.each([
    ["photo.png", 0],
    ["glass.png", 1],
  ])("have the pixels that Node decodes: %s within %i", async (name, tolerance) => {
    const pixels = await opened.page.evaluate(async (url) => {
      const image = new Image();
      image.src = url;
      return [...(await window.repvgg.decodePicture(image)).data];
    }, `/files/${name}`);
    const { data } = await decodeImage(join(folder, name));
    expect(pixels).toHaveLength(data.length);
    const off = pixels.reduce((most, value, i) => Math.max(most, Math.abs(value - data[i]!)), 0);
    expect(off).toBeLessThanOrEqual(tolerance);
  });

  it("are taken from whatever shows them", async () => {
    const different = await opened.page.evaluate(async () => {
      const { createEngine, decodePicture } = window.repvgg;
      const blob = await (await fetch("/files/photo.png")).blob();
      const image = new Image();
      image.src = URL.createObjectURL(blob);
      await image.decode();
      const bitmap = await createImageBitmap(blob);
      const canvas = document.createElement("canvas");
      const offscreen = new OffscreenCanvas(bitmap.width, bitmap.height);
      for (const target of [canvas, offscreen]) {
        target.width = bitmap.width;
        target.height = bitmap.height;
        (target.getContext("2d") as CanvasRenderingContext2D).drawImage(bitmap, 0, 0);
      }
      const data = (canvas.getContext("2d") as CanvasRenderingContext2D).getImageData(
        0,
        0,
        canvas.width,
        canvas.height,
      );
      const pixels = await decodePicture(blob);
      const engine = await createEngine({ threads: 1 });
      const net = await engine.load("/files/rgb-plain.safetensors");
      const first = await net.classify(pixels);
      const others = { image, blob, bitmap, canvas, offscreen, data };
      const wrong: string[] = [];
      for (const [name, picture] of Object.entries(others)) {
        const { logits } = await net.classify(picture);
        if (!logits.every((logit, i) => logit === first.logits[i])) wrong.push(name);
      }
      // What the caller keeps can be used again.
      if (bitmap.width === 0) wrong.push("the bitmap was taken away");
      engine.dispose();
      return wrong;
    });
    expect(different).toEqual([]);
    expect(opened.errors).toEqual([]);
  });

  it("have the same pixels where they are read strip by strip, and never those of an empty canvas", async () => {
    const seen = await opened.page.evaluate(async () => {
      const sum = async (bytes: Uint8Array): Promise<string> =>
        [...new Uint8Array(await crypto.subtle.digest("SHA-256", bytes as Uint8Array<ArrayBuffer>))].join();
      const results: { size: string; same?: boolean; error?: string; grey?: boolean }[] = [];
      for (const [width, height] of [
        [2049, 5003],
        [1, 9000],
        [40_000, 110],
        [70_000, 2],
      ] as const) {
        const size = `${width}×${height}`;
        const data = new ImageData(width, height);
        for (let i = 0; i < data.data.length; i++) data.data[i] = i % 4 === 3 ? 255 : (i * 2654435761) >>> 24;
        const bitmap = await createImageBitmap(data);
        const [whole, strips] = await Promise.all(
          [data, bitmap].map((picture) =>
            window.repvgg.decodePicture(picture).then(
              (image) => sum(image.data),
              (error: Error) => error.message,
            ),
          ),
        );
        results.push({ size, same: whole === strips, ...(whole !== strips && { error: strips! }) });
      }
      return results;
    });
    for (const { size, same, error } of seen) {
      if (!same)
        expect(error, size).toBe(
          `expected a picture that this browser can hold, received one of ${size} pixels: make it smaller`,
        );
    }
    expect(seen.slice(0, 3).map(({ same }) => same)).toEqual([true, true, true]);
  });

  it("of formats that a browser does not decode are named as in Node", async () => {
    const messages = await opened.page.evaluate(async () => {
      const failed = (text: string, name: string): Promise<string> => {
        const bytes = Uint8Array.from(text, (letter) => letter.charCodeAt(0));
        return window.repvgg.decodePicture(new File([bytes], name)).then(
          () => "no error",
          (error: Error) => error.message.replace("expected a picture that this browser can show, received ", ""),
        );
      };
      return Promise.all([
        failed("\0\0\0\x18ftypheic\0\0\0\0mif1heic", "IMG_1.HEIC"),
        failed("II*\0\x10\0\0\0", "scan.tiff"),
        failed("%PDF-1.7 ", "page.pdf"),
        failed("\0\0\0\x14ftypqt  \0\0\0\0qt  ", "clip.mov"),
        failed("\x89PNG\r\n\x1a\n", "cut.png"),
        failed("", "empty.jpg"),
      ]);
    });
    expect(messages).toEqual([
      "IMG_1.HEIC (HEIC: damaged, or this browser has no decoder for it): convert it to JPEG or PNG",
      "scan.tiff (TIFF: damaged, or this browser has no decoder for it): convert it to JPEG or PNG",
      "page.pdf (PDF document, which is not read): convert it to JPEG or PNG",
      "clip.mov (QuickTime video, which is not read): convert it to JPEG or PNG",
      "cut.png (damaged PNG): replace the file",
      "empty.jpg (empty file): give another one",
    ]);
    expect(opened.errors).toEqual([]);
  });

  it("are frames of a video, once there is one", async () => {
    const seen = await opened.page.evaluate(async () => {
      const engine = await window.repvgg.createEngine({ threads: 1 });
      const net = await engine.load("/files/rgb-plain.safetensors");
      const video = document.createElement("video");
      const early = await net.classify(video).catch((error: Error) => error.message);
      const canvas = document.createElement("canvas");
      const context = canvas.getContext("2d")!;
      const stream = canvas.captureStream();
      const draw = setInterval(() => context.fillRect(0, 0, Math.random() * 100, 50), 30);
      video.muted = true;
      video.srcObject = stream;
      await video.play();
      const { predictions } = await net.classify(video, { topK: 2 });
      clearInterval(draw);
      engine.dispose();
      return { early, predictions: predictions.length };
    });
    expect(seen.early).toBe(
      "expected a picture that this browser can show, received a video without a frame yet: wait for its event loadeddata",
    );
    expect(seen.predictions).toBe(2);
  });

  it.each([true, false])("that cannot be used are named (worker: %s)", async (worker) => {
    const open = await startSite({ isolated: false, policy: "img-src *" });
    const other = await startSite({ isolated: false, folders: { "/files/": folder } });
    const from = await openLibrary(open);
    const messages = await from.page.evaluate(
      async ([inWorker, foreign]) => {
        const { createEngine, createLocalEngine } = window.repvgg;
        const engine = await (inWorker ? createEngine : createLocalEngine)({ threads: 1 });
        const net = await engine.create("nano");
        const failed = (picture: import("repvgg/browser").Picture): Promise<string> =>
          net.classify(picture).then(
            () => "no error",
            (error: Error) => error.message,
          );
        const image = new Image();
        image.src = foreign as string;
        await image.decode();
        const canvas = document.createElement("canvas");
        canvas.getContext("2d")!.drawImage(image, 0, 0);
        const broken = new Image();
        broken.src = "/missing.png";
        const closed = await createImageBitmap(new ImageData(2, 2));
        closed.close();
        return {
          foreign: await failed(image),
          canvas: await failed(canvas),
          broken: await failed(broken),
          text: await failed(new File(["no picture"], "notes.txt", { type: "text/plain" })),
          closed: await failed(closed),
        };
      },
      [worker, new URL("files/photo.png", other.url).href],
    );
    const withheld =
      /^expected a picture whose pixels this page may read, received one of another site: load it with cross/;
    expect(messages.foreign).toMatch(withheld);
    expect(messages.canvas).toMatch(withheld);
    expect(messages.broken).toMatch(/received the image http.*missing\.png, which did not load: give another one$/);
    expect(messages.text).toMatch(/received notes\.txt \(text, not a picture\): give another one$/);
    expect(messages.closed).toMatch(
      /received an ImageBitmap that was closed or moved away: give each picture once, or a copy$/,
    );
    await from.close();
    await open.close();
    await other.close();
  });
});
