import { afterEach, describe, expect, it, vi } from "vitest";
import { ablationVariants, baseVariant } from "#repvgg/analysis/ablation/variants.js";
import { compareLatency, measureLatency } from "#repvgg/analysis/latency.js";
import { memoryTimeline } from "#repvgg/analysis/memory.js";
import { formMemory, layerMemory, mostKeepingLayer } from "#repvgg/analysis/profile/form-memory.js";
import { measurePeaks } from "#repvgg/analysis/profile/peaks.js";
import type { Backend } from "#repvgg/backend/backend.js";
import { f32 } from "#repvgg/core/named-arrays.js";
import type { PlanReport } from "#repvgg/engine/plan/report.js";
import type { Session } from "#repvgg/engine/session.js";
import { int, ints } from "#repvgg/graph/attributes.js";
import type { GraphNode } from "#repvgg/graph/graph.js";
import { evaluationCost } from "#repvgg/verify/evaluation-cost.js";

afterEach(() => vi.restoreAllMocks());

describe("times of sessions", () => {
  /** Sessions that take the times that they are told, by a clock that only they move, and a record of who ran when. */
  function sessions(times: Readonly<Record<string, readonly number[]>>) {
    let now = 0;
    const ran: string[] = [];
    const outputs: Record<string, unknown>[] = [];
    vi.spyOn(performance, "now").mockImplementation(() => now);
    const made = Object.entries(times).map(([name, milliseconds]) => {
      let at = 0;
      return {
        run: () => ({ y: { shape: [1], data: Float32Array.of(1) } }),
        runInto: (_: unknown, into: Record<string, unknown>) => {
          outputs.push(into);
          ran.push(name);
          now += milliseconds[at++ % milliseconds.length]!;
        },
      } as unknown as Session;
    });
    return { made, ran, outputs };
  }
  const input = new Float32Array(1);

  it("take turns, the first first and then last, and count behind the warm-up only", () => {
    const { made, ran, outputs } = sessions({ a: [900, 900, 1, 5, 3, 4, 2], b: [800, 800, 10, 10, 20, 10, 10] });
    const result = compareLatency(made[0]!, made[1]!, input, { repeats: 5, warmup: 2 });
    expect(ran.join("")).toBe("abbaabbaabbaab");
    expect(result).toEqual({
      repeats: 5,
      a: { lowerQuartile: 2, median: 3, upperQuartile: 4 },
      b: { lowerQuartile: 10, median: 10, upperQuartile: 10 },
      ratio: 0.3,
    });
    expect(new Set(outputs).size).toBe(2);
    expect(outputs[0]!["y"]).toBeInstanceOf(Float32Array);
  });

  it("are of 20 runs behind 3", () => {
    const own = (value: number): number[] => [...new Array(3).fill(1000), ...new Array(20).fill(value)];
    const { made, ran } = sessions({ a: own(6), b: own(2) });
    expect(compareLatency(made[0]!, made[1]!, input)).toMatchObject({ repeats: 20, ratio: 3, a: { upperQuartile: 6 } });
    expect(ran).toHaveLength(46);
    const one = sessions({ a: [...new Array(3).fill(1000), ...Array.from({ length: 20 }, (_, i) => i)] });
    expect(measureLatency(one.made[0]!, input)).toEqual({ lowerQuartile: 4.75, median: 9.5, upperQuartile: 14.25 });
    expect(one.ran).toHaveLength(23);
    expect(measureLatency(one.made[0]!, input, { repeats: 1, warmup: 0 }).median).toBe(1000);
  });
});

describe("memory over time", () => {
  const step = (name: string, liveBytes: number, keptBytes: number, liveBuffers: number) => ({
    ...{ name, op: `${name}-op`, liveBytes, keptBytes, liveBuffers, workspaceBytes: 7 },
  });
  const report = (steps: readonly object[]): PlanReport =>
    ({ steps, peakActivationBytes: 30, arenaBytes: 40, weightBytes: 50 }) as unknown as PlanReport;

  it("has a point a step, and the first of the highest", () => {
    const steps = [step("a", 10, 5, 1), step("b", 30, 8, 2), step("c", 30, 9, 4), step("d", 20, 6, 3)];
    expect(memoryTimeline(report(steps))).toEqual({
      points: steps.map(({ name, op, liveBytes, keptBytes, liveBuffers }) => ({
        ...{ step: name, op, activationBytes: liveBytes, workspaceBytes: 7, keptBytes, activations: liveBuffers },
      })),
      ...{ peakActivationBytes: 30, peakStep: "b", peakActivations: 4, peakKeptBytes: 9 },
      ...{ arenaBytes: 40, weightBytes: 50 },
    });
  });

  it("is nothing where nothing runs", () => {
    expect(memoryTimeline(report([]))).toMatchObject({ peakStep: undefined, peakActivations: 0, peakKeptBytes: 0 });
  });
});

