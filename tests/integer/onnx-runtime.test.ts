import * as ort from "onnxruntime-node";
import { afterAll, describe, expect, it } from "vitest";
import { createBackend } from "#repvgg/backend/select.node.js";
import type { SessionOutputs } from "#repvgg/engine/session.js";
import { writeOnnx } from "#repvgg/formats/onnx/model.js";
import { inferShapes } from "#repvgg/graph/analyze/analyze.js";
import type { Graph } from "#repvgg/graph/graph.js";
import { defaultEnvelope, toOnnx } from "#repvgg/graph/to-onnx.js";
import { quantizedValues, randomPicture, runIntegers, stepsApart } from "./compare.js";
import { randomQuantizedNet } from "./random-net.js";

const backend = await createBackend({ threads: 1 });
afterAll(() => backend.dispose());

const runs = 30;

/** ONNX Runtime's integers, or undefined where it lacks a form (int8 activations of QLinearConv with uint8 weights). */
async function theirs(
  graph: Graph,
  input: ReturnType<typeof randomPicture>,
  level: "disabled" | "all",
): Promise<SessionOutputs | undefined> {
  const types = inferShapes(graph);
  const names = [...new Set([...graph.outputs.map(({ name }) => name), ...quantizedValues(graph)])];
  const whole = { ...graph, outputs: names.map((name) => types.get(name)!) };
  const opsetImport = [{ domain: "", version: 13 }];
  const bytes = writeOnnx(toOnnx(whole, { ...defaultEnvelope, irVersion: 8, opsetImport }));
  const options = { graphOptimizationLevel: level, intraOpNumThreads: 1, logSeverityLevel: 4 } as const;
  let session: ort.InferenceSession;
  try {
    session = await ort.InferenceSession.create(bytes, options);
  } catch (error) {
    if (/implementation for QLinear/.test(String(error))) return undefined;
    throw error;
  }
  const results = await session.run({ x: new ort.Tensor("float32", input.data, [...input.shape]) });
  await session.release();
  const asFloat = (tensor: ort.Tensor) => Float32Array.from(tensor.data as ArrayLike<number>);
  return Object.fromEntries(
    names.map((name) => [name, { shape: [...results[name]!.dims], data: asFloat(results[name]!) }]),
  );
}

function argmax(values: ArrayLike<number>): number {
  return Array.from(values).reduce((best, value, i) => (value > values[best]! ? i : best), 0);
}

describe("quantized nets in ONNX Runtime and here", () => {
  it("agree within a step of the definition, QLinear operators bit for bit; the same best class", async () => {
    let [compared, classes] = [0, 0];
    for (let seed = 0; compared < runs; seed++) {
      const { graph } = randomQuantizedNet(seed);
      const input = randomPicture(seed, graph.inputs[0]!.shape as number[]);
      const own = runIntegers(backend, graph, input).outputs;
      for (const level of ["disabled", "all"] as const) {
        const other = await theirs(graph, input, level);
        if (!other) continue;
        compared++;
        // Each from its own integers before: no difference is passed on.
        const [steps, ours] = [stepsApart(graph, input, other), stepsApart(graph, input, own)];
        expect(ours.most, `seed ${seed}`).toBeLessThanOrEqual(1);
        expect(steps.most, `seed ${seed}, ${level}: ${steps.where}`).toBeLessThanOrEqual(1);
        // QLinearConv and QLinearMatMul: bit for bit.
        for (const { op, outputs, inputs } of graph.nodes) {
          const exactBefore = JSON.stringify(own[inputs[0]!]?.data) === JSON.stringify(other[inputs[0]!]?.data);
          if (!op.startsWith("QLinear") || !exactBefore) continue;
          expect(own[outputs[0]!]!.data, `seed ${seed}: ${outputs[0]}`).toEqual(other[outputs[0]!]!.data);
        }
        const name = graph.outputs[0]!.name;
        const [a, b] = [own[name]!, other[name]!];
        if (a.shape.length !== 2) continue;
        const sorted = Float32Array.from(b.data).sort();
        const off = a.data.reduce((most, value, i) => Math.max(most, Math.abs(value - b.data[i]!)), 0);
        if (sorted.at(-1)! - sorted.at(-2)! <= 2 * off || a.shape[0] !== 1) continue;
        classes++;
        expect(argmax(a.data), `seed ${seed}`).toBe(argmax(b.data));
      }
    }
    expect(classes).toBeGreaterThan(2);
  });
});
