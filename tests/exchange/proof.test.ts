import { existsSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it, vi } from "vitest";
import { verify } from "#repvgg/api/verify.node.js";
import { runCommand } from "#repvgg/cli/program.js";
import { f32, numberToHalf, toFloat64 } from "#repvgg/core/named-arrays.js";
import type { SessionTensor } from "#repvgg/engine/session.js";
import type { Net } from "#repvgg/exchange/net.js";
import { readOnnxFile, writeOnnxFile } from "#repvgg/formats/onnx/file.node.js";
import { float, int, ints } from "#repvgg/graph/attributes.js";
import { int64, valueInfo } from "#repvgg/graph/build.js";
import { evaluate } from "#repvgg/graph/evaluate/evaluate.js";
import { fromOnnx } from "#repvgg/graph/from-onnx.js";
import type { Graph } from "#repvgg/graph/graph.js";
import { toOnnx } from "#repvgg/graph/to-onnx.js";
import { foldVerified } from "#repvgg/verify/fold-verified.node.js";
import { furtherInputs, randomInputs } from "#repvgg/verify/random-inputs.js";
import { RandomNet } from "../graph/support.js";
import { fileFolder, relativeError } from "./support.js";

const fixture = (name: string): string => fileURLToPath(new URL(`../fixtures/proof/${name}`, import.meta.url));
const folder = fileFolder();
const file = (name: string): string => join(folder, name);
const netOfGraph = (graph: Graph): Net => ({ graph, source: { format: "onnx", notes: [] } });

/** What a command prints, and the error that ends it (exit code 2: a VerificationError). */
async function run(...args: string[]): Promise<{ text: string; error: Error | undefined }> {
  const written: string[] = [];
  const spies = (["stdout", "stderr"] as const).map((stream) =>
    vi.spyOn(process[stream], "write").mockImplementation((text) => written.push(String(text)) > 0),
  );
  try {
    await runCommand(args);
    return { text: written.join(""), error: undefined };
  } catch (error) {
    return { text: written.join(""), error: error as Error };
  } finally {
    for (const spy of spies) spy.mockRestore();
  }
}

async function fold(name: string): Promise<{ text: string; error: Error | undefined }> {
  rmSync(file("folded.onnx"), { force: true });
  return run("fold", name, "-o", file("folded.onnx"));
}

describe("verify", () => {
  it.each([
    ["detector.onnx", "detector-wrong-scores.onnx", /a relative error of 0\.0\d+ at "scores"/],
    [
      "detector-one-output.onnx",
      "detector-one-output-wrong-scores.onnx",
      /a relative error of 0\.0\d+ at "y" \(channel [45]\)/,
    ],
    ["no-kernel-shape-a.onnx", "no-kernel-shape-b.onnx", /a relative error of 0\.\d+ at "y" \(channel 0\)/],
  ])("%s and %s are not the same, and each is the same as itself", async (a, b, message) => {
    const { error, text } = await run("verify", fixture(a), fixture(b));
    expect(error?.name).toBe("VerificationError");
    expect(error?.message).toMatch(message);
    expect(text).toMatch(/different/);
    expect((await run("verify", fixture(a), fixture(a))).error).toBeUndefined();
  });

  it("says what is NaN in both, and does not call it the same", async () => {
    const { error } = await run("verify", fixture("nan-mean-in-one-channel.onnx"));
    expect(error?.name).toBe("VerificationError");
    expect(error?.message).toMatch(
      /expected outputs whose comparison proves something, received .* numbers of "y" \(channel 0\) that are NaN or infinite on both sides/,
    );
    const json = await run("verify", fixture("nan-mean-in-one-channel.onnx"), "--json");
    expect(JSON.parse(json.text)).toMatchObject({
      agree: false,
      verdict: "unproven",
      byOutput: [{ verdict: "not-finite" }],
    });
  });

  it("does not call outputs the same that never moved", async () => {
    const net = new RandomNet(1);
    net.conv("h", "x", f32([2, 3, 1, 1], new Float32Array(6)), { bias: f32([2], Float32Array.of(-1, -2)) });
    net.add("Relu", "y", ["h"]);
    const dead = netOfGraph(net.finish([1, 3, 8, 8], "y"));
    const result = await verify(dead, dead);
    expect(result).toMatchObject({
      agree: false,
      verdict: "unproven",
      byOutput: [{ verdict: "constant", largest: 0 }],
    });
    expect(result.samples).toBeGreaterThan(64); // others were tried before it was said
  });

  it("names the size that it made up where a net has another", async () => {
    const net = new RandomNet(2);
    net.randomConv("c", "x", 3, 4, 3, { padding: 1 });
    net.add("Reshape", "r", ["c", net.constant("target", int64([-1, 4 * 32 * 32]))]);
    net.add("Gemm", "y", ["r", net.constant("w", f32([5, 4096], new Float32Array(5 * 4096).fill(0.01)))], {
      transB: int(1),
    });
    const graph = net.graph("open", [valueInfo("x", ["n", 3, "h", "w"])], [valueInfo("y", ["n", 5])]);
    const open = netOfGraph(graph);
    const failure = await verify(open, open).catch((error: Error) => error);
    // Sizes may be found by what the Gemm asks for; where they are made up, the message says so.
    if (failure instanceof Error)
      expect(failure.message).toMatch(/\[1, 3, 64, 64\] was made up: give its own with --input-size/);
    else expect(failure.agree).toBe(true);
    expect(await verify(open, open, { inputSize: [32, 32], images: 8 })).toMatchObject({ agree: true });
  });
});