describe("memory of layers", () => {
  const step = (name: string, liveBytes: number, keptBytes: number) => ({
    ...{ name, op: "Conv", liveBytes, keptBytes, liveBuffers: 1, workspaceBytes: 0 },
  });
  const memory = (...steps: readonly object[]) =>
    formMemory("train", { steps } as unknown as PlanReport, (name) => name.split(".")[0]!);
  const block = memory(
    step("a.0", 30, 10),
    ...[step("b.0", 30, 20), step("b.1", 50, 30), step("b.2", 40, 10)],
    ...[step("c.0", 60, 40), step("c.1", 40, 20)],
    ...[step("d.0", 60, 50), step("d.1", 60, 20)],
    ...[step("e.0", 80, 50), step("e.1", 80, 20)],
  );

  it("are multiples of what a layer reads", () => {
    expect(block.form).toBe("train");
    expect(block.points.map(({ layer }) => layer).join("")).toBe("abbbccddee");
    expect(layerMemory(block, "b")).toEqual({
      ...{ layer: "b", inputBytes: 10, peakLive: 5, peakKept: 3 },
      points: [
        { step: "b.0", op: "Conv", live: 3, kept: 2 },
        { step: "b.1", op: "Conv", live: 5, kept: 3 },
        { step: "b.2", op: "Conv", live: 4, kept: 1 },
      ],
    });
    expect(layerMemory(block, "d")).toMatchObject({ inputBytes: 20, peakLive: 3, peakKept: 2.5 });
    expect(layerMemory(block, "a")).toBeUndefined();
    expect(layerMemory(block, "x")).toBeUndefined();
  });

  it("that give as much as they read: the first that keeps most", () => {
    // c keeps four times its input, but gives twice as much.
    expect(mostKeepingLayer(block)).toBe("b");
    expect(
      mostKeepingLayer(
        memory(
          step("a.0", 30, 20),
          ...block.points.slice(6).map(({ step: name }, i) => step(name, 60, i % 2 ? 20 : 50)),
        ),
      ),
    ).toBe("d");
    expect(mostKeepingLayer(memory(step("a.0", 30, 10), step("b.0", 30, 20)))).toBeUndefined();
    expect(mostKeepingLayer(memory())).toBeUndefined();
  });
});

describe("the roof of a machine", () => {
  it("is the best of many runs of a product and of a walk through memory", () => {
    let now = 0;
    vi.spyOn(performance, "now").mockImplementation(() => now);
    const open = new Map<number, number>();
    let next = 0;
    const compiled: { kernel: string; args: Record<string, number>; runs: number; disposed: number }[] = [];
    const backend = {
      ...{ lanes: 16, panelColumns: 32, microRows: 8, threads: 3 },
      allocate: (words: number) => {
        next += 2 ** 28;
        open.set(next, words);
        return next;
      },
      f32: (pointer: number, words: number) => {
        expect(open.get(pointer)).toBe(words);
        return { fill: () => undefined };
      },
      free: (pointer: number) => open.delete(pointer),
      run: () => undefined,
      compile: ([call]: { kernel: string; args: Record<string, number> }[]) => {
        const own = { ...call!, runs: 0, disposed: 0 };
        compiled.push(own);
        return {
          run: () => {
            now += own.runs++ === 7 ? 0.25 : 4;
          },
          dispose: () => {
            own.disposed++;
          },
        };
      },
    } as unknown as Backend;
    const { gigaflops, gigabytesPerSecond } = measurePeaks(backend);
    expect(open.size).toBe(0);
    const [product, walk] = compiled as [(typeof compiled)[0], (typeof compiled)[0]];
    expect(product).toMatchObject({ kernel: "conv_igemm_forward", runs: 200, disposed: 1 });
    expect(product.args).toMatchObject({ batch: 768, in_channels: 256, out_channels: 64, taps_y: 1, taps_x: 1 });
    expect(gigaflops).toBeCloseTo((2 * 768 * 256 * 64) / 0.25e-3 / 1e9, 9);
    expect(walk).toMatchObject({ kernel: "global_average_pool_forward", runs: 12, disposed: 1 });
    const { batch, positions, channels } = walk.args as { batch: number; positions: number; channels: number };
    expect([batch, channels]).toEqual([12, 64]);
    expect(batch * positions * channels * 4).toBeLessThanOrEqual(2 ** 27);
    expect(batch * (positions + 1) * channels * 4).toBeGreaterThan(2 ** 27);
    expect(gigabytesPerSecond).toBeCloseTo((batch * positions * channels * 4) / 0.25e-3 / 1e9, 9);
  });
});

