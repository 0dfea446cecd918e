import * as ort from "onnxruntime-node";
import { expect } from "vitest";
import type { NamedArray } from "#repvgg/core/named-arrays.js";
import { writeOnnx } from "#repvgg/formats/onnx/model.js";
import { inferShapes } from "#repvgg/graph/analyze/analyze.js";
import { node, valueInfo } from "#repvgg/graph/build.js";
import { evaluate } from "#repvgg/graph/evaluate/evaluate.js";
import type { AttributeValue, Graph } from "#repvgg/graph/graph.js";
import { defaultEnvelope, toOnnx } from "#repvgg/graph/to-onnx.js";
import { worstError } from "./support.js";

/** One operator with its operands, to be computed by the evaluator and by ONNX Runtime. */
export interface OnnxRuntimeCase {
  readonly op: string;
  readonly what?: string;
  readonly inputs: readonly (NamedArray | undefined)[];
  readonly attributes?: Record<string, AttributeValue>;
  /** How many (default 1). */
  readonly outputs?: number;
  /** Default 17. */
  readonly opset?: number;
  /** The shape depends on numbers that are computed. */
  readonly open?: boolean;
}

/** Cases with their titles, for it.each. */
export const titled = (cases: readonly OnnxRuntimeCase[]): (readonly [string, OnnxRuntimeCase])[] =>
  cases.map((c) => [`${c.op}${c.opset ? ` ${c.opset}` : ""}${c.what ? `, ${c.what}` : ""}`, c]);

function graphOf({ op, opset, inputs, attributes = {}, outputs = 1 }: OnnxRuntimeCase): {
  graph: Graph;
  feeds: Map<string, NamedArray>;
} {
  const names = inputs.map((input, i) => (input ? `in${i}` : ""));
  const written = Array.from({ length: outputs }, (_, i) => `out${i}`);
  // The first input is fed; the others are constants, so that shapes can be inferred from them.
  const constants = inputs.flatMap((input, i) => (input && i > 0 ? [[`in${i}`, input] as const] : []));
  const graph: Graph = {
    name: op,
    inputs: [valueInfo("in0", inputs[0]!.shape, inputs[0]!.dtype)],
    outputs: [],
    nodes: [node(op, "node", names, written, attributes, opset)],
    initializers: new Map(constants),
  };
  const inferred = inferShapes(graph);
  const infos = written.map((name) => inferred.get(name)!);
  return { graph: { ...graph, outputs: infos }, feeds: new Map([["in0", inputs[0]!]]) };
}

const ortType: Record<string, ort.Tensor.Type> = {
  f32: "float32",
  f64: "float64",
  i64: "int64",
  i32: "int32",
  i8: "int8",
  u8: "uint8",
  bool: "bool",
};

/** Runs a case both ways and expects the same shapes and numbers, and the shapes that inference tells. */
export async function expectSameAsOnnxRuntime(c: OnnxRuntimeCase): Promise<void> {
  const { graph, feeds } = graphOf(c);
  const opset = [{ domain: "", version: c.opset ?? 17 }];
  const bytes = writeOnnx(toOnnx(graph, { ...defaultEnvelope, irVersion: 10, opsetImport: opset }));
  const session = await ort.InferenceSession.create(bytes, {
    graphOptimizationLevel: "disabled",
    intraOpNumThreads: 1,
    logSeverityLevel: 4,
  });
  const fed = [...feeds].map(([name, { dtype, shape, data }]) => [
    name,
    new ort.Tensor(ortType[dtype]!, data as never, [...shape]),
  ]);
  const results = await session.run(Object.fromEntries(fed));
  await session.release();
  const own = evaluate(graph, feeds);
  for (const { name, shape } of graph.outputs) {
    const theirs = results[name]!;
    const mine = own.get(name)!;
    expect(mine.shape).toEqual([...theirs.dims]);
    // What depends on the fed input's contents, or has no rule.
    const known = !c.open;
    expect(shape !== undefined).toBe(known);
    if (shape)
      expect(shape.map((size, axis) => (typeof size === "string" ? theirs.dims[axis] : size))).toEqual([
        ...theirs.dims,
      ]);
    const expected = Array.from(theirs.data as ArrayLike<number | bigint>, Number);
    expect(worstError(mine.data, expected)).toBeLessThanOrEqual(2e-6);
  }
}
