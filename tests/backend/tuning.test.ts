import { afterAll, describe, expect, it, vi } from "vitest";
import type { KernelCall, Program } from "#repvgg/backend/backend.js";
import { convAlgorithms, planConvForward } from "#repvgg/backend/conv/plan.js";
import { Tuning, type TuningRecord } from "#repvgg/backend/conv/tuning.js";
import { createBackend } from "#repvgg/backend/select.node.js";
import { convGeometry } from "#repvgg/core/conv-geometry.js";

const backend = await createBackend({ threads: 2 });
afterAll(() => backend.dispose());
const { lanes, panelColumns, microRows, threads } = backend;
const target = { lanes, panelColumns, microRows, threads };
const geometry = convGeometry({
  batch: 1,
  height: 9,
  width: 9,
  inChannels: 16,
  outChannels: 24,
  kernel: 3,
  padding: 1,
});

describe("tuning", () => {
  it("takes the fastest of the algorithms that can do a convolution, by times that it keeps", () => {
    const tuning = new Tuning();
    const before = backend.memory.usedWords;
    const algorithm = tuning.algorithmOf(geometry, target, backend);
    expect(backend.memory.usedWords).toBe(before);
    const [record] = Object.values(tuning.records) as [TuningRecord];
    expect(Object.keys(record.milliseconds)).toEqual(convAlgorithms(geometry, "forward", target));
    expect(record.milliseconds[algorithm]).toBe(Math.min(...Object.values(record.milliseconds)));
    expect(Math.min(...Object.values(record.milliseconds))).toBeGreaterThan(0);
  });

  it("measures a geometry once, on any number of threads, and never one that it was told of", () => {
    const tuning = new Tuning();
    tuning.algorithmOf(geometry, target, backend);
    const compile = vi.spyOn(backend, "compile");
    tuning.algorithmOf(geometry, { ...target, threads: 3 }, backend);
    new Tuning(JSON.parse(JSON.stringify(tuning.records))).algorithmOf(geometry, target, backend);
    expect(compile).not.toHaveBeenCalled();
    tuning.algorithmOf({ ...geometry, batch: 2 }, target, backend);
    tuning.algorithmOf(geometry, { ...target, compactWeights: true }, backend);
    expect(compile.mock.calls.length).toBeGreaterThanOrEqual(4);
    expect(tuning.size).toBe(3);
    compile.mockRestore();
  });

  it("follows what it was told even against the cost model, but not what cannot do the convolution", () => {
    const tuning = new Tuning();
    tuning.algorithmOf(geometry, target, backend);
    const [key] = Object.keys(tuning.records) as [string];
    for (const algorithm of ["igemm", "winograd2"]) {
      const told = new Tuning({ [key]: { algorithm, milliseconds: {} } });
      expect(told.algorithmOf(geometry, target, backend)).toBe(algorithm);
    }
    const wrong = new Tuning({ [key]: { algorithm: "depthwise", milliseconds: {} } });
    expect(convAlgorithms(geometry, "forward", target)).toContain(wrong.algorithmOf(geometry, target, backend));
  });

  /** Programs whose runs take the times that they are told, by a clock that only they move. */
  function measureWith(times: Readonly<Record<string, readonly number[]>>, g = geometry) {
    let now = 0;
    const algorithms = convAlgorithms(g, "forward", target);
    const compiled: { calls: readonly KernelCall[]; runs: number; disposals: number }[] = [];
    const clock = vi.spyOn(performance, "now").mockImplementation(() => now);
    const compile = vi.spyOn(backend, "compile").mockImplementation((calls): Program => {
      const own = { calls, runs: 0, disposals: 0 };
      const algorithm = algorithms[compiled.push(own) - 1]!;
      return {
        run: () => {
          now += times[algorithm]?.[own.runs] ?? 1000;
          own.runs++;
        },
        dispose: () => {
          own.disposals++;
        },
      } as Program;
    });
    try {
      const tuning = new Tuning();
      const algorithm = tuning.algorithmOf(g, target, backend);
      return { algorithm, algorithms, compiled, milliseconds: Object.values(tuning.records)[0]!.milliseconds };
    } finally {
      clock.mockRestore();
      compile.mockRestore();
    }
  }

  it("takes the best of five rounds behind one that warms up, by run", () => {
    const { algorithm, compiled, milliseconds } = measureWith({
      igemm: [1, 90, 88, 80, 96, 104],
      winograd2: [800, 72, 100, 100, 100, 100],
      winograd4: [0, 100, 100, 100, 100, 64, 1],
    });
    expect(milliseconds).toEqual({ igemm: 80 / 8, winograd2: 72 / 8, winograd4: 64 / 8 });
    expect(algorithm).toBe("winograd4");
    expect(compiled.map(({ runs, disposals }) => [runs, disposals])).toEqual(Array(3).fill([6, 1]));
    expect(measureWith({ winograd2: [9, 9, 9, 9, 9, 9] }).algorithm).toBe("winograd2");
    expect(measureWith({}).algorithm).toBe("igemm");
  });

  it("runs each algorithm on so many copies of the weights as pass through a cache: at least one, at most eight", () => {
    for (const channels of [16, 180, 512]) {
      const g = convGeometry({ height: 9, width: 9, inChannels: channels, outChannels: 2 * channels, kernel: 3 });
      const before = backend.memory.usedWords;
      const { algorithms, compiled } = measureWith({}, g);
      expect(backend.memory.usedWords).toBe(before);
      for (const [i, algorithm] of algorithms.entries()) {
        const { packedWords } = planConvForward(g, target, algorithm);
        const fit = Math.min(8, Math.max(1, Math.floor((16 << 20) / (4 * packedWords))));
        const { calls } = compiled[i]!;
        expect(calls, `${algorithm} of ${channels}`).toHaveLength(fit);
        const packed = calls.map(({ args }) => (args as Record<string, number>)["packed"]!).toSorted((a, b) => a - b);
        for (let k = 1; k < packed.length; k++) expect(packed[k]! - packed[k - 1]!).toBeGreaterThanOrEqual(packedWords);
      }
    }
  });

  it("measures nothing where one algorithm alone can do it, and gives all memory back where a run fails", () => {
    const compile = vi.spyOn(backend, "compile");
    const only = convGeometry({ height: 5, width: 5, inChannels: 3, outChannels: 3, kernel: 5 });
    const tuning = new Tuning();
    expect(tuning.algorithmOf(only, target, backend)).toBe("igemm");
    expect(Object.values(tuning.records)).toEqual([{ algorithm: "igemm", milliseconds: { igemm: 0 } }]);
    expect(compile).not.toHaveBeenCalled();
    const before = backend.memory.usedWords;
    compile.mockImplementation(() => {
      throw new Error("no program");
    });
    expect(() => new Tuning().algorithmOf(geometry, target, backend)).toThrow("no program");
    expect(backend.memory.usedWords).toBe(before);
    compile.mockRestore();
  });

  it("keeps records of other weights and other arithmetic apart", () => {
    const keys = [{}, { compactWeights: true }, { halfWeights: true }, { compactWeights: true, halfWeights: true }].map(
      (form) => {
        const tuning = new Tuning();
        tuning.algorithmOf({ ...geometry, kernelWidth: 1 }, { ...target, ...form }, backend);
        return Object.keys(tuning.records)[0]!;
      },
    );
    expect(new Set(keys).size).toBe(4);
    for (const key of keys) expect(key.startsWith(`${backend.arithmetic} `)).toBe(true);
  });
});
