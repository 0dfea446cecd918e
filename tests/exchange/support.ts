import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import * as ort from "onnxruntime-node";
import { afterAll } from "vitest";
import { f32, type NamedArray, type NamedArrays, toFloat32, toFloat64 } from "#repvgg/core/named-arrays.js";
import { rngFor } from "#repvgg/core/rng.js";
import type { Net } from "#repvgg/exchange/net.js";
import { readSafetensorsFile } from "#repvgg/formats/safetensors/file.node.js";
import { evaluate } from "#repvgg/graph/evaluate/evaluate.js";
import type { Graph } from "#repvgg/graph/graph.js";

export function oraclePath(name: string): string {
  return fileURLToPath(new URL(`../fixtures/oracles/${name}`, import.meta.url));
}

/** A folder that is removed after the test file. */
export function fileFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "repvgg-exchange-"));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** Input and outputs that the oracle's own code gave. */
export async function oracleIo(name: string): Promise<{ input: NamedArray; output: NamedArray; all: NamedArrays }> {
  const { arrays } = await readSafetensorsFile(oraclePath(`${name}-io.safetensors`));
  return {
    input: (arrays.get("input") ?? arrays.get("x"))!,
    output: (arrays.get("logits") ?? arrays.get("y"))!,
    all: arrays,
  };
}

/** The graph's first output by its definition, in float64. */
export function outputOf(graph: Graph, input: NamedArray): Float64Array {
  const [result] = evaluate(graph, new Map([[graph.inputs[0]!.name, input]])).values();
  return result!.data;
}

/** A written ONNX file's outputs under ONNX Runtime. */
export async function runOnnx(
  path: string,
  input: NamedArray,
): Promise<Record<string, { dims: number[]; data: Float32Array }>> {
  const session = await ort.InferenceSession.create(path, { logSeverityLevel: 3, intraOpNumThreads: 1 });
  const tensor = new ort.Tensor("float32", toFloat32(input), [...input.shape]);
  const outputs = await session.run({ [session.inputNames[0]!]: tensor });
  const result = Object.entries(outputs).map(([name, { dims, data }]) => [
    name,
    { dims: [...dims], data: data as Float32Array },
  ]);
  await session.release();
  return Object.fromEntries(result);
}

/** Largest difference, relative to the largest expected magnitude. */
export function relativeError(actual: ArrayLike<number>, expected: NamedArray | ArrayLike<number>): number {
  const wanted = "dtype" in expected ? toFloat64(expected) : expected;
  if (actual.length !== wanted.length) return Number.POSITIVE_INFINITY;
  let [worst, scale] = [0, 0];
  for (let i = 0; i < wanted.length; i++) {
    const error = Math.abs(actual[i]! - wanted[i]!);
    if (!(error <= worst)) worst = error;
    scale = Math.max(scale, Math.abs(wanted[i]!));
  }
  return worst / scale;
}

export function operatorCounts({ graph }: Pick<Net, "graph">): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { op } of graph.nodes) counts[op] = (counts[op] ?? 0) + 1;
  return counts;
}

/** Normal numbers; `positive`: in [0.5, 1.5], for variances. */
export function random(seed: number, shape: readonly number[], positive = false): NamedArray {
  const rng = rngFor(seed, "exchange", shape.join());
  const array = f32(shape);
  const data = array.data as Float32Array;
  for (let i = 0; i < data.length; i++) data[i] = positive ? 0.5 + rng.next() : rng.normal();
  return array;
}
