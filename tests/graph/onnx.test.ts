import { readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import * as ort from "onnxruntime-node";
import { describe, expect, it } from "vitest";
import { FormatError } from "#repvgg/core/errors.js";
import { f32 } from "#repvgg/core/named-arrays.js";
import { fold } from "#repvgg/graph/fold.js";
import { readOnnx, writeOnnx } from "#repvgg/formats/onnx/model.js";
import { attributeType, emptyAttribute, type ModelProto } from "#repvgg/formats/onnx/proto.js";
import { evaluate } from "#repvgg/graph/evaluate/evaluate.js";
import { fromOnnx } from "#repvgg/graph/from-onnx.js";
import { toOnnx } from "#repvgg/graph/to-onnx.js";
import { RandomNet, worstError } from "./support.js";

const folder = join(dirname(fileURLToPath(import.meta.url)), "..", "fixtures", "oracles");
const files = readdirSync(folder).filter((name) => name.endsWith(".onnx"));

function roundTrip(model: ModelProto): ModelProto {
  const { graph, envelope } = fromOnnx(model);
  return toOnnx(graph, envelope);
}

/** A model with one node of a custom domain, every kind of attribute, metadata and a function-like unknown field. */
function unusualModel(): ModelProto {
  const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
  const attribute = (name: string, type: number, value: object) => ({ ...emptyAttribute, name, type, ...value });
  const info = (name: string) => ({
    name,
    type: { tensorType: { elemType: 1, shape: { dim: [{ dimParam: "n" }, {}, { dimValue: 3 }] } } },
  });
  return {
    irVersion: 8,
    producerName: "somebody",
    producerVersion: "1.2",
    modelVersion: 7n,
    docString: "a model",
    opsetImport: [{ version: 17 }, { domain: "com.example", version: 3 }],
    metadataProps: [{ key: "author", value: "me" }],
    graph: {
      name: "main",
      docString: "a graph",
      node: [
        {
          name: "",
          opType: "Mystery",
          domain: "com.example",
          input: ["x", ""],
          output: ["y"],
          attribute: [
            attribute("f", attributeType.float, { f: 0.5 }),
            attribute("i", attributeType.int, { i: 3n }),
            attribute("huge", attributeType.int, { i: 2n ** 62n + 1n }),
            attribute("s", attributeType.string, { s: bytes("grüße") }),
            attribute("raw", attributeType.string, { s: Uint8Array.of(0xff, 0xfe) }),
            attribute("fs", attributeType.floats, { floats: Float32Array.of(1, 2) }),
            attribute("is", attributeType.ints, { ints: BigInt64Array.of(1n, -2n) }),
            attribute("ss", attributeType.strings, { strings: [bytes("a"), bytes("b")] }),
            attribute("g", attributeType.graph, {
              g: { node: [], name: "sub", initializer: [], input: [], output: [], valueInfo: [] },
            }),
          ],
        },
      ],
      initializer: [],
      input: [info("x")],
      output: [info("y")],
      valueInfo: [],
    },
  };
}

describe("ONNX ↔ graph", () => {
  it.each(files)("%s comes back as it was", (file) => {
    const model = readOnnx(new Uint8Array(readFileSync(join(folder, file))));
    const again = readOnnx(writeOnnx(roundTrip(model)));
    const { node, initializer, ...rest } = model.graph!;
    const { node: node2, initializer: initializer2, ...rest2 } = again.graph!;
    expect(node2).toEqual(
      node.map((n) => ({
        ...n,
        attribute: n.attribute.map(({ t, ...a }) => (t ? { ...a, t: expect.anything() } : a)),
      })),
    );
    expect(rest2).toEqual(rest);
    expect({ ...again, graph: undefined }).toEqual({ ...model, graph: undefined });
    const [first, second] = [fromOnnx(model).graph, fromOnnx(again).graph];
    expect(second).toEqual(first);
    expect(initializer2.map(({ name }) => name)).toEqual(initializer.map(({ name }) => name));
  });

  it("keeps unknown operators, domains, attributes, unnamed sizes and metadata", () => {
    const model = readOnnx(writeOnnx(unusualModel()));
    const { graph } = fromOnnx(model);
    expect(graph.nodes[0]).toMatchObject({
      name: "Mystery_0",
      op: "Mystery",
      domain: "com.example",
      inputs: ["x", ""],
    });
    expect(graph.inputs[0]!.shape).toEqual(["n", "x:1", 3]);
    expect(Object.values(graph.nodes[0]!.attributes).map(({ type }) => type)).toEqual([
      "float",
      "int",
      "opaque",
      "string",
      "opaque",
      "floats",
      "ints",
      "strings",
      "opaque",
    ]);
    const again = readOnnx(writeOnnx(roundTrip(model)));
    expect(again.graph!.node[0]!.attribute).toEqual(model.graph!.node[0]!.attribute);
    expect({ ...again, graph: { ...again.graph, node: [] } }).toEqual({
      ...model,
      graph: { ...model.graph, node: [] },
    });
    expect(fold(graph).graph.nodes).toEqual(graph.nodes);
  });

  it("describes values of graphs of our own, and keeps what a file says of values that are still there", () => {
    const net = new RandomNet(2);
    net.add("Relu", "r", ["x"]);
    net.add("Neg", "y", ["r"]);
    const model = toOnnx(net.finish(["n", 3], "y"));
    expect(model.opsetImport).toEqual([{ domain: "", version: 17 }]);
    expect(model.graph!.input).toEqual([
      { name: "x", type: { tensorType: { elemType: 1, shape: { dim: [{ dimParam: "n" }, { dimValue: 3 }] } } } },
    ]);
    // A shape that is not known is left out: an empty one would say that it is a scalar.
    expect(model.graph!.output).toEqual([{ name: "y", type: { tensorType: { elemType: 1 } } }]);
    const info = (name: string) => ({ name, type: { tensorType: { elemType: 1, shape: { dim: [] } } } });
    const described = { ...model, graph: { ...model.graph!, valueInfo: [info("r"), info("gone")] } };
    const { graph, envelope } = fromOnnx(described);
    expect(toOnnx(graph, envelope).graph!.valueInfo).toEqual([info("r")]);
  });

  it("says what it cannot read", () => {
    const model = unusualModel();
    const strings = { name: "x", type: { tensorType: { elemType: 8 } } };
    expect(() => fromOnnx({ ...model, graph: { ...model.graph!, input: [strings] } })).toThrow(FormatError);
    expect(() => fromOnnx({ ...model, opsetImport: [{ version: 0 }] })).toThrow(/operator set/);
  });

  it("reads initializers that old files list as inputs, and says which operator set nodes are of", () => {
    const net = new RandomNet(1);
    net.randomConv("c", "x", 2, 2, 1);
    net.add("Softmax", "y", ["c"]);
    const model = toOnnx(net.finish([1, 2, 1, 1], "y"));
    const weight = {
      name: "c.weight",
      type: { tensorType: { elemType: 1, shape: { dim: [2, 2, 1, 1].map((dimValue) => ({ dimValue })) } } },
    };
    const old = {
      ...model,
      irVersion: 3,
      opsetImport: [{ version: 9 }],
      graph: { ...model.graph!, input: [...model.graph!.input, weight] },
    };
    const { graph, envelope } = fromOnnx(old);
    expect(graph.inputs.map(({ name }) => name)).toEqual(["x"]);
    expect(graph.nodes[1]!.opset).toBe(9);
    expect(toOnnx(graph, envelope).irVersion).toBe(4);
    // From version 4 on such an input is a default that callers may override, and stays one.
    const inputsOf = (irVersion: number) => {
      const read = fromOnnx({ ...old, irVersion });
      return toOnnx(read.graph, read.envelope).graph!.input.map(({ name }) => name);
    };
    expect(inputsOf(3)).toEqual(["x"]);
    expect(inputsOf(4)).toEqual(["x", "c.weight"]);
  });

  it("a negative size is an open one", () => {
    const model = unusualModel();
    const dims = [{ dimValue: -1 }, { dimValue: -1, dimParam: "side" }, { dimValue: 0 }];
    const input = model.graph!.input.map((info) => ({
      ...info,
      type: { tensorType: { elemType: 1, shape: { dim: dims } } },
    }));
    const { graph } = fromOnnx({ ...model, graph: { ...model.graph!, input } });
    expect(graph.inputs[0]!.shape).toEqual([`${graph.inputs[0]!.name}:0`, "side", 0]);
  });

  it.each(["tiny-train-bn.onnx", "block-dbb-bn.onnx", "tiny-se-train.onnx"])(
    "ONNX Runtime runs the fold of %s to the same outputs",
    async (file) => {
      const { graph, envelope } = fromOnnx(readOnnx(new Uint8Array(readFileSync(join(folder, file)))));
      const folded = writeOnnx(toOnnx(fold(graph).graph, envelope));
      const [info] = graph.inputs;
      const shape = info!.shape!.map((size) => (typeof size === "number" ? size : 2));
      const count = shape.reduce((n, size) => n * size, 1);
      const data = Float32Array.from({ length: count }, (_, i) => Math.sin(i));
      const session = await ort.InferenceSession.create(folded);
      const results = await session.run({ [info!.name]: new ort.Tensor("float32", data, shape) });
      const output = graph.outputs[0]!.name;
      const expected = evaluate(graph, new Map([[info!.name, f32(shape, data)]])).get(output)!;
      expect(worstError(results[output]!.data as Float32Array, expected.data)).toBeLessThanOrEqual(1e-5);
    },
  );
});
