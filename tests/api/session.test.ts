import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createSession, fold, loadNet, netOf, repvgg, type Session, saveNet } from "repvgg";
import { afterAll, describe, expect, it } from "vitest";
import { createBackend } from "#repvgg/backend/select.node.js";
import { Rng } from "#repvgg/core/rng.js";

const model = fold(repvgg("nano", { seed: 3 }));
const { channels, size } = model.metadata.preprocessing;
const words = channels * size[0] * size[1];

function pictures(seed: number, batch: number): Float32Array {
  const rng = new Rng(seed);
  return Float32Array.from({ length: batch * words }, () => rng.normal());
}

function logits(session: Session, data: Float32Array): Float32Array {
  return session.run({ shape: [data.length / words, channels, ...size], data })[session.outputNames[0]!]!.data;
}

describe("a session", () => {
  it("runs a model, a net and a graph alike, whatever the batch", async () => {
    const net = netOf(model);
    const sessions = await Promise.all(
      [model, net, net.graph].map((form) => createSession(form, { shape: [1, channels, ...size] })),
    );
    const data = pictures(0, 3);
    const all = logits(sessions[0]!, data);
    expect(all.length).toBe(30);
    expect(new Set(all).size).toBeGreaterThan(20);
    const first = logits(sessions[0]!, data.slice(0, words));
    // Another batch may take other algorithms, so not the same bits.
    first.forEach((logit, i) => {
      expect(logit).toBeCloseTo(all[i]!, 5);
    });
    for (const session of sessions) {
      expect(logits(session, data)).toEqual(all);
      expect(logits(session, data.slice(0, words))).toEqual(first);
      session.dispose();
    }
  });

  it("runs a file of any kind without loading it, and closes it with itself", async () => {
    const folder = await mkdtemp(join(tmpdir(), "repvgg-session-"));
    const data = pictures(0, 1);
    const [of, expected] = await Promise.all([createSession(model), createSession(model)]);
    const wanted = logits(expected, data);
    for (const extension of ["onnx", "safetensors", "pth"]) {
      const path = join(folder, `plain.${extension}`);
      await saveNet(netOf(model), path);
      const shape = [1, channels, ...size];
      const [session, compact] = await Promise.all([
        createSession(path, { shape }),
        createSession(path, { shape, compactWeights: true }),
      ]);
      expect(logits(session, data)).toEqual(wanted);
      logits(compact, data).forEach((logit, i) => {
        expect(logit).toBeCloseTo(wanted[i]!, 4);
      });
      const three = pictures(1, 3); // weights may be wanted once more, in another form
      expect(logits(session, three)).toEqual(logits(of, three));
      session.dispose();
      compact.dispose();
      expect(() => logits(session, data)).toThrow(/dispose/);
    }
    await expect(createSession(join(folder, "none.onnx"))).rejects.toThrow(/none.onnx/);
    await writeFile(join(folder, "text.onnx"), "no net");
    await expect(createSession(join(folder, "text.onnx"))).rejects.toThrow(/text.onnx/);
    of.dispose();
    expected.dispose();
    await rm(folder, { recursive: true });
  });

  it("chooses algorithms by measuring, once, and remembers them in a file", async () => {
    const folder = await mkdtemp(join(tmpdir(), "repvgg-tune-"));
    const path = join(folder, "tuning.json");
    const tuned = await createSession(model, { tune: path });
    const text = await readFile(path, "utf8");
    const algorithms = Object.values(JSON.parse(text) as Record<string, { algorithm: string }>);
    const steps = tuned.plan().steps.filter(({ convolution }) => convolution);
    expect(algorithms.length).toBeGreaterThan(3);
    expect(new Set(steps.map((step) => step.algorithm))).toEqual(new Set(algorithms.map((one) => one.algorithm)));
    const again = await createSession(model, { tune: path });
    expect(await readFile(path, "utf8")).toBe(text);
    const data = pictures(4, 1);
    expect(logits(again, data)).toEqual(logits(tuned, data));
    const [usual, inMemory] = await Promise.all([createSession(model), createSession(model, { tune: true })]);
    const wanted = logits(usual, data);
    for (const session of [tuned, inMemory]) {
      logits(session, data).forEach((logit, i) => {
        expect(logit).toBeCloseTo(wanted[i]!, 4);
      });
    }
    for (const session of [tuned, again, usual, inMemory]) session.dispose();
    const nowhere = join(folder, "none", "tuning.json");
    await expect(createSession(model, { tune: nowhere })).rejects.toThrow(/none.tuning.json/);
    await writeFile(path, "[1, 2]");
    await expect(createSession(model, { tune: path })).rejects.toThrow(/tuning.json, which is something else: remove/);
    await rm(folder, { recursive: true });
  });

  it("takes a model's own size by default, and says what a graph leaves open", async () => {
    const session = await createSession(model);
    expect(session.plan().steps.length).toBeGreaterThan(5);
    session.dispose();
    expect(() => session.run(pictures(0, 1))).toThrow(/dispose/);
    await expect(createSession(netOf(model).graph)).rejects.toThrow(/shape/);
    await expect(loadNet("no-such-file.onnx")).rejects.toThrow(/no-such-file/);
  });
});

const runs = Number(process.env.SESSION_RUNS ?? 1500);

describe("sessions beside each other", () => {
  const disposals: (() => void)[] = [];
  afterAll(() => {
    for (const dispose of disposals) dispose();
  });

  for (const kernels of ["native", "wasm"] as const) {
    it(`give the same bits on any threads, in any order, and keep their memory (${kernels}, ${runs} runs)`, {
      timeout: 600_000,
    }, async ({ skip }) => {
      const first = await createBackend({ kernels, threads: 1 }).catch(() => undefined);
      if (!first) return skip(`no ${kernels} kernels on this machine`);
      const backends = [
        first,
        await createBackend({ kernels, threads: 2 }),
        await createBackend({ kernels, threads: 3 }),
      ];
      disposals.push(...backends.map((backend) => () => backend.dispose()));
      // Two sessions on each backend, and one with threads of its own.
      const shared = await Promise.all(
        backends.flatMap((backend) => [0, 1].map(() => createSession(model, { backend }))),
      );
      const sessions = [...shared, await createSession(model, { kernels, threads: 2 })];
      disposals.unshift(...sessions.map((session) => () => session.dispose()));
      const inputs = [1, 2, 5].map((batch) => pictures(batch, batch));
      const expected = inputs.map((data) => logits(sessions[0]!, data));
      const rng = new Rng(1);
      const settled = Math.floor(runs / 3);
      let memory = 0;
      for (let run = 0; run < runs; run++) {
        if (run === settled) memory = process.memoryUsage().rss;
        const which = rng.int(inputs.length);
        const result = logits(sessions[rng.int(sessions.length)]!, inputs[which]!);
        if (!Buffer.from(result.buffer).equals(Buffer.from(expected[which]!.buffer))) {
          expect(result, `run ${run}`).toEqual(expected[which]);
        }
        if (run % 50 === 0) {
          // Others come and go meanwhile.
          const passing = await createSession(model, { backend: backends[rng.int(backends.length)]! });
          expect(logits(passing, inputs[0]!)).toEqual(expected[0]);
          passing.dispose();
        }
      }
      expect(process.memoryUsage().rss - memory).toBeLessThan(24 << 20);
    });
  }
});