describe("fold", () => {
  it.each([
    ["nan-mean-in-one-channel.onnx", /received NaN in both nets at channel 0 of "s", which proves nothing/],
    ["var-0-eps-0.onnx", /received (-?Infinity|NaN) in .* at channel \d of "s", which proves nothing/],
  ])("%s is refused for what it is", async (name, message) => {
    const { error } = await fold(fixture(name));
    expect(error?.name).toBe("VerificationError");
    expect(error?.message).toMatch(message);
    expect(existsSync(file("folded.onnx"))).toBe(false);
  });

  it("a division by zero is left as it is, or refused for what it is", async () => {
    const { error } = await fold(fixture("div-by-0.onnx"));
    if (error)
      expect(error.message).toMatch(/(Infinity|NaN) in .* at channel 0 of "y", which proves nothing|division|zero/i);
    else
      expect(fromOnnx(await readOnnxFile(file("folded.onnx"))).graph.nodes.some(({ op }) => op === "Div")).toBe(true);
  });

  it("a small output beside a large one is right, or nothing is written", async () => {
    const name = "gemm-row-bias-and-large-output";
    const { inputs, expected } = JSON.parse(readFileSync(fixture(`${name}.json`), "utf8"));
    const { error } = await fold(fixture(`${name}.onnx`));
    if (error) {
      expect(error.message).toMatch(/a relative error of [\d.]+ at channel \d of "scores"/);
      expect(existsSync(file("folded.onnx"))).toBe(false);
      return;
    }
    const { graph } = fromOnnx(await readOnnxFile(file("folded.onnx")));
    const results = evaluate(graph, new Map([["x", f32(inputs.x.shape, Float32Array.from(inputs.x.data))]]));
    for (const [output, { data }] of results) expect(relativeError(data, expected[output].data)).toBeLessThan(1e-5);
  });

  it("of float16 weights has their tolerance, and says so", async () => {
    const { error, text } = await fold(fixture("all-fp16.onnx"));
    expect(error).toBeUndefined();
    expect(text).toMatch(
      /1 region folded.*\nsame outputs on 4 random inputs: .*float16 weights: up to 0\.01 counts as the same/,
    );
    expect((await run("verify", fixture("all-fp16.onnx"))).error).toBeUndefined();
  });

  it("leaves a region that float16 cannot hold, with the reason", async () => {
    const { error, text } = await run(
      "fold",
      fixture("fold-overflows-fp16.onnx"),
      "-o",
      file("folded.onnx"),
      "--report",
    );
    expect(error).toBeUndefined();
    expect(text).toMatch(
      /kept \w+ ".*": one convolution from ".*" would have numbers of \d\.\d+e\+\d, and float16 holds up to 65504/,
    );
    const { graph } = fromOnnx(await readOnnxFile(file("folded.onnx")));
    for (const [, array] of graph.initializers) expect(toFloat64(array).every(Number.isFinite)).toBe(true);
  });

  it("folds in smaller parts where only the whole is beyond float16", async () => {
    const net = new RandomNet(3);
    net.convBn("a", "x", 4, 4, 3, { padding: 1 });
    net.add("Mul", "b", ["a", net.constant("s", f32([4, 1, 1], new Float32Array(4).fill(200)))]);
    net.add("Mul", "y", ["b", net.constant("t", f32([4, 1, 1], new Float32Array(4).fill(1000)))]);
    const graph = net.finish([1, 4, 8, 8], "y");
    const halves = new Map(
      [...graph.initializers].map(([name, array]) => [
        name,
        { dtype: "f16" as const, shape: array.shape, data: Uint16Array.from(toFloat64(array), numberToHalf) },
      ]),
    );
    const { report } = await foldVerified(netOfGraph({ ...graph, initializers: halves }));
    expect(report.regions.map(({ nodes }) => nodes.length)).toEqual([3]);
    expect(report.refusals).toMatchObject([{ node: "y", reason: expect.stringMatching(/float16 holds up to 65504/) }]);
    const whole = await foldVerified(netOfGraph(graph));
    expect(whole.report.regions.map(({ nodes }) => nodes.length)).toEqual([4]);
  });

  it("needs no operator outside the regions: custom domains, detectors' tails, control flow", async () => {
    const net = new RandomNet(4);
    const block = (name: string, input: string): string =>
      net.add("Add", name, [
        net.convBn(`${name}.a`, input, 4, 4, 3, { padding: 1 }),
        net.convBn(`${name}.b`, input, 4, 4, 1),
      ]);
    net.add("NobodyKnows", "nms", [block("a", "x")]);
    net.add("Attention", "odd", ["nms"]);
    net.add("Sigmoid", "y", [block("b", "odd")]);
    const graph = net.finish(["n", 4, "h", "w"], "y");
    const custom = {
      ...graph,
      nodes: graph.nodes.map((each) => (each.op === "Attention" ? { ...each, domain: "com.example" } : each)),
    };
    const { net: folded, verification } = await foldVerified(netOfGraph(custom));
    expect(folded.graph.nodes.map(({ op }) => op)).toEqual(["Conv", "NobodyKnows", "Attention", "Conv", "Sigmoid"]);
    expect(verification).toMatchObject({ agree: true, samples: 0, regions: [{ proven: true }, { proven: true }] });
    expect(verification.notRun).toMatch(/NobodyKnows/);
  });

  it("a net that can be run is run as a whole too", async () => {
    const net = new RandomNet(5);
    net.add("LeakyRelu", "y", [net.convBn("a", "x", 4, 4, 3, { padding: 1 })], { alpha: float(0.1) });
    const { verification } = await foldVerified(netOfGraph(net.finish([1, 4, 8, 8], "y")));
    expect(verification).toMatchObject({ agree: true, samples: 4, remarks: [] });
    expect(verification.changed).toBeUndefined();
    expect(verification.notRun).toBeUndefined();
  });

  it("a net whose outputs are dead is proven by its regions, and the run's silence is said", async () => {
    const net = new RandomNet(6);
    net.convBn("a", "x", 4, 4, 3, { padding: 1 });
    net.add("Relu", "r", ["a"]);
    net.conv("h", "r", f32([2, 4, 1, 1], new Float32Array(8)), { bias: f32([2], Float32Array.of(-1, -2)) });
    net.add("Relu", "y", ["h"]);
    const graph = net.finish([1, 4, 8, 8], "y");
    await writeOnnxFile(file("dead.onnx"), toOnnx(graph));
    const { error, text } = await fold(file("dead.onnx"));
    expect(error).toBeUndefined();
    expect(text).not.toMatch(/same outputs/);
    expect(text).toMatch(
      /proven region by region in float64: 1 region.*everything else is unchanged\n! run as a whole on \d+ random inputs: "y" all zero on every input that was tried/,
    );
  });
});

