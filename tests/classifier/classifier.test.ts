import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { performance } from "node:perf_hooks";
import { pathToFileURL } from "node:url";
import { promisify } from "node:util";
import { Worker } from "node:worker_threads";
import sharp from "sharp";
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from "vitest";
import { pictureInput } from "#repvgg/classifier/prediction.js";
import { rngFor } from "#repvgg/core/rng.js";
import type { Image } from "#repvgg/data/dataset.js";
import {
  BusyError,
  type Classifier,
  createClassifier,
  createSession,
  extractFeatures,
  fold,
  foldNet,
  loadNet,
  type Model,
  netOf,
  predict,
  predictAll,
  repvgg,
  saveModel,
  UserError,
} from "#repvgg/index.js";
import { type CnnOptions, writeCnn } from "../exchange/plain-cnn.js";

const train = repvgg("nano", { inputSize: 32, inputChannels: 3, classes: 7, seed: 3, statistics: "seeded" });
const plain = fold(train);
const other = fold(repvgg("nano", { inputSize: 24, classes: 4, seed: 5, statistics: "seeded" }));
/** Takes some milliseconds a picture. */
const slow = fold(repvgg("A0", { inputSize: 160, classes: 5, seed: 1 }));
const pictures = Array.from({ length: 21 }, (_, i) => noise(i));
let folder: string;
const made: Classifier[] = [];

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "repvgg-classifier-"));
  await saveModel(plain, join(folder, "plain.safetensors"));
  await saveModel(train, join(folder, "train.safetensors"));
  await saveModel(plain, join(folder, "plain.onnx"));
});

afterEach(async () => {
  await Promise.all(made.splice(0).map((classifier) => classifier.dispose()));
  vi.restoreAllMocks();
});

afterAll(() => rm(folder, { recursive: true, force: true }));

function noise(seed: number, width = 40, height = 33): Image {
  const rng = rngFor(seed, "noise");
  return { width, height, channels: 3, data: Uint8Array.from({ length: width * height * 3 }, () => rng.int(256)) };
}

async function make(...args: Parameters<typeof createClassifier>): Promise<Classifier> {
  const classifier = await createClassifier(...args);
  made.push(classifier);
  return classifier;
}

/** What a session on the caller's thread says of each picture alone: the oracle. */
async function logitsOf(model: Model, images: readonly Image[], kernels?: "native" | "wasm"): Promise<number[][]> {
  const session = await createSession(model, { threads: 1, ...(kernels && { kernels }) });
  try {
    return images.map((image) => [...session.run(pictureInput(image, model.metadata.preprocessing))["logits"]!.data]);
  } finally {
    session.dispose();
  }
}

const asList = (logits: Float32Array): number[] => [...logits];

describe.each(["native", "wasm"] as const)("on %s kernels", (kernels) => {
  it("gives the bits of session.run and of predict, however many pictures wait", async () => {
    const classifier = await make(plain, { kernels, threads: 2 });
    expect(classifier.kernels).toMatchObject({ threads: 2, name: expect.stringContaining(kernels) });
    const expected = await logitsOf(plain, pictures, kernels);
    for (const count of [1, 2, 5, 21]) {
      const answers = await Promise.all(pictures.slice(0, count).map((picture) => classifier.classify(picture)));
      expect(answers.map(({ logits }) => asList(logits))).toEqual(expected.slice(0, count));
    }
    const { predictions } = await classifier.classify(pictures[0]!, { topK: 3 });
    expect(predictions).toEqual(await predict(plain, pictures[0]!, { kernels, topK: 3 }));
    expect(predictions).toHaveLength(3);
  });
});

