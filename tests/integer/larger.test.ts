import { afterAll, describe, expect, it } from "vitest";
import { createBackend } from "#repvgg/backend/select.node.js";
import { rngFor } from "#repvgg/core/rng.js";
import { createSession } from "#repvgg/engine/session.js";
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
