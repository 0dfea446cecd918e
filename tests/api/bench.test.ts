import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it, onTestFinished, vi } from "vitest";
import { UserError } from "#repvgg/core/errors.js";
import { saveNet } from "#repvgg/exchange/save-net.node.js";
import { benchSvg } from "#repvgg/report/bench-bars.js";
import { bench } from "#repvgg/studies/bench/bench.node.js";
import { netNamed } from "#repvgg/studies/bench/net-named.node.js";
import { peakMemory } from "#repvgg/studies/bench/peak-memory.node.js";
import { type BenchResult, noiseOf, relativeError, summary } from "#repvgg/studies/bench/results.js";
import { benchHead, benchRows, describeNoise } from "#repvgg/studies/bench/text.js";
import { resnet } from "../../bench/models/resnet.mjs";
import { fileFolder, repvggJson } from "../cli/support.js";

const quick = { rounds: 2, seconds: 0 };
const small = { graph: resnet(50, { width: 4, classes: 3 }), source: { format: "onnx" as const, notes: [] } };

describe("peak memory", () => {
  it("counts what the process has used, and nothing of its parent's", () => {
    const held = Buffer.alloc(400e6, 1);
    expect(peakMemory()).toBeGreaterThan(held.length);
    const module = new URL("../../dist/studies/bench/peak-memory.node.js", import.meta.url);
    const script = `const { peakMemory } = await import("${module}"); console.log(peakMemory())`;
    const child = Number(execFileSync(process.execPath, ["--input-type=module", "-e", script], { encoding: "utf8" }));
    expect(child).toBeGreaterThan(10e6);
    expect(child).toBeLessThan(200e6);
  });
});

describe("bench", () => {
  it.each([
    ["pytorch", "torch", /^PyTorch \d/],
    ["ncnn", "ncnn", /^ncnn \d/],
  ])("times %s where a Python has it, and says where none has", async (engine, module, description) => {
    const job = {
      ...quick,
      nets: [{ name: "residual", net: small }],
      engines: ["repvgg", engine],
      size: [32, 32],
    } as const;
    const run = async () => (await bench(job)).results[0]!.engines[1]!;
    const here = await run();
    if (here.absent === undefined) {
      expect(here).toMatchObject({ agrees: true, description: expect.stringMatching(description) });
      expect(here.peakBytes).toBeGreaterThan(10e6); // Python's, not that of the process that speaks to it
    } else expect(here.absent).toMatch(new RegExp(`has no ${module}$`));
    vi.stubEnv("REPVGG_PYTHON", "/nowhere/python");
    onTestFinished(() => void vi.unstubAllEnvs());
    expect((await run()).absent).toBe(`/nowhere/python has no ${module}`);
  });

  it("times every engine in turn, on nets with whose outputs all agree", async () => {
    const turns: [number, number][] = [];
    const { results, machine, noise } = await bench({
      ...quick,
      nets: [
        { name: "nano", net: await netNamed("nano") },
        { name: "residual", net: small },
      ],
      engines: ["repvgg", "repvgg:wasm", "onnxruntime-node", "onnxruntime-web", "tfjs"],
      size: [32, 32],
      onTurn: (done, total) => turns.push([done, total]),
    });
    expect(results.map(({ model, threads, batch }) => [model, threads, batch])).toEqual([
      ["nano", 1, 1],
      ["residual", 1, 1],
    ]);
    for (const { engines } of results) {
      for (const { engine, absent, agrees, times, ratio, loadMilliseconds, peakBytes } of engines) {
        expect({ engine, absent, agrees }).toEqual({ engine, absent: undefined, agrees: true });
        expect(times!.runs).toBeGreaterThanOrEqual(6);
        expect(times!.lowerQuartile).toBeLessThanOrEqual(times!.upperQuartile);
        expect(Math.min(ratio!, loadMilliseconds!, peakBytes!)).toBeGreaterThan(0);
      }
      expect(engines[0]).toMatchObject({ ratio: 1, relativeError: 0 });
    }
    expect(turns).toEqual([1, 2, 3, 4].map((done) => [done, 4]));
    expect(machine.node).toBe(process.version);
    expect(noise.widestSpread).toBeGreaterThanOrEqual(0);
  });

  it("takes threads and batches in all combinations, and says who does not take part and why", async () => {
    const { results } = await bench({
      ...quick,
      rounds: 1,
      nets: [{ name: "nano", net: await netNamed("nano", { form: "train" }) }],
      engines: ["repvgg", "tfjs", "repvgg:abacus"],
      threads: [1, 2],
      batches: [1, 3],
    });
    const cells = results.map(({ threads, batch, shapes }) => [threads, batch, shapes["input"]?.[0]]);
    expect(cells).toEqual([
      [1, 1, 1],
      [2, 1, 1],
      [1, 3, 3],
      [2, 3, 3],
    ]);
    const [ours, tfjs, abacus] = results[1]!.engines;
    expect(ours!.times).toBeDefined();
    expect(tfjs).toEqual({ engine: "tfjs", absent: "has no threads in Node" });
    expect(abacus).toEqual({ engine: "repvgg:abacus", absent: "unknown" });
    expect(ours!.imagesPerSecond).toBeCloseTo(1000 / ours!.times!.median);
  });

  it("is an error where the engine that all are compared with does not run", async () => {
    const nets = [{ name: "nano", net: await netNamed("nano") }];
    const failed = bench({ ...quick, nets, engines: ["caffe", "repvgg"] });
    await expect(failed).rejects.toThrow(UserError);
    await expect(failed).rejects.toThrow("expected caffe to run nano, for the others to be compared with");
  });
});

