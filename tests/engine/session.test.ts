import { describe, expect, it } from "vitest";
import { createBackend } from "#repvgg/backend/select.node.js";
import type { NamedArray } from "#repvgg/core/named-arrays.js";
import { createSession, type Session, type SessionOptions } from "#repvgg/engine/session.js";
import { GraphBuilder, valueInfo } from "#repvgg/graph/build.js";
import type { Graph } from "#repvgg/graph/graph.js";
import { backendOf } from "../tensor/backends.js";
import { expectAsDefined, randomArray, randomInputs } from "./compare.js";
import { randomNet } from "./nets.js";

const backend = backendOf(2);
const spec = { depths: [2, 3, 1], widths: [8, 8, 16, 32] };
const plain = randomNet(spec, "plain");
const train = randomNet(spec, "train");

function withSession<R>(graph: Graph, options: Partial<SessionOptions>, work: (session: Session) => R): R {
  const session = createSession(graph, { backend, shape: [1, 3, 32, 32], ...options });
  try {
    return work(session);
  } finally {
    session.dispose();
  }
}

describe("the plan", () => {
  it("of a plain net has two activations alive at most, and an arena of just these", () => {
    withSession(randomNet({ ...spec, widths: [16, 8, 16, 32] }, "plain"), { shape: [1, 3, 64, 64] }, (session) => {
      const { steps, peakActivationBytes, arenaBytes } = session.plan();
      expect(Math.max(...steps.map((step) => step.liveBuffers))).toBe(2);
      const workspace = Math.max(...steps.map((step) => step.workspaceBytes));
      expect(arenaBytes).toBeGreaterThanOrEqual(peakActivationBytes);
      expect(arenaBytes).toBeLessThanOrEqual(peakActivationBytes + workspace + 256);
      expect(peakActivationBytes).toBe(4 * (3 * 64 * 64 + 16 * 32 * 32)); // stage 0's input and output
    });
  });

  it("with compact weights takes their memory, also where it runs by Winograd's algorithm", () => {
    const wide = randomNet({ depths: [2, 2, 1], widths: [32, 32, 32, 32] }, "plain");
    const shape = [1, 3, 64, 64];
    const stored = [...wide.initializers.values()].reduce((sum, { data }) => sum + data.byteLength, 0);
    const { steps, weightBytes } = withSession(wide, { compactWeights: true, shape }, (session) => session.plan());
    expect(steps.some(({ algorithm }) => algorithm.startsWith("winograd"))).toBe(true);
    expect(weightBytes).toBeLessThan(1.2 * stored);
    expectAsDefined(backend, wide, randomInputs({ input: shape }), { compactWeights: true });
  });

  it.skipIf(!backend.readsHalves)("with float16 weights takes half their memory, and answers nearly the same", () => {
    const wide = randomNet({ depths: [2, 2, 1], widths: [32, 32, 32, 64] }, "plain");
    const options = { shape: [1, 3, 64, 64] };
    const input = Float32Array.from({ length: 3 * 64 * 64 }, (_, i) => Math.sin(i));
    const facts = (more: { halfWeights?: boolean; compactWeights?: boolean }) =>
      withSession(wide, { ...options, ...more }, (session) => ({
        bytes: session.plan().weightBytes,
        logits: session.run(input)[session.outputNames[0]!]!.data,
      }));
    for (const compactWeights of [false, true]) {
      const [whole, halves] = [facts({ compactWeights }), facts({ compactWeights, halfWeights: true })];
      expect(halves.bytes).toBeLessThan(0.55 * whole.bytes);
      const scale = Math.max(...whole.logits.map(Math.abs));
      const worst = Math.max(...whole.logits.map((logit, i) => Math.abs(logit - halves.logits[i]!)));
      expect(worst).toBeGreaterThan(0);
      expect(worst).toBeLessThan(5e-3 * scale);
    }
  });

  it.skipIf(!backend.readsHalves)("refuses weights that float16 would make infinite, and names the layer", () => {
    const [name, weight] = [...plain.initializers].find(([, { shape }]) => shape.length === 4)!;
    const data = new Float32Array(weight.data.length).fill(20_000);
    const large: NamedArray = { dtype: "f32", shape: weight.shape, data };
    const graph: Graph = { ...plain, initializers: new Map([...plain.initializers, [name, large]]) };
    withSession(graph, {}, (session) => expect(session.plan().steps.length).toBeGreaterThan(0));
    expect(() => withSession(graph, { halfWeights: true }, () => 0)).toThrow(
      /expected weights of ".+" up to 2048, as float16 holds them, received 20000: leave halfWeights out/,
    );
  });

  it.skipIf(!backend.readsHalves)("takes float16 weights up to 2048 and no larger ones, of either sign", () => {
    const [name, weight] = [...plain.initializers].find(([, { shape }]) => shape.length === 4)!;
    const withLargest = (value: number): Graph => {
      const data = new Float32Array(weight.data.length).fill(0.5);
      data[data.length >> 1] = value;
      const array: NamedArray = { dtype: "f32", shape: weight.shape, data };
      return { ...plain, initializers: new Map([...plain.initializers, [name, array]]) };
    };
    const run = (value: number) =>
      withSession(withLargest(value), { halfWeights: true }, (session) =>
        session.run(new Float32Array(3 * 32 * 32).fill(1)),
      );
    for (const value of [2048, -2048]) {
      for (const { data } of Object.values(run(value))) expect(data.every(Number.isFinite)).toBe(true);
    }
    for (const value of [2049, -2049, 32_768, 65_504, 65_520, 100_000, -131_008, 1e6]) {
      expect(() => run(value)).toThrow(/up to 2048, as float16 holds them/);
    }
  });

  it("refuses float16 weights on kernels that read none", async () => {
    const wasm = await createBackend({ threads: 1, kernels: "wasm" });
    expect(() => createSession(plain, { backend: wasm, shape: [1, 3, 32, 32], halfWeights: true })).toThrow(
      "expected kernels that read float16 weights, received wasm simd: leave halfWeights out",
    );
    wasm.dispose();
  });

  it("of a training form keeps the block's input and its branches", () => {
    withSession(train, { fuseBatchNorm: false }, (session) => {
      const { steps } = session.plan();
      expect(Math.max(...steps.map((step) => step.liveBuffers))).toBe(3);
      expect(steps.filter((step) => step.algorithm === "branch_sum").map((step) => step.op)).toEqual(
        Array(7).fill("Affine+Add+Relu"),
      );
    });
  });

  it("fuses a plain net into one step a convolution, and counts it", () => {
    withSession(plain, {}, (session) => {
      const { steps, macs, weightBytes } = session.plan();
      expect(steps.map((step) => step.op)).toEqual([
        "Transpose",
        ...Array(7).fill("Conv+Relu"),
        "GlobalAveragePool",
        "Gemm",
      ]);
      expect(steps[1]!.name).toBe("stage0.rbr_reparam");
      expect(steps[1]!.outputShape).toEqual([1, 8, 16, 16]);
      expect(steps[1]!.macs).toBe(16 * 16 * 8 * 3 * 9);
      expect(macs).toBe(steps.reduce((sum, step) => sum + step.macs, 0));
      expect(weightBytes).toBe(steps.reduce((sum, step) => sum + step.weightBytes, 0));
      expect(steps[2]!.bytesRead).toBe(4 * 8 * 16 * 16 + steps[2]!.weightBytes);
      expect(steps[2]!.bytesWritten).toBe(4 * 8 * 8 * 8);
    });
  });
});

