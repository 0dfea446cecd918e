import * as ort from "onnxruntime-node";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Backend } from "#repvgg/backend/backend.js";
import { createBackend } from "#repvgg/backend/select.node.js";
import { bfloat16ToNumber, f32, halfToNumber, numberToBfloat16, numberToHalf } from "#repvgg/core/named-arrays.js";
import { createSession } from "#repvgg/engine/session.js";
import { writeOnnx } from "#repvgg/formats/onnx/model.js";
import { int } from "#repvgg/graph/attributes.js";
import { GraphBuilder, valueInfo } from "#repvgg/graph/build.js";
import { evaluate } from "#repvgg/graph/evaluate/evaluate.js";
import type { Graph } from "#repvgg/graph/graph.js";
import { defaultEnvelope, toOnnx } from "#repvgg/graph/to-onnx.js";

const [float, half, int64, bfloat16] = [1, 10, 7, 16];

/** x to one type after the other, and back to float32. */
function casts(...types: readonly number[]): Graph {
  const b = new GraphBuilder();
  let value = "x";
  [...types, float].forEach((to, i) => {
    value = b.add("Cast", `y${i}`, [value], { to: int(to) });
  });
  return b.graph("casts", [valueInfo("x", ["n"])], [valueInfo(value, ["n"])]);
}

/** Every float16, the middle between it and the next, and the float32 numbers beside both. */
function halves(): Float32Array {
  const bits = new Uint32Array(1);
  const number = new Float32Array(bits.buffer);
  const found: number[] = [Number.NaN, 65519.996, 65520, 65536, 3e38, Number.POSITIVE_INFINITY];
  for (let pattern = 0; pattern < 0x7c00; pattern++) {
    const [low, high] = [halfToNumber(pattern), pattern === 0x7bff ? 65536 : halfToNumber(pattern + 1)];
    for (const middle of [low, (low + high) / 2]) {
      number[0] = middle;
      const at = bits[0]!;
      for (const step of at === 0 ? [0, 1] : [-1, 0, 1]) {
        bits[0] = at + step;
        found.push(number[0]);
      }
    }
  }
  return Float32Array.from([...found, ...found.map((x) => -x)]);
}

/** Random bits: any float32, not-a-number and denormal ones among them. */
function anything(): Float32Array {
  let state = 1;
  const bits = Uint32Array.from({ length: 50_000 }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state;
  });
  return new Float32Array(bits.buffer);
}

describe.each(["native", "wasm"] as const)("Cast on %s", (kernels) => {
  let backend: Backend;
  beforeAll(async () => {
    backend = await createBackend({ kernels, threads: 1 });
  });
  afterAll(() => backend.dispose());

  const run = (graph: Graph, data: Float32Array): Float32Array => {
    const session = createSession(graph, { backend, shape: [data.length] });
    try {
      return Object.values(session.run({ x: { shape: [data.length], data } }))[0]!.data.slice();
    } finally {
      session.dispose();
    }
  };

  it("rounds to float16 as its definition does: ties to even, what is too large becomes infinite", () => {
    const x = halves();
    const wanted = x.map((value) => halfToNumber(numberToHalf(value)));
    const wrong = [...run(casts(half), x).entries()].filter(([i, value]) => !Object.is(value, wanted[i]));
    expect(wrong.slice(0, 5)).toEqual([]);
    expect(new Set(wanted).size).toBeGreaterThan(60_000);
  });

  it("rounds to bfloat16", () => {
    for (const x of [halves(), anything()]) {
      const wanted = x.map((value) => bfloat16ToNumber(numberToBfloat16(value)));
      const wrong = [...run(casts(bfloat16), x).entries()].filter(([i, value]) => !Object.is(value, wanted[i]));
      expect(wrong.slice(0, 5)).toEqual([]);
    }
  });

  it("gives what ONNX Runtime gives, from whole numbers too", async () => {
    for (const types of [[half], [int64, half], [half, int64]]) {
      const graph = casts(...types);
      const x = Float32Array.of(0, 1, 2047, 2048, 2049, 2050, 2051, 4097, 65504, -2049, 0.1, -3.7, 1e-7);
      const file = await ort.InferenceSession.create(writeOnnx(toOnnx(graph, defaultEnvelope)), {
        logSeverityLevel: 3,
      });
      const results = await file.run({ x: new ort.Tensor("float32", x, [x.length]) });
      const wanted = [...(Object.values(results)[0]!.data as Float32Array)];
      expect([...run(graph, x)], `${types}`).toEqual(wanted);
      const evaluated = evaluate(graph, new Map([["x", f32([x.length], x)]]));
      expect([...evaluated.values()][0]!.data.map(Math.fround), `${types}`).toEqual(Float64Array.from(wanted));
      await file.release();
    }
  });
});
