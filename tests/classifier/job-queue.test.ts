import sharp from "sharp";
import { describe, expect, it } from "vitest";
import { type Job, JobQueue } from "#repvgg/classifier/job-queue.node.js";
import type { FromWorker } from "#repvgg/classifier/messages.js";
import type { ClassifierNet } from "#repvgg/classifier/net.node.js";
import type { Image } from "#repvgg/data/dataset.js";

/** A net whose only logit is the picture's first pixel, and that notes what it is asked for. */
function recorder(batch: number) {
  const prepared: number[] = [];
  const runs: number[][] = [];
  const net = {
    batch,
    info: { classNames: ["only"] },
    frame({ data }: Image) {
      prepared.push(data[0]!);
      return Uint8Array.of(data[0]!);
    },
    run(inputs: readonly Uint8Array[]) {
      runs.push(inputs.map((input) => input[0]!));
      if (inputs.some((input) => input[0] === 99)) throw new Error("no memory");
      return inputs.map((input) => Float32Array.from(input));
    },
    features: (input: Uint8Array) => ({ value: { shape: [1], data: Float32Array.from(input) } }),
    dispose: () => {},
  };
  return { net: net as unknown as ClassifierNet, prepared, runs };
}

function job(id: number, call: "classify" | "features" = "classify"): Job {
  const picture = { kind: "pixels" as const, width: 1, height: 1, channels: 1 as const, data: Uint8Array.of(id) };
  return call === "classify"
    ? { id, call, args: { net: 0, picture, topK: 1 } }
    : { id, call, args: { net: 0, picture, names: ["value"] } };
}

function queueOf(batch: number, concurrency: number) {
  const recorded = recorder(batch);
  const answers: FromWorker[] = [];
  const queue = new JobQueue(recorded.net, concurrency, { answer: (message) => answers.push(message), wake: () => {} });
  const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
  const drain = async (): Promise<void> => {
    await turn();
    for (; queue.isReady; await turn()) queue.runBatch();
  };
  return { ...recorded, queue, answers, drain, turn };
}

const range = (from: number, to: number): number[] => Array.from({ length: to - from }, (_, i) => from + i);

describe("a queue of jobs", () => {
  it.each([1, 2, 8])("runs all in order, in batches of powers of 2 up to %i", async (batch) => {
    const { queue, runs, answers, drain } = queueOf(batch, 4);
    for (const id of range(1, 30)) queue.add(job(id));
    await drain();
    expect(runs.flat()).toEqual(range(1, 30));
    for (const run of runs) expect([1, 2, 4, 8].filter((size) => size <= batch)).toContain(run.length);
    expect(Math.max(...runs.map((run) => run.length))).toBe(batch);
    expect(answers.map(({ id }) => id)).toEqual(range(1, 30));
    for (const answer of answers) {
      expect(answer).toMatchObject({ result: { predictions: [{ name: "only", logit: answer.id }] } });
    }
  });

  it.each([1, 3, 16])("decodes ahead no more than there is room for (concurrency %i)", async (concurrency) => {
    const { queue, prepared, turn, drain } = queueOf(4, concurrency);
    for (const id of range(1, 90)) queue.add(job(id));
    await turn();
    expect(prepared.length).toBeLessThanOrEqual(2 * Math.max(4, concurrency));
    await drain();
    expect(prepared).toEqual(range(1, 90));
  });

  it("drops what has not begun: neither decoded, where it waits, nor run", async () => {
    const { queue, prepared, runs, answers, turn, drain } = queueOf(2, 2);
    for (const id of range(1, 21)) queue.add(job(id));
    queue.drop(1); // being decoded
    await turn();
    const ready = prepared.at(-1)!;
    queue.drop(ready);
    for (const id of [15, 20, 7000]) queue.drop(id);
    await drain();
    const left = range(2, 21).filter((id) => ![ready, 15, 20].includes(id));
    expect(runs.flat()).toEqual(left);
    expect(answers.map(({ id }) => id)).toEqual(left);
    for (const id of [15, 20]) expect(prepared).not.toContain(id);
  });

  it("runs features alone, in their turn", async () => {
    const { queue, runs, answers, drain } = queueOf(8, 8);
    for (const id of range(1, 9)) queue.add(job(id, id === 3 || id === 4 ? "features" : "classify"));
    await drain();
    expect(answers.map(({ id }) => id)).toEqual(range(1, 9));
    expect(runs).toEqual([
      [1, 2],
      [5, 6, 7, 8],
    ]);
    expect(answers[2]).toMatchObject({ result: { value: { shape: [1] } } });
  });

  it("tells each call of a batch that failed, and goes on", async () => {
    const { queue, answers, drain } = queueOf(2, 2);
    for (const id of [98, 99, 5]) queue.add(job(id));
    await drain();
    expect(answers.map((answer) => [answer.id, "error" in answer ? answer.error.message : "done"])).toEqual([
      [98, "no memory"],
      [99, "no memory"],
      [5, "done"],
    ]);
  });
});

describe("pictures that are ready", () => {
  /** Runs batches as soon as the queue asks for it; resolves when so many answers are there. */
  async function served(queue: ReturnType<typeof queueOf>, answers: number): Promise<void> {
    const until = Date.now() + 20_000;
    while (queue.answers.length < answers && Date.now() < until) {
      if (queue.queue.isReady) queue.queue.runBatch();
      await queue.turn();
    }
  }

  it("wait for others that are being decoded, and go together", async () => {
    const recorded = queueOf(8, 4);
    for (const id of range(1, 5)) recorded.queue.add(job(id));
    await served(recorded, 4);
    expect(recorded.runs).toEqual([[1, 2, 3, 4]]);
  });

  it("do not wait for one that takes long", async () => {
    const recorded = queueOf(8, 4);
    const large = await sharp({ create: { width: 9000, height: 6000, channels: 3, background: "red" } })
      .jpeg()
      .toBuffer();
    const bytes = new Uint8Array(large);
    recorded.queue.add({
      id: 7,
      call: "classify",
      args: { net: 0, picture: { kind: "bytes", bytes, name: "large" }, topK: 1 },
    });
    recorded.queue.add(job(1));
    await served(recorded, 2);
    expect(recorded.answers.map(({ id }) => id)).toEqual([1, 7]);
    expect(recorded.runs.length).toBe(2);
  });
});
