import { describe, expect, it } from "vitest";
import { UserError } from "#repvgg/core/errors.js";
import { type DType, f32, type NamedArray, toFloat64 } from "#repvgg/core/named-arrays.js";
import { analyze } from "#repvgg/graph/analyze/analyze.js";
import { int } from "#repvgg/graph/attributes.js";
import { int64, node, valueInfo } from "#repvgg/graph/build.js";
import { checkFile } from "#repvgg/graph/check-file.js";
import type { Dimension, Graph, GraphNode } from "#repvgg/graph/graph.js";
import { castFloats, roundTo } from "#repvgg/graph/precision.js";

const graphOf = (
  nodes: readonly GraphNode[],
  initializers: Readonly<Record<string, NamedArray>> = {},
  shape: readonly Dimension[] = [1, 2],
  dtype: DType = "f32",
): Graph => ({
  name: "g",
  inputs: [valueInfo("x", shape, dtype)],
  outputs: [{ name: "y", dtype, shape: undefined }],
  nodes,
  initializers: new Map(Object.entries(initializers)),
});

const half = (...values: number[]): NamedArray => roundTo(f32([values.length], Float32Array.from(values)), "f16", "h");

describe("checkFile", () => {
  it("takes what ONNX takes, and leaves to others what is not understood", () => {
    checkFile(graphOf([node("Relu", "r", ["x"], ["y"])]), 17);
    checkFile(graphOf([{ ...node("Relu", "r", ["x", "x", "x"], ["y"]), domain: "com.example" }]), 17);
    checkFile(graphOf([node("Bernoulli", "b", ["x"], ["y"])]), 17);
    checkFile(graphOf([node("Add", "a", ["x", "h"], ["y"])], { h: half(1, 2) }, [1, 2], "f16"), 17);
  });

  it("refuses mixed floating-point types, which evaluation lets pass", () => {
    const mixed = graphOf([node("Add", "a", ["x", "h"], ["y"])], { h: half(1, 2) });
    analyze(mixed);
    const work = () => checkFile(mixed, 17);
    expect(work).toThrow(UserError);
    expect(work).toThrow(
      'expected B of type f32, as A has it in Add "a", received f16: the file would not be valid, and is not written',
    );
  });

  it("refuses a value that is defined twice, or read before it is written", () => {
    const twice = graphOf([node("Relu", "r", ["x"], ["y"]), node("Abs", "a", ["x"], ["y"])]);
    expect(() => checkFile(twice, 17)).toThrow(/"y", written again by Abs "a"/);
    const early = graphOf([node("Relu", "r", ["t"], ["y"]), node("Abs", "a", ["x"], ["t"])]);
    expect(() => checkFile(early, 17)).toThrow(/written before it is read/);
    const graph = graphOf([node("Relu", "r", ["x"], ["x"])], { x: f32([1, 2], Float32Array.of(1, 2)) });
    expect(() => checkFile({ ...graph, outputs: graph.inputs }, 17)).toThrow(/"x"/);
  });

  it("takes an input that has a default, as files list them", () => {
    const listed = graphOf([node("Add", "a", ["x", "k"], ["y"])], { k: f32([1, 2], Float32Array.of(1, 2)) });
    checkFile({ ...listed, inputs: [...listed.inputs, valueInfo("k", [1, 2])] }, 17);
  });

  it("goes by the operator set of the file, whatever nodes say", () => {
    const squeezed = graphOf([node("Squeeze", "s", ["x", "axes"], ["y"], {}, 13)], { axes: int64([0]) });
    checkFile(squeezed, 13);
    expect(() => checkFile(squeezed, 12)).toThrow(/at most 1 inputs in Squeeze "s"/);
    const own = graphOf([{ ...node("Squeeze", "s", ["x"], ["y"], {}, 13), domain: "com.example" }]);
    checkFile(own, 12);
  });

  it("refuses operands that do not fit", () => {
    const wrong = graphOf([node("MatMul", "m", ["x", "w"], ["y"])], { w: f32([3, 1], new Float32Array(3)) });
    expect(() => checkFile(wrong, 17)).toThrow(/MatMul "m"/);
  });
});

describe("castFloats", () => {
  it.each([
    ["f32", 1],
    ["f16", 10],
    ["f64", 11],
  ] as const)("to %s: Cast nodes to other floating-point types name type %i", (precision, code) => {
    const casts = [1, 10, 11, 16].map((to, i) => node("Cast", `c${i}`, ["x"], [`c${i}`], { to: int(to) }));
    const others = [
      node("Cast", "whole", ["x"], ["y"], { to: int(7) }),
      { ...node("Cast", "own", ["x"], ["own"], { to: int(1) }), domain: "com.example" },
    ];
    const { nodes, inputs, outputs } = castFloats(graphOf([...casts, ...others]), precision);
    expect(nodes.map(({ attributes }) => attributes.to)).toEqual([...casts.map(() => int(code)), int(7), int(1)]);
    expect([...inputs, ...outputs].map(({ dtype }) => dtype)).toEqual([precision, precision]);
  });
});

describe("roundTo", () => {
  it("refuses numbers of either sign that the type cannot hold, and names them", () => {
    for (const sign of [1, -1]) {
      const largest = f32([2], Float32Array.of(0, sign * 65504));
      expect([...toFloat64(roundTo(largest, "f16", "w"))]).toEqual([0, sign * 65504]);
      expect(() => roundTo(f32([1], Float32Array.of(sign * 65520)), "f16", "w")).toThrow(
        `expected numbers that f16 can hold in "w", received ${sign * 65520}: choose a wider precision`,
      );
      const infinite = f32([1], Float32Array.of(sign * Number.POSITIVE_INFINITY));
      expect([...toFloat64(roundTo(infinite, "f16", "w"))]).toEqual([sign * Number.POSITIVE_INFINITY]);
    }
  });
});
