import { readFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import * as ort from "onnxruntime-node";
import { expect } from "vitest";
import type { Backend } from "#repvgg/backend/backend.js";
import { type NamedArray, type NamedArrays, toFloat32, toFloat64 } from "#repvgg/core/named-arrays.js";
import { createSession } from "#repvgg/engine/session.js";
import type { Net } from "#repvgg/exchange/net.js";
import { saveNet } from "#repvgg/exchange/save-net.node.js";
import { readSafetensors } from "#repvgg/formats/safetensors/read.js";
import { evaluate } from "#repvgg/graph/evaluate/evaluate.js";
import { worstError } from "./support.js";

/** What index.json says of a fixture; see tests/fixtures/third-party/README.md. */
interface Fixture {
  readonly files: readonly string[];
  readonly io: string;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  /** Nodes of the authors' own deploy form: convolutions, BatchNorms (none unless told), sums of computed values (not counted unless told). */
  readonly convolutions?: number;
  readonly norms?: number;
  readonly sums?: number;
}

/** One exported file with what it must give. */
export interface Export {
  /** As `blocks/acb-bn`. */
  readonly name: string;
  /** As index.json has it: of all exports of the module. */
  readonly fixtureName: string;
  readonly path: string;
  readonly fixture: Fixture;
  readonly inputs: NamedArrays;
  readonly outputs: NamedArrays;
}

const folder = fileURLToPath(new URL("../fixtures/third-party/", import.meta.url));

export const exports: readonly Export[] = Object.entries(
  JSON.parse(readFileSync(join(folder, "index.json"), "utf8")) as Record<string, Fixture>,
).flatMap(([fixtureName, fixture]) => {
  const { arrays } = readSafetensors(readFileSync(join(folder, fixture.io)));
  const pick = (names: readonly string[]) => new Map(names.map((name) => [name, arrays.get(name)!] as const));
  const [inputs, outputs] = [pick(fixture.inputs), pick(fixture.outputs)];
  return fixture.files.map((file) => ({
    name: file.replace(".onnx", ""),
    fixtureName,
    path: join(folder, file),
    fixture,
    inputs,
    outputs,
  }));
});

interface Result {
  readonly shape: readonly number[];
  readonly data: ArrayLike<number>;
}

/** Every output by itself: shape, and the worst error relative to its largest magnitude. */
function expectOutputs(outputs: NamedArrays, resultOf: (name: string) => Result | undefined, tolerance: number): void {
  for (const [name, expected] of outputs) {
    const result = resultOf(name);
    expect(result?.shape, name).toEqual([...expected.shape]);
    expect(worstError(result!.data, toFloat64(expected)), name).toBeLessThanOrEqual(tolerance);
  }
}

/**
 * By the operators' definitions, in float64: what is stored was computed in float64 too, so that only the rounding of weights to float32 is left,
 * by the exporter or by the fold.
 */
export function expectAsDefined(net: Net, { inputs, outputs }: Export): void {
  const results = evaluate(net.graph, inputs);
  expectOutputs(outputs, (name) => results.get(name), 2e-6);
}

export async function expectFromRuntime(path: string, { inputs, outputs }: Export, tolerance: number): Promise<void> {
  const session = await ort.InferenceSession.create(path, { logSeverityLevel: 3, intraOpNumThreads: 1 });
  const results = await session.run(Object.fromEntries([...inputs].map(([name, array]) => [name, ortTensor(array)])));
  await session.release();
  expectOutputs(
    outputs,
    (name) => results[name] && { shape: results[name].dims, data: numbers(results[name].data) },
    tolerance,
  );
}

function ortTensor(array: NamedArray): ort.Tensor {
  const type = { f32: "float32", i64: "int64", i32: "int32", bool: "bool" }[array.dtype as "f32"];
  return new ort.Tensor(type as "float32", array.data as Float32Array, [...array.shape]);
}

function numbers(data: ort.Tensor["data"]): ArrayLike<number> {
  return Array.from(data as ArrayLike<number | bigint | boolean>, Number);
}

/** Written to a file as `fold` writes it, and run by ONNX Runtime. */
export async function expectSavedToRun(net: Net, source: Export, tolerance: number): Promise<void> {
  const place = await mkdtemp(join(tmpdir(), "repvgg-third-party-"));
  try {
    await saveNet(net, join(place, "folded.onnx"));
    await expectFromRuntime(join(place, "folded.onnx"), source, tolerance);
  } finally {
    await rm(place, { recursive: true });
  }
}

export function expectFromEngine(backend: Backend, net: Net, { inputs, outputs }: Export, tolerance: number): void {
  const shape = Object.fromEntries([...inputs].map(([name, array]) => [name, array.shape]));
  const session = createSession(net.graph, { backend, shape });
  try {
    const values = [...inputs].map(([name, array]) => [name, { shape: array.shape, data: toFloat32(array) }]);
    const results = session.run(Object.fromEntries(values));
    expectOutputs(outputs, (name) => results[name], tolerance);
  } finally {
    session.dispose();
  }
}

const summing = ["Add", "Sub", "Sum"];

/** No more nodes than the authors' deploy form has, none of them hidden in a function. */
export function expectCounts({ graph }: Net, { fixture }: Export): void {
  expect(graph.nodes.filter(({ domain }) => domain !== "").map(({ op }) => op)).toEqual([]);
  const counted = (...operators: string[]) => graph.nodes.filter(({ op }) => operators.includes(op)).length;
  expect(counted("Conv"), "convolutions").toBeLessThanOrEqual(fixture.convolutions!);
  expect(counted("BatchNormalization"), "norms").toBeLessThanOrEqual(fixture.norms ?? 0);
  if (fixture.sums === undefined) return;
  const computed = new Set([...graph.inputs.map(({ name }) => name), ...graph.nodes.flatMap(({ outputs }) => outputs)]);
  const sums = graph.nodes.filter(
    ({ op, inputs }) => summing.includes(op) && inputs.every((name) => computed.has(name)),
  );
  expect(sums.length, "sums").toBeLessThanOrEqual(fixture.sums);
}
