import { describe, expect, it } from "vitest";
import { f32 } from "#repvgg/core/named-arrays.js";
import { inputShapes } from "#repvgg/exchange/net-inputs.js";
import { fittingNodes } from "#repvgg/graph/analyze/analyze.js";
import { axisKey, consistentSizes } from "#repvgg/graph/analyze/consistent-size.js";
import { int64, valueInfo } from "#repvgg/graph/build.js";
import { fromOnnx } from "#repvgg/graph/from-onnx.js";
import type { Dimension, Graph } from "#repvgg/graph/graph.js";
import { toOnnx } from "#repvgg/graph/to-onnx.js";
import { normal, RandomNet } from "./support.js";

/** The shapes that are made up for a net of these inputs. */
function madeUp(inputs: Record<string, readonly Dimension[]>, build: (net: RandomNet) => void, batch = 1) {
  const net = new RandomNet(1);
  build(net);
  const graph: Graph = {
    ...net.finish([1], "y"),
    inputs: Object.entries(inputs).map(([name, shape]) => valueInfo(name, shape)),
  };
  const shapes = inputShapes({ graph, source: { format: "onnx", notes: [] } }, batch);
  const at = graph.inputs.map((input) => ({ ...input, shape: shapes[input.name]! }));
  return { shapes, fits: fittingNodes({ ...graph, inputs: at }) === graph.nodes.length };
}

const image = { x: ["n", 3, "h", "w"] };

describe("sizes that are made up", () => {
  it("are 64, and the batch that is asked for", () => {
    expect(madeUp(image, (net) => net.randomConv("y", "x", 3, 4, 3), 5)).toEqual({
      shapes: { x: [5, 3, 64, 64] },
      fits: true,
    });
  });

  it("are what a constant demands along one axis, or along both", () => {
    const scaled = (...shapes: number[][]) =>
      madeUp(image, (net) => {
        const last = shapes.reduce(
          (x, shape, i) => net.add("Mul", `m${i}`, [x, net.constant(`c${i}`, normal(net.rng, shape))]),
          "x",
        );
        net.add("Relu", "y", [last]);
      });
    expect(scaled([7])).toEqual({ shapes: { x: [1, 3, 7, 7] }, fits: true });
    expect(scaled([7], [11, 1])).toEqual({ shapes: { x: [1, 3, 11, 7] }, fits: true });
    expect(scaled([5, 1], [3, 1, 40])).toEqual({ shapes: { x: [1, 3, 5, 40] }, fits: true });
    expect(scaled([1, 1, 1, 9], [13, 1])).toEqual({ shapes: { x: [1, 3, 13, 9] }, fits: true });
  });

  it("are those of a fully connected layer over a wide picture", () => {
    const { shapes, fits } = madeUp(image, (net) => {
      net.add("Reshape", "rows", ["x", net.constant("to", int64([-1, 3, 6, 20]))]);
      net.add("MatMul", "y", ["rows", net.constant("w", normal(net.rng, [20, 4]))]);
    });
    expect(fits).toBe(true);
    expect((shapes["x"]![2]! * shapes["x"]![3]!) % 120).toBe(0);
  });

  it("are those at which inputs of several scales meet", () => {
    const { shapes, fits } = madeUp({ fine: ["n", 3, "hf", "wf"], coarse: ["n", 3, "hc", "wc"] }, (net) => {
      net.add("Resize", "up", ["coarse", "", net.constant("scales", f32([4], Float32Array.of(1, 1, 2, 2)))], {});
      net.add("Add", "y", ["fine", "up"]);
    });
    expect(fits).toBe(true);
    expect(shapes["fine"]).toEqual(shapes["coarse"]!.map((size, axis) => (axis < 2 ? size : 2 * size)));
  });

  it("are one for axes of one name", () => {
    const { shapes } = madeUp({ a: ["n", 3, "h", "w"], b: ["n", 3, "h", "w"] }, (net) => {
      net.add("Mul", "m", ["a", net.constant("c", normal(net.rng, [9, 1]))]);
      net.add("Add", "y", ["m", "b"]);
    });
    expect(shapes["b"]).toEqual(shapes["a"]);
    expect(shapes["a"]![2]).toBe(9);
  });

  it("of a sequence are its length; the batch is another only where the graph demands it", () => {
    const speech = madeUp({ x: ["n", "frames", 8] }, (net) => {
      net.add("MatMul", "y", ["x", net.constant("w", normal(net.rng, [8, 4]))]);
    });
    expect(speech).toEqual({ shapes: { x: [1, 64, 8] }, fits: true });
    const traced = madeUp({ x: ["n", 4, 6, 6] }, (net) => {
      net.add("Reshape", "y", ["x", net.constant("to", int64([2, 144]))]);
    });
    expect(traced).toEqual({ shapes: { x: [2, 4, 6, 6] }, fits: true });
  });

  it("are none where none fit", () => {
    const net = new RandomNet(1);
    net.add("Reshape", "y", ["x", net.constant("to", int64([10007, 10009]))]);
    expect(consistentSizes(net.finish(["n", 3, "h", "w"], "y"))).toBeUndefined();
  });

  it("are one pixel only where no more fit", () => {
    const { shapes, fits } = madeUp(image, (net) => {
      net.add("Flatten", "flat", ["x"]);
      net.add("Gemm", "y", ["flat", net.constant("w", normal(net.rng, [3, 4]))]);
    });
    expect({ shapes, fits }).toEqual({ shapes: { x: [1, 3, 1, 1] }, fits: true });
  });

  it("sizes that a file calls '?' are not one size", () => {
    const net = new RandomNet(1);
    net.add("Relu", "y", ["x"]);
    const [input] = fromOnnx(toOnnx(net.finish(["?", 3, "?", "w"], "y"))).graph.inputs;
    expect(new Set(input!.shape).size).toBe(4);
    expect(input!.shape!.slice(1)).toEqual([3, expect.stringMatching(/^x:2$/), "w"]);
  });

  it("an axis is known by its name, or by its input and place", () => {
    expect(axisKey(valueInfo("a", ["n", 3, "h", "w"]), 2)).toBe(axisKey(valueInfo("b", ["n", 3, "w", "h"]), 3));
    expect(axisKey(valueInfo("a", ["n", 3, "", ""]), 2)).not.toBe(axisKey(valueInfo("a", ["n", 3, "", ""]), 3));
    expect(axisKey(valueInfo("a", ["n", 3, "", ""]), 2)).not.toBe(axisKey(valueInfo("b", ["n", 3, "", ""]), 2));
  });
});
