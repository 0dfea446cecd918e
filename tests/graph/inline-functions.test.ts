import { describe, expect, it } from "vitest";
import { FormatError } from "#repvgg/core/errors.js";
import { readOnnx, writeOnnx } from "#repvgg/formats/onnx/model.js";
import {
  type AttributeProto,
  attributeType,
  emptyAttribute,
  type FunctionProto,
  type ModelProto,
  type NodeProto,
} from "#repvgg/formats/onnx/proto.js";
import { evaluate } from "#repvgg/graph/evaluate/evaluate.js";
import { fromOnnx } from "#repvgg/graph/from-onnx.js";
import { toOnnx } from "#repvgg/graph/to-onnx.js";
import { validate } from "#repvgg/graph/validate.js";

const node = (opType: string, input: string[], output: string[], more: Partial<NodeProto> = {}): NodeProto => ({
  ...{ opType, input, output, attribute: [] },
  ...more,
});

const call = (opType: string, input: string[], output: string[], more: Partial<NodeProto> = {}): NodeProto =>
  node(opType, input, output, { domain: "own", ...more });

const float = (name: string, f: number): AttributeProto => ({ ...emptyAttribute, name, type: attributeType.float, f });

const functionOf = (name: string, nodes: NodeProto[], more: Partial<FunctionProto> = {}): FunctionProto => ({
  ...{ name, domain: "own", input: ["a"], output: ["b"], attribute: [], attributeProto: [], node: nodes },
  ...{ opsetImport: [{ version: 17 }, { domain: "own", version: 1 }], valueInfo: [] },
  ...more,
});

const value = (name: string) => ({ name, type: { tensorType: { elemType: 1, shape: { dim: [{ dimValue: 3 }] } } } });

function modelOf(nodes: NodeProto[], functions: FunctionProto[], outputs = ["y"]): ModelProto {
  return {
    ...{ irVersion: 8, opsetImport: [{ version: 17 }, { domain: "own", version: 1 }], metadataProps: [], functions },
    graph: {
      ...{ name: "g", node: nodes, initializer: [], valueInfo: [] },
      ...{ input: [value("x")], output: outputs.map(value) },
    },
  };
}

/** The outputs for x = −1, 0.5, 2, of the model as it comes back from its bytes. */
function results(model: ModelProto): number[][] {
  const { graph, envelope } = fromOnnx(readOnnx(writeOnnx(model)));
  validate(graph);
  expect(graph.nodes.every(({ domain }) => domain === "")).toBe(true);
  expect(fromOnnx(readOnnx(writeOnnx(toOnnx(graph, envelope)))).graph.nodes).toEqual(graph.nodes);
  const x = { dtype: "f32" as const, shape: [3], data: Float32Array.of(-1, 0.5, 2) };
  return [...evaluate(graph, new Map([["x", x]])).values()].map(({ data }) => [...data]);
}

const scaled = functionOf("Scaled", [
  node("Neg", ["a"], ["t"]),
  node("LeakyRelu", ["t"], ["b"], {
    attribute: [{ ...emptyAttribute, name: "alpha", type: attributeType.float, refAttrName: "slope" }],
  }),
]);

describe("functions are inlined", () => {
  it("twice, with names of their own, beside values of the same names", () => {
    const model = modelOf(
      [node("Abs", ["x"], ["t"]), call("Scaled", ["t"], ["u"]), call("Scaled", ["u"], ["y"])],
      [scaled],
    );
    // −|x| by slope 0.01, then again.
    expect(results(model)[0]).toEqual([0.01, 0.005, 0.02].map((v) => expect.closeTo(v, 9)));
  });

  it("attributes come from the call, else from the function's defaults, else they are absent", () => {
    const withDefault = { ...scaled, name: "Default", attributeProto: [float("slope", 0.5)] };
    const model = modelOf(
      [
        call("Scaled", ["x"], ["p"], { attribute: [float("slope", 0.25)] }),
        call("Default", ["x"], ["q"]),
        call("Default", ["x"], ["r"], { attribute: [float("slope", 0)] }),
        call("Scaled", ["x"], ["s"]),
      ],
      [scaled, withDefault],
      ["p", "q", "r", "s"],
    );
    const expected = [0.25, 0.5, 0, 0.01].map((slope) =>
      [1, -0.5 * slope, -2 * slope].map((v) => expect.closeTo(v, 6)),
    );
    expect(results(model)).toEqual(expected);
  });

  it("functions call others, pass inputs through, and leave optional operands out", () => {
    const outer = functionOf("Outer", [call("Inner", ["a"], ["h"]), node("Clip", ["h", "", "c"], ["b"])], {
      ...{ input: ["a", "c"], output: ["b", "a", "b"] },
    });
    const inner = functionOf("Inner", [node("Add", ["a", "a"], ["b"])]);
    const model = modelOf([call("Outer", ["x"], ["y", "same", "again"])], [outer, inner], ["y", "same", "again"]);
    expect(results(model)).toEqual([
      [-2, 1, 4],
      [-1, 0.5, 2],
      [-2, 1, 4],
    ]);
  });

  it("refuses functions that call themselves, or one another without end", () => {
    const self = functionOf("Self", [call("Self", ["a"], ["b"])]);
    expect(() => fromOnnx(modelOf([call("Self", ["x"], ["y"])], [self]))).toThrow(FormatError);
    const twice = (name: string, of: string) => functionOf(name, [call(of, ["a"], ["h"]), call(of, ["h"], ["b"])]);
    const tower = Array.from({ length: 30 }, (_, i) => twice(`f${i}`, `f${i + 1}`));
    const last = functionOf("f30", [node("Neg", ["a"], ["b"])]);
    expect(() => fromOnnx(modelOf([call("f0", ["x"], ["y"])], [...tower, last]))).toThrow(/together/);
  });

  it("a function of another operator set stays a call, and is written back", () => {
    const old = functionOf("Old", [node("Softmax", ["a"], ["b"])], { opsetImport: [{ version: 11 }] });
    const model = modelOf([call("Old", ["x"], ["y"])], [old]);
    const { graph, envelope } = fromOnnx(model);
    expect(graph.nodes.map(({ domain, op }) => `${domain}.${op}`)).toEqual(["own.Old"]);
    expect(toOnnx(graph, envelope).functions).toEqual([old]);
  });

  it("of several operator sets all have to be the same", () => {
    const mixed = (own: number, standard: number) =>
      functionOf("Mixed", [node("Neg", ["a"], ["t"]), node("Mystery", ["t"], ["b"], { domain: "other" })], {
        opsetImport: [
          { domain: "ai.onnx", version: standard },
          { domain: "other", version: own },
        ],
      });
    const opsOf = (called: FunctionProto) => {
      const model = modelOf([call("Mixed", ["x"], ["y"])], [called]);
      const opsetImport = [{ version: 17 }, { domain: "own", version: 1 }, { domain: "other", version: 3 }];
      return fromOnnx({ ...model, opsetImport }).graph.nodes.map(({ op }) => op);
    };
    expect(opsOf(mixed(3, 17))).toEqual(["Neg", "Mystery"]);
    expect(opsOf(mixed(2, 17))).toEqual(["Mixed"]);
    expect(opsOf(mixed(3, 16))).toEqual(["Mixed"]);
  });
});