describe("a session", () => {
  it("takes any number of images and any image size, again and again", () => {
    const shapes = [
      [1, 3, 32, 32],
      [3, 3, 32, 32],
      [1, 3, 47, 33],
      [2, 3, 16, 64],
      [1, 3, 17, 17],
      [1, 3, 8, 8],
    ];
    withSession(train, { maxPlans: 3 }, (session) => {
      const first = shapes.map((shape) => session.run(randomInputs({ input: shape })).logits!);
      const again = shapes.map((shape) => session.run(randomInputs({ input: shape })).logits!);
      expect(again).toEqual(first);
      shapes.forEach((shape, i) => {
        expect(first[i]!.shape).toEqual([shape[0], 5]);
        const outputs = expectAsDefined(backend, train, randomInputs({ input: shape }));
        expect(outputs.logits!.data).toEqual(first[i]!.data);
      });
    });
  });

  it("takes bare numbers as images of its own shape", () => {
    withSession(plain, {}, (session) => {
      const { data } = randomArray("input", [2, 3, 32, 32]);
      const outputs = session.run(data);
      expect(outputs.logits!.shape).toEqual([2, 5]);
      expect(session.run({ shape: [2, 3, 32, 32], data })).toEqual(outputs);
      expect(session.run({ input: data })).toEqual(outputs);
    });
  });

  it("does not change its result from run to run, nor its input", () => {
    withSession(train, {}, (session) => {
      const { data } = randomArray("input", [1, 3, 32, 32]);
      const copy = data.slice();
      const first = session.run(data);
      session.run(randomArray("other", [1, 3, 32, 32]).data);
      expect(session.run(data)).toEqual(first);
      expect(data).toEqual(copy);
    });
  });

  it("writes into the caller's arrays, and takes no memory for it", () => {
    withSession(plain, {}, (session) => {
      const { data } = randomArray("input", [1, 3, 32, 32]);
      const expected = session.run(data).logits!.data;
      const outputs = { logits: new Float32Array(5) };
      const before = backend.memory.usedWords;
      for (let i = 0; i < 10; i++) session.runInto(data, outputs);
      expect(backend.memory.usedWords).toBe(before);
      expect(outputs.logits).toEqual(expected);
      expect(() => session.runInto(data, { logits: new Float32Array(4) })).toThrow(/5 numbers for output "logits"/);
    });
  });

  it("returns inner values as features, fused or not, without changing the outputs", () => {
    const features = ["stage1.0.rbr_reparam", "stage1", "stage3"];
    const shape = [1, 3, 32, 32];
    withSession(train, { features, shape }, (session) => {
      expect(session.outputNames).toEqual(["logits", ...features]);
      const outputs = session.run(randomInputs({ input: shape }));
      const graph: Graph = {
        ...train,
        outputs: [...train.outputs, ...features.map((name) => valueInfo(name, ["batch", "c", "h", "w"]))],
      };
      const defined = expectAsDefined(backend, graph, randomInputs({ input: shape }));
      for (const name of session.outputNames) expect(outputs[name], name).toEqual(defined[name]);
    });
    expect(() => createSession(train, { backend, shape, features: ["stage9"] })).toThrow(
      /"stage9".*did you mean "stage\d"/,
    );
  });

  it("profiles each step", () => {
    withSession(plain, {}, (session) => {
      const profile = session.profile({ repeats: 3 });
      expect(profile.map((step) => step.name)).toEqual(session.plan().steps.map((step) => step.name));
      for (const { milliseconds } of profile) expect(milliseconds).toBeGreaterThanOrEqual(0);
      const { data } = randomArray("input", [1, 3, 32, 32]);
      const outputs = session.run(data);
      session.profile({ input: data });
      expect(session.run(data)).toEqual(outputs);
    });
  });

  it("of several inputs takes them by name", () => {
    const b = new GraphBuilder();
    b.add("Add", "sum", ["a", "b"]);
    b.constant("listed", randomArray("listed", [1]));
    const info = (name: string) => valueInfo(name, ["batch", 2, 3, 3]);
    const graph = b.graph("two", [info("a"), info("b"), valueInfo("listed", [1])], [info("sum")]);
    const shape = [2, 2, 3, 3];
    expectAsDefined(backend, graph, randomInputs({ a: shape, b: shape }));
    withSession(graph, { shape: { a: shape, b: shape } }, (session) => {
      expect(session.inputNames).toEqual(["a", "b"]);
      expect(() => session.run(new Float32Array(36))).toThrow(/inputs by name \(a, b\)/);
      expect(() => session.run({ a: new Float32Array(36) })).toThrow(/a value for input "b"/);
    });
  });

  it("gives back an input that is an output, and a value that is an output twice", () => {
    const b = new GraphBuilder();
    b.add("Relu", "y", ["x"]);
    b.add("Identity", "z", ["y"]);
    const info = (name: string) => valueInfo(name, [1, 2, 2, 2]);
    expectAsDefined(
      backend,
      b.graph("g", [info("x")], [info("x"), info("y"), info("z")]),
      randomInputs({ x: [1, 2, 2, 2] }),
    );
  });
});

