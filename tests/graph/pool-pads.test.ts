import * as ort from "onnxruntime-node";
import { afterAll, describe, expect, it } from "vitest";
import { createBackend } from "#repvgg/backend/select.node.js";
import { ShapeError } from "#repvgg/core/errors.js";
import { f32 } from "#repvgg/core/named-arrays.js";
import { createSession } from "#repvgg/engine/session.js";
import { writeOnnx } from "#repvgg/formats/onnx/model.js";
import { int, ints } from "#repvgg/graph/attributes.js";
import { GraphBuilder, valueInfo } from "#repvgg/graph/build.js";
import { evaluate } from "#repvgg/graph/evaluate/evaluate.js";
import type { Graph } from "#repvgg/graph/graph.js";
import { defaultEnvelope, toOnnx } from "#repvgg/graph/to-onnx.js";

const backend = await createBackend({ threads: 1 });
afterAll(() => backend.dispose());

function pool(op: string, kernel: readonly number[], pads: readonly number[], more: object = {}): Graph {
  const b = new GraphBuilder();
  b.add(op, "y", ["x"], { kernel_shape: ints(kernel), pads: ints(pads), ...more });
  const axes = kernel.map((_, i) => `s${i}`);
  return b.graph("pool", [valueInfo("x", [1, 2, ...kernel.map(() => 6)])], [valueInfo("y", ["n", "c", ...axes])]);
}

async function runsInOnnxRuntime(graph: Graph): Promise<boolean> {
  const bytes = writeOnnx(toOnnx(graph, { ...defaultEnvelope, opsetImport: [{ domain: "", version: 19 }] }));
  return ort.InferenceSession.create(bytes, { logSeverityLevel: 4 }).then(
    async (session) => {
      await session.release();
      return true;
    },
    () => false,
  );
}

describe.each(["MaxPool", "AveragePool", "LpPool"])("pads of %s", (op) => {
  it.each<[readonly number[], readonly number[], object, boolean]>([
    [[3, 3], [2, 2, 2, 2], {}, true],
    [[3, 2], [1, 1, 2, 1], {}, true],
    [[3, 3], [3, 0, 0, 0], {}, false],
    [[3, 3], [0, 0, 0, 3], {}, false],
    [[3, 2], [1, 2, 1, 1], {}, false],
    [[2, 2], [2, 2, 2, 2], { dilations: ints([2, 2]) }, false],
    [[2, 2], [2, 2, 2, 2], { ceil_mode: int(1), strides: ints([2, 2]) }, false],
    [[3], [3, 0], {}, false],
    [[3], [2, 2], {}, true],
  ])("of kernel [%s], [%s] %o, are taken where ONNX Runtime takes them: %s", async (kernel, pads, more, taken) => {
    const graph = pool(op, kernel, pads, more);
    const shape = graph.inputs[0]!.shape as readonly number[];
    const x = f32(shape, new Float32Array(shape.reduce((a, c) => a * c, 1)).fill(1));
    expect(await runsInOnnxRuntime(graph)).toBe(taken);
    const runs = [() => void evaluate(graph, new Map([["x", x]])), () => createSession(graph, { backend }).dispose()];
    for (const run of runs) {
      if (taken) run();
      else expect(run).toThrow(ShapeError);
      if (!taken) expect(run).toThrow(/pads smaller than the kernel/);
    }
  });
});
