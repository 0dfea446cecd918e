import * as ort from "onnxruntime-node";
import { afterAll, expect } from "vitest";
import type { Backend } from "#repvgg/backend/backend.js";
import { createBackend } from "#repvgg/backend/select.node.js";
import { type NamedArray, toFloat32 } from "#repvgg/core/named-arrays.js";
import { buildPlan, type Plan } from "#repvgg/engine/plan/plan.js";
import { createSession, type SessionTensor } from "#repvgg/engine/session.js";
import { writeOnnx } from "#repvgg/formats/onnx/model.js";
import { node, valueInfo } from "#repvgg/graph/build.js";
import { evaluate } from "#repvgg/graph/evaluate/evaluate.js";
import type { AttributeValue, Graph } from "#repvgg/graph/graph.js";
import { defaultEnvelope, toOnnx } from "#repvgg/graph/to-onnx.js";
import { expectNamedSteps, relativeError } from "./compare.js";

/** Both kinds of kernels, on one to three threads; shared by the tests of a file. */
export const engineBackends: readonly { readonly name: string; readonly backend: Backend }[] = [
  { name: "native kernels, 1 thread", backend: await createBackend({ threads: 1 }) },
  { name: "native kernels, 3 threads", backend: await createBackend({ threads: 3 }) },
  { name: "WebAssembly, 2 threads", backend: await createBackend({ threads: 2, kernels: "wasm" }) },
];
afterAll(() => {
  for (const { backend } of engineBackends) backend.dispose();
});

/** One operator by itself. */
export interface NodeCase {
  readonly op: string;
  readonly what?: string;
  /** An absent input is undefined. */
  readonly inputs: readonly (NamedArray | undefined)[];
  /** Which inputs the graph is given (default the first); the others are constants. */
  readonly computed?: readonly number[];
  readonly attributes?: Readonly<Record<string, AttributeValue>>;
  readonly opset?: number;
  /** Element types of the outputs; default one of float32. */
  readonly outputs?: readonly NamedArray["dtype"][];
  /** Where ONNX Runtime lacks the operator, or differs for a reason that stands beside the case. */
  readonly withoutOnnxRuntime?: boolean;
  readonly tolerance?: number;
}

export function graphOfCase({
  op,
  inputs,
  computed = [0],
  attributes = {},
  opset = 17,
  outputs = ["f32"],
}: NodeCase): Graph {
  const names = inputs.map((input, i) => (input ? `i${i}` : ""));
  const results = outputs.map((_, i) => `o${i}`);
  return {
    name: "case",
    inputs: computed.map((i) => valueInfo(`i${i}`, inputs[i]!.shape, inputs[i]!.dtype)),
    outputs: results.map((name, i) => ({ name, dtype: outputs[i]!, shape: undefined })),
    nodes: [node(op, "node", names, results, attributes, opset)],
    initializers: new Map(
      inputs.flatMap((input, i) => (input && !computed.includes(i) ? [[`i${i}`, input] as const] : [])),
    ),
  };
}

/** The plan of a case without a convolution: its numbers are not looked at. */
export function planOfCase(c: NodeCase): Plan {
  const graph = graphOfCase(c);
  const noConvolution = (): never => {
    throw new Error("there is no convolution");
  };
  return buildPlan(graph, {
    inputShapes: Object.fromEntries(graph.inputs.map(({ name, shape }) => [name, shape as readonly number[]])),
    features: [],
    fuseBatchNorm: true,
    planConvolution: noConvolution,
    planTransposedConvolution: noConvolution,
    planByteConvolution: noConvolution,
  });
}

/** What a session on a backend gives for a case, by output. */
export function runCase(backend: Backend, c: NodeCase): Readonly<Record<string, SessionTensor>> {
  const { computed = [0], inputs } = c;
  const values = Object.fromEntries(
    computed.map((i): [string, SessionTensor] => [`i${i}`, { shape: inputs[i]!.shape, data: toFloat32(inputs[i]!) }]),
  );
  const shape = Object.fromEntries(Object.entries(values).map(([name, value]) => [name, value.shape]));
  const graph = graphOfCase(c);
  const session = createSession(graph, { backend, shape });
  try {
    expectNamedSteps(graph, session.plan());
    return session.run(values);
  } finally {
    session.dispose();
  }
}

/** Runs a case on a backend and expects what the definition and ONNX Runtime give. */
export async function expectCase(backend: Backend, c: NodeCase): Promise<void> {
  const { computed = [0], inputs, tolerance = 1e-5 } = c;
  const graph = graphOfCase(c);
  const actual = runCase(backend, c);
  const defined = evaluate(graph, new Map(computed.map((i) => [`i${i}`, inputs[i]!])));
  const title = `${c.op} ${c.what ?? ""}`;
  for (const { name } of graph.outputs) {
    expect(actual[name]!.shape, `${title} ${name}`).toEqual([...defined.get(name)!.shape]);
    expect(relativeError(actual[name]!.data, defined.get(name)!.data), `${title} ${name}`).toBeLessThan(tolerance);
  }
  if (c.withoutOnnxRuntime) return;
  const envelope = { ...defaultEnvelope, irVersion: 10, opsetImport: [{ domain: "", version: c.opset ?? 17 }] };
  const session = await ort.InferenceSession.create(writeOnnx(toOnnx(graph, envelope)), { logSeverityLevel: 4 });
  try {
    const feeds = Object.fromEntries(
      computed.map((i) => [`i${i}`, new ort.Tensor("float32", toFloat32(inputs[i]!), [...inputs[i]!.shape])]),
    );
    const results = await session.run(feeds);
    for (const { name } of graph.outputs) {
      const { dims, data } = results[name]!;
      expect(actual[name]!.shape, `${title} ${name} of ONNX Runtime`).toEqual([...dims]);
      const numbers = Float64Array.from(data as ArrayLike<number | bigint>, Number);
      expect(relativeError(actual[name]!.data, numbers), `${title} ${name} of ONNX Runtime`).toBeLessThan(tolerance);
    }
  } finally {
    await session.release();
  }
}