describe("results", () => {
  const times = summary([4, 1, 3, 2, 5]);
  const result = (spread: number): BenchResult => ({
    model: "A0",
    threads: 2,
    batch: 1,
    shapes: {},
    engines: [
      {
        engine: "repvgg",
        description: "wasm simd",
        times: { median: 10, lowerQuartile: 10, upperQuartile: 10 + 10 * spread, runs: 9 },
        ...{ imagesPerSecond: 100, relativeError: 0, agrees: true, ratio: 1, loadMilliseconds: 50, peakBytes: 2 ** 27 },
      },
      {
        engine: "tfjs",
        description: "tfjs 4.22.0 wasm",
        times: { median: 123.4, lowerQuartile: 120, upperQuartile: 125, runs: 9 },
        ...{ imagesPerSecond: 8.1, relativeError: 2, agrees: false, loadMilliseconds: 50, peakBytes: 2 ** 27 },
      },
      { engine: "onnxruntime-web", absent: "not installed (ERR_MODULE_NOT_FOUND)" },
    ],
  });

  it("are medians and quartiles", () => {
    expect(times).toEqual({ median: 3, lowerQuartile: 2, upperQuartile: 4, runs: 5 });
  });

  it("compare outputs by the largest difference; what is missing differs infinitely", () => {
    const of = (...values: number[]) => Float32Array.from(values);
    expect(relativeError(of(1, 2), of(1, 4))).toBe(0.5);
    expect(relativeError(of(0), of(0))).toBe(0);
    expect(relativeError(of(1), of(1, 2))).toBe(Number.POSITIVE_INFINITY);
    expect(relativeError(of(1, Number.NaN), of(1, 2))).toBe(Number.POSITIVE_INFINITY);
  });

  it("call a machine noisy by load or spread", () => {
    expect(noiseOf([result(0.05)], 0.1).noisy).toBe(false);
    expect(noiseOf([result(0.5)], 0.1)).toMatchObject({ noisy: true, widestSpread: 0.5 });
    expect(noiseOf([result(0.05)], 3).noisy).toBe(true);
    expect(describeNoise(noiseOf([result(0.5)], 3))).toBe(
      "noisy machine: load average 3.00 before, widest spread of quartiles 50 % (limits 0.5 and 15 %); repeat this when it is idle",
    );
  });

  it("make rows of text: void where outputs differ, the reason where an engine is absent", () => {
    const rows = benchRows([result(0.1)]);
    expect(rows).toEqual([
      ["A0", "2", "1", "repvgg (wasm simd)", "10.0", "10.0–11.0", "100", "1.00", "50", "128"],
      ["", "", "", "tfjs (4.22.0 wasm)", "123", "120–125", "8.10", "void: other outputs", "50", "128"],
      ["", "", "", "onnxruntime-web", "not installed (ERR_MODULE_NOT_FOUND)", "", "", "", "", ""],
    ]);
    for (const row of rows) expect(row.length).toBe(benchHead.length);
  });

  it("are drawn as bars, a panel a task", () => {
    const bars = [{ engine: "repvgg", ...times }];
    const svg = benchSvg(
      "Inference <here>",
      [1, 2, 3].map((n) => ({ title: `A0, ${n} threads`, bars })),
    );
    expect(svg).toContain("Inference &#60;here&#62;");
    for (const n of [1, 2, 3]) expect(svg).toContain(`A0, ${n} threads: milliseconds a run`);
    expect(svg.match(/<rect class="f0"/g)).toHaveLength(3);
    expect(svg.match(/class="whisker"/g)).toHaveLength(3);
    expect(svg).not.toContain("undefined");
  });
});

describe("repvgg bench", () => {
  const folder = fileFolder();

  it("times files and names, prints JSON and draws", async () => {
    const file = join(folder, "small.onnx");
    await saveNet(small, file);
    const picture = join(folder, "times.svg");
    const args = [
      "--peers",
      "onnxruntime-node",
      "--threads",
      "1",
      "--rounds",
      "1",
      "--seconds",
      "0",
      "--input-size",
      "32",
      "--kernels",
      "wasm",
    ];
    const report = await repvggJson<{ results: BenchResult[] }>(["bench", "nano", file, ...args, "--picture", picture]);
    expect(report.results.map(({ model }) => model)).toEqual(["nano", file]);
    for (const { engines } of report.results) {
      expect(engines.map(({ engine, agrees }) => [engine, agrees])).toEqual([
        ["repvgg:wasm", true],
        ["onnxruntime-node", true],
      ]);
    }
    expect(readFileSync(picture, "utf8")).toContain("nano, 1 thread: milliseconds a run");
  });
});