describe("a net", () => {
  it("comes from a model, a net, a file by path or address, or its bytes", async () => {
    const path = join(folder, "plain.safetensors");
    const bytes = await readFile(path);
    const site = createServer((_, response) => response.end(bytes));
    await new Promise<void>((resolve) => site.listen(0, "127.0.0.1", resolve));
    const address = `http://127.0.0.1:${(site.address() as AddressInfo).port}/plain.safetensors`;
    const [expected] = await logitsOf(plain, pictures);
    const sources = [
      ...[
        plain,
        netOf(plain),
        await loadNet(join(folder, "plain.onnx")),
        foldNet(netOf(plain), { deferred: true }).net,
      ],
      ...[path, pathToFileURL(path), pathToFileURL(path).href, join(folder, "plain.onnx")],
      ...[bytes, Uint8Array.from(bytes).buffer, new Blob([Uint8Array.from(bytes)]), address, new URL(address)],
    ];
    for (const source of sources) {
      const classifier = await make(source);
      expect(asList((await classifier.classify(pictures[0]!)).logits)).toEqual(expected);
      expect(classifier.info).toMatchObject({ classNames: plain.metadata.classNames });
      expect(classifier.info.notes.filter((note) => /fold|one picture/.test(note))).toEqual([]);
      expect(classifier.info.preprocessing).toEqual(plain.metadata.preprocessing);
      await classifier.dispose();
    }
    site.close();
  });

  it("in training form runs folded, and says so; its features are those of the net as it was given", async () => {
    const [expected] = await logitsOf(plain, pictures);
    const norm = netOf(train).graph.nodes.find(({ op }) => op === "BatchNormalization")!.outputs[0]!;
    for (const source of [train, join(folder, "train.safetensors")]) {
      const classifier = await make(source);
      expect(asList((await classifier.classify(pictures[0]!)).logits)).toEqual(expected);
      expect(classifier.info.form).toBe("train");
      expect(classifier.info.notes).toContain("folded: it runs in its plain form");
      const names = ["stage1", norm];
      expect(await classifier.features(pictures[0]!, names)).toEqual(await extractFeatures(train, pictures[0]!, names));
      await expect(classifier.features(pictures[0]!, ["stge1"])).rejects.toThrow('did you mean "stage1"?');
    }
  });

  it("of others is given several pictures at once only where they do not touch each other", async () => {
    const graph = netOf(plain).graph;
    const { source } = netOf(plain);
    const batchless = { ...graph, inputs: graph.inputs.map((input) => ({ ...input, shape: [1, 3, 32, 32] })) };
    const centred = {
      ...graph,
      nodes: [
        ...graph.nodes.map((node) => ({
          ...node,
          outputs: node.outputs.map((name) => (name === "logits" ? "raw" : name)),
        })),
        node("ReduceMean", ["raw"], "mean", {
          axes: { type: "ints", value: [0] },
          keepdims: { type: "int", value: 1 },
        }),
        node("Sub", ["raw", "mean"], "logits", {}),
      ],
    };
    const alone = "the net takes one picture at a time";
    for (const [odd, notes] of [
      [batchless, []],
      [centred, [alone]],
    ] as const) {
      const classifier = await make({ graph: odd as never, source: { ...source, format: "onnx" } });
      const first = await classifier.classify(pictures[0]!);
      const answers = await Promise.all(pictures.map((picture) => classifier.classify(picture)));
      expect(asList(answers[0]!.logits)).toEqual(asList(first.logits));
      expect(classifier.info.notes.filter((note) => note === alone)).toEqual(notes);
    }
  });

  it.each<[string, CnnOptions]>([
    ["channels first, logits", {}],
    ["channels last, probabilities", { layout: "nhwc", head: ["Softmax"] }],
    ["three pictures a run", { input: [3, 3, 32, 32] }],
  ])("of anybody's ONNX answers as predict does: %s", async (name, options) => {
    const net = await loadNet(await writeCnn(join(folder, `${name}.onnx`), options));
    const classifier = await make(net);
    const expected = await predictAll(net, pictures.slice(0, 5));
    const answers = await Promise.all(pictures.slice(0, 5).map((picture) => classifier.classify(picture)));
    for (const [i, { predictions }] of answers.entries()) {
      expect(predictions.map((found) => found.name)).toEqual(expected[i]!.map((found) => found.name));
      for (const [k, { probability }] of predictions.entries()) {
        expect(probability).toBeCloseTo(expected[i]![k]!.probability, 5);
      }
    }
    expect(new Set(answers.map(({ predictions }) => predictions[0]!.probability)).size).toBe(5);
  });

  it.each<[string, () => unknown, string]>([
    ["a missing file", () => join(folder, "absent.onnx"), "absent.onnx"],
    ["undefined", () => undefined, "expected a model file"],
    ["an object", () => ({ a: 1 }), "expected a model file"],
    ["a picture's bytes", () => new Uint8Array([0x89, 0x50, 0x4e, 0x47]), "expected a model file"],
    ["a net without classes", () => headless(), "a net that classifies: an output [N, classes]"],
  ])("that is none is refused: %s", async (_, source, message) => {
    const error = await createClassifier(source() as Model).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(UserError);
    expect((error as Error).message).toContain(message);
  });
});