describe("wrong input", () => {
  it("is told what was expected", () => {
    withSession(plain, {}, (session) => {
      expect(() => session.run(new Float32Array(100))).toThrow(/images of 3072 numbers \[3,32,32\] for input "input"/);
      expect(() => session.run({ shape: [1, 3, 4, 4], data: new Float32Array(3) })).toThrow(/48 numbers/);
      const grey = { shape: [1, 1, 32, 32], data: new Float32Array(1024) };
      expect(() => session.run(grey)).toThrow(
        /"input" of shape \[batch, 3, height, width\], received \[1, 1, 32, 32\]/,
      );
      expect(session.run(new Float32Array(3072)).logits!.shape).toEqual([1, 5]);
    });
    expect(() => createSession(plain, { backend })).toThrow(/the shape of input "input".*give the session's shape/);
    expect(() => createSession(plain, { backend, shape: [1, 3, 32, 32], maxPlans: 0 })).toThrow(/maxPlans/);
  });
});

describe("memory", () => {
  it("is given back by dispose, after any number of shapes; later calls throw", () => {
    const before = backend.memory.usedWords;
    const session = createSession(train, { backend, shape: [1, 3, 32, 32], maxPlans: 2 });
    for (const size of [32, 40, 24, 48, 32, 16]) session.run(randomInputs({ input: [2, 3, size, size] }));
    session.profile({ repeats: 1 });
    expect(backend.memory.usedWords).toBeGreaterThan(before);
    session.dispose();
    session.dispose();
    expect(backend.memory.usedWords).toBe(before);
    expect(() => session.run(new Float32Array(3072))).toThrow(/disposed/);
  });

  it("is given back when a session cannot be made or a shape does not fit", () => {
    const before = backend.memory.usedWords;
    const b = new GraphBuilder();
    b.add("Tan", "y", [b.conv("c", "x", randomArray("c", [4, 3, 3, 3]))]);
    const graph = b.graph("g", [valueInfo("x", [1, 3, 8, 8])], [valueInfo("y", [1, 4, 6, 6])]);
    expect(() => createSession(graph, { backend })).toThrow(/Tan/);
    expect(backend.memory.usedWords).toBe(before);
  });

  it("holds the weights once, however many plans share them, and one arena as large as the largest needs", () => {
    const b = new GraphBuilder();
    let y = "x";
    for (const name of ["a", "b", "c"]) y = b.conv(name, y, randomArray(name, [64, 64, 1, 1]));
    const size = ["batch", 64, "height", "width"];
    const pointwise = b.graph("pointwise", [valueInfo("x", size)], [valueInfo("c", size)]);
    withSession(pointwise, { shape: [1, 64, 20, 20] }, (session) => {
      const before = backend.memory.usedWords;
      const weights = session.plan().weightBytes / 4;
      expect(weights).toBeGreaterThanOrEqual(3 * 64 * 64);
      for (const shape of [
        [2, 64, 9, 9],
        [1, 64, 12, 7],
      ])
        session.run(randomInputs({ x: shape }));
      // What came are the encoded calls of two more plans: no weights, no activations.
      expect(backend.memory.usedWords - before).toBeLessThan(weights / 8);
    });
  });

  it("is shared by several sessions on one backend, which do not disturb one another", () => {
    const before = backend.memory.usedWords;
    const sessions = [plain, train, plain].map((graph) => createSession(graph, { backend, shape: [1, 3, 32, 32] }));
    const input = randomInputs({ input: [1, 3, 32, 32] });
    const alone = sessions.map((session) => session.run(input));
    for (let i = 0; i < 3; i++) expect(sessions.map((session) => session.run(input))).toEqual(alone);
    sessions[1]!.dispose();
    expect(sessions[0]!.run(input)).toEqual(alone[0]);
    for (const session of sessions) session.dispose();
    expect(backend.memory.usedWords).toBe(before);
  });
});
