import { describe, expect, it } from "vitest";
import { ShapeError } from "#repvgg/core/errors.js";
import { int } from "#repvgg/graph/attributes.js";
import { node } from "#repvgg/graph/build.js";
import { tensor64 } from "#repvgg/graph/evaluate/tensor64.js";
import type { AttributeValue } from "#repvgg/graph/graph.js";
import { inferNode } from "#repvgg/graph/operator/infer.js";
import type { NodeContext } from "#repvgg/graph/operator/operator.js";
import { roll } from "./worked-examples/operator.js";

const called = (shape: readonly number[], attributes: Record<string, AttributeValue>): NodeContext => ({
  node: node("Roll", "here", ["x"], ["y"], attributes, 18),
  version: 18,
  shape: () => shape,
  dtype: () => "f32",
  contents: () => undefined,
});

describe("CONTRIBUTING's operator", () => {
  it("infers shape and type", () => {
    expect(inferNode(roll, called([2, 3], {}))).toEqual({ shapes: [[2, 3]], dtypes: ["f32"] });
  });

  it("computes what it says, along any axis", () => {
    const x = tensor64([2, 3], Float64Array.of(0, 1, 2, 3, 4, 5), "f32");
    const run = (attributes: Record<string, AttributeValue>) => {
      const call = { ...called([2, 3], attributes), inputs: [x], outputShapes: [[2, 3]] };
      return [...roll.evaluate!(call)[0]!.data];
    };
    expect(run({})).toEqual([2, 0, 1, 5, 3, 4]);
    expect(run({ axis: int(0), shift: int(3) })).toEqual([3, 4, 5, 0, 1, 2]);
    expect(run({ axis: int(1), shift: int(0) })).toEqual([0, 1, 2, 3, 4, 5]);
  });

  it("refuses by name", () => {
    expect(() => inferNode(roll, called([2, 3], { axis: int(2) }))).toThrow(ShapeError);
    expect(() => inferNode(roll, called([2, 3], { shift: int(-1) }))).toThrow(
      'expected a shift from 0 in Roll "here", received -1',
    );
  });
});