function node(op: string, inputs: string[], output: string, attributes: Record<string, unknown>): unknown {
  return { name: output, op, domain: "", inputs, outputs: [output], attributes: new Map(Object.entries(attributes)) };
}

function headless(): unknown {
  const { graph, source } = netOf(plain);
  const outputs = [{ name: "stage1", dtype: "f32", shape: undefined }];
  return { graph: { ...graph, outputs }, source: { ...source, format: "onnx" } };
}

describe("options", () => {
  it.each<[string, () => Promise<unknown>, string]>([
    ["misspelt", () => createClassifier(plain, { thread: 2 } as never), 'did you mean "threads"?'],
    ["no object", () => createClassifier(plain, 3 as never), "expected options of createClassifier"],
    ["a batch of 3", () => createClassifier(plain, { batch: 3 }), "a power of 2"],
    ["a queue of none", () => createClassifier(plain, { queue: 0 }), "expected queue"],
    ["half a decoder", () => createClassifier(plain, { concurrency: 0.5 }), "expected concurrency"],
    ["no bytes", () => createClassifier(plain, { maxBytes: -1 }), "expected maxBytes"],
    ["kernels that there are not", () => createClassifier(plain, { kernels: "cuda" as never }), "native or wasm"],
    ["threads as text", () => createClassifier(plain, { threads: "2" as never }), "expected threads"],
    ["relaxed as true", () => createClassifier(plain, { kernels: "wasm", relaxed: true as never }), "relaxed as on"],
    ["topK of none", async () => (await make(plain)).classify(pictures[0]!, { topK: 0 }), "expected topK"],
    ["topK of -1", async () => (await make(plain)).classify(pictures[0]!, { topK: -1 }), "expected topK"],
    ["topK as text", async () => (await make(plain)).classify(pictures[0]!, { topK: "1" as never }), 'received "1"'],
    ["top", async () => (await make(plain)).classify(pictures[0]!, { top: 1 } as never), 'did you mean "topK"?'],
    ["no signal", async () => (await make(plain)).classify(pictures[0]!, { signal: {} as never }), "AbortSignal"],
    ["names as one", async () => (await make(plain)).features(pictures[0]!, "stage1" as never), "names of features"],
    ["predict's, misspelt", () => predict(plain, pictures[0]!, { topk: 1 } as never), 'did you mean "topK"?'],
    ["predict's, below 1", () => predict(plain, pictures[0]!, { top: -1 }), "expected top"],
    ["predict's, twice", () => predict(plain, pictures[0]!, { top: 1, topK: 1 }), "leave one out"],
    ["predict's, null", () => predict(plain, pictures[0]!, null as never), "expected options of predict"],
    ["predictAll of one", () => predictAll(plain, "a.png" as never), "an array of pictures"],
    ["predict of a path", () => predict("a.onnx" as never, pictures[0]!), "await loadModel(path) first"],
    ["predict of a net without classes", () => predict(headless() as never, pictures[0]!), "a net that classifies"],
    ["extractFeatures'", () => extractFeatures(plain, pictures[0]!, ["stage1"], { size: [1, 1] } as never), '"size"'],
  ])("are checked: %s", async (_, act, message) => {
    const error = await act().catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(UserError);
    expect((error as Error).message).toContain(message);
  });
});