it("variants of an ablation are the paper's, with their accuracy on ImageNet (tables 6 and 7)", () => {
  expect(ablationVariants.map(({ name, table, net, paperTop1 }) => [name, table, net, paperTop1])).toEqual([
    ["base", 6, {}, 0.7514],
    ["no-branches", 6, { branches: { pointwise: false, identity: false } }, 0.7239],
    ["pointwise-only", 6, { branches: { identity: false } }, 0.7315],
    ["identity-only", 6, { branches: { pointwise: false } }, 0.7479],
    ["identity-without-bn", 7, { block: "identity-without-bn" }, 0.7418],
    ["post-addition-bn", 7, { block: "post-addition-bn" }, 0.7352],
    ["relu-in-branches", 7, { block: "relu-in-branches" }, 0.7569],
    ["dirac", 7, { block: "dirac" }, 0.7397],
    ["trivial", 7, { block: "trivial" }, 0.7351],
    ["acb", 7, { block: "acb" }, 0.7358],
  ]);
  expect(ablationVariants[0]).toBe(baseVariant);
  expect(ablationVariants.every(({ title }) => title.length > 2)).toBe(true);
});

describe("steps of the evaluator", () => {
  const shapes = { x: [2, 3, 8, 8], m: [5, 7] } as const;
  const cost = (
    op: string,
    inputs: string[],
    constants: Readonly<Record<string, number[]>>,
    attributes: GraphNode["attributes"] = {},
    open = false,
    domain = "",
  ): number =>
    evaluationCost({
      name: "g",
      opset: 17,
      inputs: Object.entries(shapes).map(([name, shape]) => ({
        ...{ name, dtype: "f32" as const, shape: open ? ["n", ...shape.slice(1)] : shape },
      })),
      outputs: [{ name: "y" }],
      nodes: [{ name: "y", op, domain, inputs, outputs: ["y"], attributes }],
      initializers: new Map(Object.entries(constants).map(([name, shape]) => [name, f32(shape)])),
    } as unknown as Parameters<typeof evaluationCost>[0]);

  it.each<[string, number, number]>([
    ["a convolution", cost("Conv", ["x", "w"], { w: [4, 3, 3, 3] }), 2 * 4 * 6 * 6 * 27],
    ["one in groups", cost("Conv", ["x", "w"], { w: [6, 1, 3, 3] }, { group: int(3) }), 2 * 6 * 6 * 6 * 9],
    [
      "a transposed one",
      cost("ConvTranspose", ["x", "w"], { w: [3, 4, 2, 2] }, { strides: ints([2, 2]) }),
      2 * 3 * 8 * 8 * 16,
    ],
    ["a matrix product", cost("MatMul", ["m", "w"], { w: [7, 4] }), 5 * 4 * 7],
    ["a fully connected layer", cost("Gemm", ["m", "w"], { w: [7, 4] }), 5 * 4 * 7],
    ["anything else", cost("Relu", ["x"], {}), 2 * 3 * 8 * 8],
    ["what has no sizes", cost("Relu", ["x"], {}, {}, true), Number.POSITIVE_INFINITY],
    ["a product without sizes", cost("MatMul", ["m", "w"], { w: [7, 4] }, {}, true), Number.POSITIVE_INFINITY],
  ])("%s", (_, steps, expected) => expect(steps).toBe(expected));
});
