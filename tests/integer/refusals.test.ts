import { afterAll, describe, expect, it } from "vitest";
import { createBackend } from "#repvgg/backend/select.node.js";
import { UserError } from "#repvgg/core/errors.js";
import { f32, type NamedArray } from "#repvgg/core/named-arrays.js";
import { rngFor } from "#repvgg/core/rng.js";
import { createSession } from "#repvgg/engine/session.js";
import { evaluate } from "#repvgg/graph/evaluate/evaluate.js";
import type { Graph } from "#repvgg/graph/graph.js";
import { randomPicture } from "./compare.js";
import { QuantizedBuilder, type Style } from "./quantized-builder.js";

const backend = await createBackend({ threads: 1 });
afterAll(() => backend.dispose());

const shape = [1, 3, 6, 5];

/** Two convolutions, the second of 80 output channels: more scales than small constants have. */
function netOf(form: Style["form"]): Graph {
  const style: Style = { activations: "u8", weights: "i8", perChannel: true, form, bias: "integers" };
  const b = new QuantizedBuilder(rngFor(1, "refusals"), style);
  const x = b.quantize("x", shape, 1, false);
  const first = b.convolution(x, 4, { kernel: [3, 3], pads: [1, 1, 1, 1] });
  const last = b.convolution(first, 80, { kernel: [1, 1] });
  return b.net(shape, [b.dequantize(last)]);
}

function withScale(graph: Graph, name: string, wrong: number): Graph {
  const given = graph.initializers.get(name)!;
  const data = Float32Array.from(given.data as Float32Array);
  data[data.length - 1] = wrong;
  return { ...graph, initializers: new Map([...graph.initializers, [name, f32(given.shape, data)]]) };
}

const wrongScales = [0, -0, -0.5, 1e-40, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, Number.NaN];

describe.each(["qdq", "qoperator"] as const)("scales of %s", (form) => {
  const graph = netOf(form);
  const scales = [...graph.initializers].filter(([name, { dtype }]) => name.endsWith(".scale") && dtype === "f32");

  it("are those of the input, of weights, of biases and of results", () => {
    expect(scales.length).toBe(form === "qdq" ? 7 : 5);
  });

  it.each(scales.flatMap(([name]) => wrongScales.map((wrong) => [name, wrong] as const)))(
    "%s of %s is refused in one line, by the definition and by the engine",
    (name, wrong) => {
      const changed = withScale(graph, name, wrong);
      const runs = [
        () => evaluate(changed, new Map([["x", randomPicture(1, shape)]])),
        () => createSession(changed, { backend, shape }).dispose(),
      ];
      for (const run of runs) {
        let error: unknown;
        try {
          run();
        } catch (thrown) {
          error = thrown;
        }
        expect(error).toBeInstanceOf(UserError);
        expect((error as Error).message).toMatch(/scales that are finite, above 0 and normal .*received/);
        expect((error as Error).message).not.toContain("\n");
      }
    },
  );

  it("as they are run", () => {
    const session = createSession(graph, { backend, shape });
    expect(session.run(randomPicture(1, shape))[graph.outputs[0]!.name]!.data.every(Number.isFinite)).toBe(true);
    session.dispose();
  });
});

describe("zero points", () => {
  it("of an int32 bias other than 0 are refused", () => {
    const graph = netOf("qdq");
    const node = graph.nodes.find(({ outputs }) => outputs[0]!.endsWith(".b.real"))!;
    const zero: NamedArray = { dtype: "i32", shape: [4], data: Int32Array.of(0, 0, 3, 0) };
    const changed: Graph = {
      ...graph,
      nodes: graph.nodes.map((each) => (each === node ? { ...each, inputs: [...each.inputs, "zero"] } : each)),
      initializers: new Map([...graph.initializers, ["zero", zero]]),
    };
    const message = /0 as zero point of int32 .*3/;
    expect(() => evaluate(changed, new Map([["x", randomPicture(1, shape)]]))).toThrow(message);
    expect(() => createSession(changed, { backend, shape })).toThrow(message);
  });
});