describe("calls", () => {
  it("of a damaged picture fail alone", async () => {
    const classifier = await make(plain);
    const answers = await Promise.allSettled([
      classifier.classify(pictures[0]!),
      classifier.classify(Buffer.from("no picture")),
      classifier.classify(join(folder, "absent.png")),
      classifier.classify(pictures[1]!),
    ]);
    expect(answers.map(({ status }) => status)).toEqual(["fulfilled", "rejected", "rejected", "fulfilled"]);
    for (const answer of answers) if (answer.status === "rejected") expect(answer.reason).toBeInstanceOf(UserError);
  });

  it("beyond the queue are refused by its limit, and taken again when there is room", async () => {
    const classifier = await make(plain, { queue: 3 });
    const answers = await Promise.allSettled(pictures.slice(0, 5).map((picture) => classifier.classify(picture)));
    expect(answers.map(({ status }) => status)).toEqual([
      ...["fulfilled", "fulfilled", "fulfilled"],
      ...["rejected", "rejected"],
    ]);
    const { reason } = answers[4] as PromiseRejectedResult;
    expect(reason).toBeInstanceOf(BusyError);
    expect(reason.message).toContain("at most 3 calls");
    expect(await classifier.classify(pictures[0]!)).toBeDefined();
  });

  it("reject at once with the signal's reason; others are answered", async () => {
    const classifier = await make(slow, { batch: 1 });
    const stop = new AbortController();
    const calls = pictures.map((picture, i) => classifier.classify(picture, i % 2 ? { signal: stop.signal } : {}));
    const settled = Promise.allSettled(calls);
    stop.abort(new Error("gone home"));
    const [expected] = await logitsOf(slow, pictures);
    const answers = await settled;
    answers.forEach((answer, i) => {
      if (i % 2) expect(answer).toMatchObject({ status: "rejected", reason: new Error("gone home") });
      else expect(answer.status).toBe("fulfilled");
    });
    expect(asList((answers[0] as PromiseFulfilledResult<{ logits: Float32Array }>).value.logits)).toEqual(expected);
    const before = AbortSignal.abort(new Error("before"));
    await expect(classifier.classify(pictures[0]!, { signal: before })).rejects.toThrow("before");
    await expect(classifier.features(pictures[0]!, ["stage1"], { signal: before })).rejects.toThrow("before");
  });

  it("under way and later ones reject when it is disposed of, which may be said twice", async () => {
    const classifier = await make(plain);
    const under = Promise.allSettled(pictures.map((picture) => classifier.classify(picture)));
    const first = classifier.dispose();
    expect(classifier.dispose()).toBe(first);
    for (const answer of await under) {
      expect(answer).toMatchObject({ status: "rejected", reason: expect.any(UserError) });
      expect((answer as PromiseRejectedResult).reason.message).toContain("a classifier in use");
    }
    await first;
    await expect(classifier.classify(pictures[0]!)).rejects.toThrow("one that was disposed of");
    await expect(classifier.features(pictures[0]!, ["stage1"])).rejects.toThrow("one that was disposed of");
    await classifier[Symbol.asyncDispose]();
  });

  it("leave the caller's thread free", async () => {
    const classifier = await make(slow);
    const file = await sharp(Buffer.from(noise(1, 300, 300).data), { raw: { width: 300, height: 300, channels: 3 } })
      .jpeg()
      .toBuffer();
    await classifier.classify(file);
    let ticks = 0;
    const timer = setInterval(() => ticks++, 1);
    const before = performance.eventLoopUtilization();
    await Promise.all(Array.from({ length: 20 }, () => classifier.classify(file)));
    const { utilization } = performance.eventLoopUtilization(before);
    clearInterval(timer);
    expect(ticks).toBeGreaterThan(5);
    expect(utilization).toBeLessThan(0.5);
  });
});

