import { afterAll, describe, expect, it, vi } from "vitest";
import { convAlgorithms } from "#repvgg/backend/conv/plan.js";
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
});