describe("made-up inputs", () => {
  const net = new RandomNet(7);
  net.convBn("c", "x", 3, 8, [3, 3]);
  net.add("Pad", "p", ["c", net.constant("pads", int64([0, 0, 0, 0, 0, 0, 0, 0]))], { mode: ints([]) });
  const graph = net.finish(["n", 3, 8, 8], "c");
  const shapesOf = (batch: number) => ({ x: [batch, 3, 8, 8] });
  const batches = (samples: number, most: number) => [...randomInputs(graph, shapesOf, { samples, seed: 0, most })];
  const values = (batch: { input: unknown }): Float32Array => (batch.input as SessionTensor).data;

  it("are of several kinds, as many as were asked for, and always the same", () => {
    for (const [samples, most] of [
      [1, 32],
      [2, 32],
      [4, 32],
      [5, 2],
      [64, 32],
      [7, 1],
    ] as const) {
      const all = batches(samples, most);
      expect(all.reduce((sum, { input }) => sum + (input as SessionTensor).shape[0]!, 0)).toBe(samples);
      expect(all.every(({ input }) => (input as SessionTensor).shape[0]! <= most)).toBe(true);
    }
    expect(new Set(batches(4, 32).map(({ kind }) => kind)).size).toBe(4);
    expect(batches(8, 32)).toEqual(batches(8, 32));
    expect(batches(8, 32)).not.toEqual([...randomInputs(graph, shapesOf, { samples: 8, seed: 1, most: 32 })]);
  });

  it("cross zero in both directions, in every channel, and reach small and large sizes", () => {
    const [normal, pictures, large, small] = batches(4, 1).map((batch) => values(batch)) as [
      Float32Array,
      Float32Array,
      Float32Array,
      Float32Array,
    ];
    const spread = (data: Float32Array): number =>
      Math.sqrt(data.reduce((sum, value) => sum + value * value, 0) / data.length);
    expect(Math.min(...pictures)).toBeGreaterThanOrEqual(0);
    expect(Math.max(...pictures)).toBeLessThan(1);
    for (const data of [normal, large]) expect([Math.min(...data) < 0, Math.max(...data) > 0]).toEqual([true, true]);
    expect(spread(large)).toBeGreaterThan((3 * spread(normal) * spread(small)) / 2);
    const further = furtherInputs(graph, shapesOf(1), 0).map((batch) => spread(values(batch)));
    expect(Math.max(...further)).toBeGreaterThan(1e3);
    expect(Math.min(...further)).toBeLessThan(1e-2);
  });

  it("have the size that the first BatchNorm has seen", () => {
    const scaled = (factor: number): Graph => {
      const variance = graph.initializers.get("c.running_var")!;
      const data = Float32Array.from(toFloat64(variance), (value) => value * factor);
      return { ...graph, initializers: new Map(graph.initializers).set("c.running_var", f32(variance.shape, data)) };
    };
    const largest = (of: Graph): number =>
      Math.max(...values([...randomInputs(of, shapesOf, { samples: 4, seed: 0, most: 1 })][2]!));
    expect(largest(scaled(100)) / largest(graph)).toBeCloseTo(10, 4);
    expect(largest(scaled(Number.NaN)) / largest(scaled(0))).toBe(1); // statistics that make no sense say nothing
  });
});

it("a net whose input has no elements is folded region by region, and never run", async () => {
  const net = new RandomNet(7);
  net.add("Add", "y", [net.convBn("a", "x", 3, 4, 3, { padding: 1 }), net.convBn("b", "x", 3, 4, 1)]);
  const graph = net.finish([0, 3, 16, 16], "y");
  await expect(verify(netOfGraph(graph), netOfGraph(graph))).rejects.toThrow(
    /sizes from 1, received input "x" of f32 \[0, 3, 16, 16\]/,
  );
  const { verification } = await foldVerified(netOfGraph(graph));
  expect(verification).toMatchObject({
    samples: 0,
    regions: [{ output: "y", proven: true }],
    notRun: expect.stringMatching(/sizes from 1/),
  });
});