describe("a process's classifiers", () => {
  /** The workers that were sent something since. */
  function watchWorkers(): Set<Worker> {
    const workers = new Set<Worker>();
    const post = Worker.prototype.postMessage;
    vi.spyOn(Worker.prototype, "postMessage").mockImplementation(function (this: Worker, ...args) {
      workers.add(this);
      return post.apply(this, args);
    });
    return workers;
  }

  it("share a worker where their kernels are the same, and take turns", async () => {
    const workers = watchWorkers();
    const [a, b] = [await make(slow), await make(other)];
    expect(workers.size).toBe(1);
    await make(plain, { threads: 1 });
    expect(workers.size).toBe(2);
    const order: string[] = [];
    const many = pictures.map((picture) => a.classify(picture).then(() => order.push("a")));
    const one = b.classify(pictures[2]!).then((answer) => {
      order.push("b");
      return answer;
    });
    const [expected] = await logitsOf(other, [pictures[2]!]);
    expect(asList((await one).logits)).toEqual(expected);
    await Promise.all(many);
    expect(order.indexOf("b")).toBeLessThan(17);
    await a.dispose();
    expect(asList((await b.classify(pictures[2]!)).logits)).toEqual(expected);
  });

  it("survive their worker: calls under way say so, the next has another", async () => {
    const workers = watchWorkers();
    const [a, b] = [await make(slow), await make(other)];
    const [worker] = workers;
    const expected = await logitsOf(other, pictures);
    const under = Promise.allSettled([...pictures.map((p) => a.classify(p)), b.classify(pictures[0]!)]);
    await worker!.terminate();
    const lost = (await under).filter(({ status }) => status === "rejected") as PromiseRejectedResult[];
    expect(lost.length).toBeGreaterThan(0);
    for (const { reason } of lost) expect(reason.message).toContain("the classifiers' worker has ended");
    expect(asList((await b.classify(pictures[0]!)).logits)).toEqual(expected[0]);
    expect(await a.classify(pictures[0]!)).toBeDefined();
    expect(workers.size).toBe(2);
    await worker!.terminate();
    expect(asList((await b.classify(pictures[1]!)).logits)).toEqual(expected[1]);
  });

  it("of predict are one a model, for calls side by side too", async () => {
    const workers = watchWorkers();
    const posted = vi.mocked(Worker.prototype.postMessage).mock.calls;
    const answers = await Promise.all(pictures.slice(0, 20).map((picture) => predict(slow, picture, { top: 5 })));
    const calls = posted.map(([message]) => (message as { call: string }).call);
    expect([workers.size, calls.filter((call) => call === "open").length]).toEqual([1, 1]);
    const expected = await logitsOf(slow, pictures.slice(0, 20));
    expect(
      answers.map((classes) => classes.sort((p, q) => p.classIndex - q.classIndex).map(({ logit }) => logit)),
    ).toEqual(expected);
  });

  it("of predictAll answer in order, and fail with the first picture's error", async () => {
    const all = await predictAll(plain, pictures, { top: 7 });
    const expected = await logitsOf(plain, pictures);
    expect(all.map((classes) => Math.max(...classes.map(({ logit }) => logit)))).toEqual(
      expected.map((logits) => Math.max(...logits)),
    );
    const broken = [pictures[0]!, join(folder, "first.png"), join(folder, "second.png")];
    for (let i = 0; i < 3; i++) await expect(predictAll(plain, broken)).rejects.toThrow("first.png");
  });

  it.each([
    ["a classifier", "const c = await createClassifier(m); await c.classify(p);"],
    [
      "a classifier that was disposed of",
      "const c = await createClassifier(m); await c.classify(p); await c.dispose();",
    ],
    ["one on WebAssembly", 'const c = await createClassifier(m, { kernels: "wasm" }); await c.classify(p);'],
    ["one that nobody waits for", "createClassifier(m).then((c) => c.classify(p));"],
    ["predict", "await predict(m, p);"],
  ])("do not keep the process alive: %s", async (_, text) => {
    const script = `import { createClassifier, predict, repvgg } from "repvgg";
      const m = repvgg("nano", { inputSize: 32 });
      const p = { width: 2, height: 2, channels: 1, data: new Uint8Array(4) };
      ${text}
      console.log("done");`;
    const { stdout, stderr } = await promisify(execFile)(process.execPath, ["--input-type=module", "-e", script], {
      timeout: 30_000,
    });
    expect([stdout, stderr]).toEqual(["done\n", ""]);
  });
});
