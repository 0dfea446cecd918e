import { afterAll, describe, expect, it } from "vitest";
import { createBackend } from "#repvgg/backend/select.node.js";
import { f32 } from "#repvgg/core/named-arrays.js";
import { rngFor } from "#repvgg/core/rng.js";
import { createSession } from "#repvgg/engine/session.js";
import { GraphBuilder, valueInfo } from "#repvgg/graph/build.js";
import type { Graph } from "#repvgg/graph/graph.js";
import { randomPicture, runIntegers, stepsApart } from "./compare.js";
import { QuantizedBuilder } from "./quantized-builder.js";

const backends = [
  await createBackend({ threads: 1, kernels: "wasm" }),
  await createBackend({ threads: 1 }),
  await createBackend({ threads: 3 }),
];
afterAll(() => {
  for (const backend of backends) backend.dispose();
});

const shape = [1, 8, 26, 22];

/** Convolutions as a net of 3×3 has them, large enough for Winograd's algorithm, with a stride in between. */
function net() {
  const style = { activations: "u8", weights: "i8", perChannel: true, form: "qoperator", bias: "integers" } as const;
  const b = new QuantizedBuilder(rngFor(9, "larger"), style);
  const pads = [1, 1, 1, 1] as const;
  let x = b.quantize("x", shape, 1, false);
  for (const strides of [
    [1, 1],
    [2, 2],
    [1, 1],
    [1, 1],
  ] as const)
    x = b.convolution(x, 64, { kernel: [3, 3], pads, strides });
  return b.net(shape, [b.dequantize(x)]);
}

describe("larger convolutions, by Winograd's algorithm or directly", () => {
  const graph = net();
  const picture = randomPicture(2, shape);

  it.each(backends.map((backend) => [`${backend.name}, ${backend.threads} threads`, backend] as const))(
    "are the definition's integers, every one: %s",
    (_, backend) => {
      const { outputs, plan } = runIntegers(backend, graph, picture);
      expect(stepsApart(graph, picture, outputs)).toMatchObject({ apart: 0, count: 8 * 572 + 64 * (572 + 3 * 143) });
      const algorithms = plan.steps.filter(({ convolution }) => convolution).map(({ algorithm }) => algorithm);
      // Where bytes are multiplied by one instruction, the planner finds the direct product cheaper at this size.
      if (!backend.multipliesBytes) expect(algorithms.filter((name) => name.startsWith("u8_winograd")).length).toBe(4);
      else expect(algorithms.length).toBe(4);
    },
  );

  it("keep activations in a quarter of float32's memory, and say so", () => {
    const session = createSession(graph, { backend: backends[1]!, shape });
    const { steps } = session.plan();
    const convolutions = steps.filter(({ convolution }) => convolution);
    expect(convolutions.map(({ type }) => type)).toEqual(["u8", "u8", "u8", "u8"]);
    for (const { bytesWritten, outputShape } of convolutions)
      expect(bytesWritten).toBe(outputShape.reduce((n, size) => n * size, 1));
    session.dispose();
  });
});

describe("sums that could leave int32", () => {
  /** x [1, size] times a column of int8 weights that are all `weight`, from uint8 of scale 1. */
  function column(size: number, weight: number): Graph {
    const b = new GraphBuilder();
    const one = b.constant("one", f32([], Float32Array.of(1)));
    const data = new Int8Array(size).fill(weight);
    b.constant("w", { dtype: "i8", shape: [size, 1], data });
    b.add("DequantizeLinear", "x.d", ["x", one], {}, 13);
    b.add("MatMul", "y", ["x.d", b.add("DequantizeLinear", "w.d", ["w", one], {}, 13)], {}, 13);
    return b.graph("column", [valueInfo("x", [1, size], "u8")], [valueInfo("y", [1, 1])]);
  }

  it.each([33_155, 33_156])("are told by the weights as they are: %d of 127", (size) => {
    const graph = column(size, 127);
    const session = createSession(graph, { backend: backends[1]! });
    // The largest input there is: every byte 255.
    const [value] = session.run(new Uint8Array(size).fill(255))["y"]!.data;
    const fits = size * 127 <= Math.floor(2 ** 30 / 255);
    expect(session.plan().inFloat?.map(({ reason }) => reason)).toEqual(
      fits ? undefined : ["its sums could leave int32"],
    );
    expect(Math.abs(value! / (size * 127 * 255) - 1)).toBeLessThan(fits ? 1e-7 : 1e-3);
    session.dispose();
  });
});
