import { describe, expect, it } from "vitest";
import { convolutionMap, isRefusal, weightOf } from "#repvgg/conv-algebra/linear-map.js";
import { pixelMap } from "#repvgg/conv-algebra/pixels.js";
import { type NamedArray, toFloat64 } from "#repvgg/core/named-arrays.js";
import { Rng } from "#repvgg/core/rng.js";
import { int, ints } from "#repvgg/graph/attributes.js";
import { GraphBuilder, int64, valueInfo } from "#repvgg/graph/build.js";
import { evaluate } from "#repvgg/graph/evaluate/evaluate.js";
import type { Dimension, Graph } from "#repvgg/graph/graph.js";
import { foldAndCompare, normal, uniform } from "./support.js";

const rng = new Rng(23);

const norm = (b: GraphBuilder, output: string, input: string, channels: number): string =>
  b.batchNorm(output, input, {
    weight: uniform(rng, [channels], 0.5, 1.5),
    bias: normal(rng, [channels]),
    mean: normal(rng, [channels]),
    variance: uniform(rng, [channels], 0.5, 2),
  });

const reshape = (b: GraphBuilder, output: string, input: string, sizes: readonly number[]): string =>
  b.add("Reshape", output, [input, b.constant(`${output}.sizes`, int64(sizes))]);

interface Layer {
  readonly groups?: number;
  /** How the layer over all pixels is written. */
  readonly as?: "Conv" | "Gemm" | "Flatten";
  readonly stride?: number;
  /** Shape of the input, before it is made into windows. */
  readonly shape?: readonly Dimension[];
}

/** A layer over the 2 × 4 × 4 pixels of a window behind BatchNorm, beside convolutions of the window: RepMLP's (arXiv:2112.11081, §3.3). */
function injected({ groups = 2, as = "Conv", stride = 1, shape = [2, 3, 2, 4, 4] }: Layer): Graph {
  const [channels, side, out] = [2, 4, stride === 2 ? 2 : 4];
  const b = new GraphBuilder();
  const image = shape.length === 4 ? "x" : reshape(b, "image", "x", [-1, channels, side, side]);
  const [pixels, results] = [channels * side * side, channels * out * out];
  let full: string;
  if (as === "Conv") {
    const weight = normal(rng, [results, pixels / groups, 1, 1], 0.2);
    full = b.conv("full", reshape(b, "pixels", "x", [-1, pixels, 1, 1]), weight, { groups });
  } else {
    const flat = as === "Flatten" ? b.add("Flatten", "pixels", ["x"]) : reshape(b, "pixels", "x", [-1, pixels]);
    const weight = b.constant("w", normal(rng, [results, pixels], 0.2));
    full = b.add("Gemm", "full", [flat, weight, b.constant("c", normal(rng, [results]))], { transB: int(1) });
  }
  const first = norm(b, "first", reshape(b, "again", full, [-1, channels, out, out]), channels);
  const dense = b.conv("dense", image, normal(rng, [2, channels / groups, 3, 3]), { groups, padding: 1, stride });
  const second = b.add("Add", "second", [first, norm(b, "beside", dense, channels)]);
  const point = b.conv("point", image, normal(rng, [2, channels / groups, 1, 1]), { groups, stride });
  b.add("Relu", "y", [b.add("Sub", "third", [second, norm(b, "pointed", point, channels)])]);
  return b.graph("injected", [valueInfo("x", shape)], [valueInfo("y", ["n", channels, out, out])]);
}

describe("a layer over pixels beside convolutions", () => {
  it.each<[string, Layer, readonly number[], Record<string, number>]>([
    ["of a window", {}, [2, 3, 2, 4, 4], { Conv: 1, Relu: 1, Reshape: 2 }],
    ["of an open batch", { shape: ["batch", 3, 2, 4, 4] }, [2, 3, 2, 4, 4], { Conv: 1, Relu: 1, Reshape: 2 }],
    ["without groups", { groups: 1 }, [2, 3, 2, 4, 4], { Gemm: 1, Relu: 1, Reshape: 2 }],
    ["that stride", { stride: 2 }, [2, 3, 2, 4, 4], { Conv: 1, Relu: 1, Reshape: 2 }],
    ["written as a linear layer", { as: "Gemm" }, [2, 3, 2, 4, 4], { Gemm: 1, Relu: 1, Reshape: 2 }],
    ["of the image itself", { as: "Flatten", shape: [3, 2, 4, 4] }, [3, 2, 4, 4], { Gemm: 1, Relu: 1, Reshape: 2 }],
  ])("%s becomes one layer", (_, layer, shape, counts) => {
    const pair = foldAndCompare(injected(layer), shape);
    expect(pair.counts).toEqual(counts);
    expect(pair.exactError).toBeLessThan(1e-12);
  });

  it("stays where a convolution reads another value", () => {
    const graph = injected({});
    const nodes = graph.nodes.map((node) =>
      node.name === "image" ? { ...node, inputs: ["other", node.inputs[1]!] } : node,
    );
    const b = new GraphBuilder();
    b.add("Sigmoid", "other", ["x"]);
    const pair = foldAndCompare({ ...graph, nodes: [...b.nodes, ...nodes] }, [2, 3, 2, 4, 4]);
    expect(pair.counts.Conv).toBe(2);
    expect(pair.exactError).toBeLessThan(1e-12);
  });

  it("stays where the pixels are in another order", () => {
    const graph = injected({});
    const b = new GraphBuilder();
    b.add("Transpose", "turned", ["x"], { perm: ints([0, 1, 2, 4, 3]) });
    const nodes = graph.nodes.map((node) =>
      node.name === "pixels" ? { ...node, inputs: ["turned", node.inputs[1]!] } : node,
    );
    const pair = foldAndCompare({ ...graph, nodes: [...b.nodes, ...nodes] }, [2, 3, 2, 4, 4]);
    expect(pair.counts.Conv).toBe(2);
    expect(pair.exactError).toBeLessThan(1e-12);
  });

  it("stays where its results are parted into more images than it read", () => {
    const b = new GraphBuilder();
    const full = b.conv("full", reshape(b, "pixels", "x", [-1, 32, 1, 1]), normal(rng, [32, 32, 1, 1], 0.2));
    const parted = norm(b, "n", reshape(b, "again", full, [-1, 1, 4, 4]), 1);
    b.add("Relu", "y", [parted]);
    const graph = b.graph("parted", [valueInfo("x", [2, 3, 2, 4, 4])], [valueInfo("y", ["n", 1, 4, 4])]);
    const pair = foldAndCompare(graph, [2, 3, 2, 4, 4]);
    expect(pair.counts).toEqual({ Conv: 1, BatchNormalization: 1, Relu: 1, Reshape: 2 });
    expect(pair.exactError).toBeLessThan(1e-12);
  });

  it("convolutions alone become no matrix of pixels, which costs more", () => {
    const b = new GraphBuilder();
    const image = reshape(b, "image", "x", [-1, 2, 4, 4]);
    const dense = norm(b, "n", b.conv("dense", image, normal(rng, [2, 2, 3, 3]), { padding: 1 }), 2);
    b.add("Add", "y", [dense, b.conv("point", image, normal(rng, [2, 2, 1, 1]))]);
    const graph = b.graph("alone", [valueInfo("x", [2, 3, 2, 4, 4])], [valueInfo("y", [6, 2, 4, 4])]);
    expect(foldAndCompare(graph, [2, 3, 2, 4, 4]).counts).toEqual({ Conv: 1, Reshape: 1 });
  });
});

describe("BatchNorm behind a linear layer over tokens", () => {
  function tokens(back: readonly number[] | undefined, how: "Flatten" | "Reshape" = "Flatten"): Graph {
    const b = new GraphBuilder();
    const product = b.add("MatMul", "product", ["x", b.constant("w", normal(rng, [4, 6]))]);
    const rows =
      how === "Flatten" ? b.add("Flatten", "rows", [product], { axis: int(2) }) : reshape(b, "rows", product, [-1, 6]);
    const normed = norm(b, "normed", rows, 6);
    if (back) reshape(b, "y", normed, back);
    const shape = back ?? [10, 6];
    return b.graph("tokens", [valueInfo("x", [2, 5, 4])], [valueInfo(back ? "y" : "normed", shape)]);
  }

  it.each<[string, Graph, Record<string, number>]>([
    ["in their own shape", tokens([2, 5, 6]), { MatMul: 1, Add: 1 }],
    ["by Reshape", tokens([2, 5, 6], "Reshape"), { MatMul: 1, Add: 1 }],
    ["in another shape", tokens([5, 2, 6]), { MatMul: 1, Add: 1, Reshape: 1 }],
  ])("goes into it %s", (_, graph, counts) => {
    const pair = foldAndCompare(graph, [2, 5, 4]);
    expect(pair.counts).toEqual(counts);
    expect(pair.exactError).toBeLessThan(1e-12);
  });

  it("stays where that saves no node, or features are mixed", () => {
    for (const graph of [tokens(undefined), tokens([2, 6, 5])]) {
      expect(foldAndCompare(graph, [2, 5, 4]).exactError).toBeLessThan(1e-12);
    }
  });
});

describe("pixelMap", () => {
  const window = { kernelSize: [3, 2], stride: [2, 1], pads: [1, 0, 2, 1], dilation: [1, 2], groups: 2 };
  const made = (weight: NamedArray, more: object = {}) =>
    convolutionMap(toFloat64(weight), [1, 2, 3, 4], { outChannels: 4, inChannels: 6, ...window, ...more });

  it("is the convolution, number by number", () => {
    const weight = normal(rng, [4, 3, 3, 2]);
    const pixels = pixelMap(made(weight), [6, 5, 4]);
    if (isRefusal(pixels)) throw new Error(pixels.refused);
    const { map, image } = pixels;
    const b = new GraphBuilder();
    b.constant("bias", { dtype: "f64", shape: [4], data: Float64Array.of(1, 2, 3, 4) });
    b.add("Conv", "y", ["x", b.constant("w", weight), "bias"], {
      ...{ kernel_shape: ints(window.kernelSize), strides: ints(window.stride), pads: ints(window.pads) },
      ...{ dilations: ints(window.dilation), group: int(2) },
    });
    const x = normal(rng, [1, 6, 5, 4]);
    const graph = b.graph("conv", [valueInfo("x", [1, 6, 5, 4])], [valueInfo("y", [1, 4, 3, 3])]);
    const y = evaluate(graph, new Map([["x", x]])).get("y")!;
    expect([1, ...image]).toEqual([...y.shape]);
    const [matrix, values, half] = [weightOf(map), toFloat64(x), 60];
    y.data.forEach((expected, row) => {
      const first = row < y.data.length / 2 ? 0 : half;
      let sum = map.bias[row]!;
      for (let i = 0; i < half; i++) sum += matrix[row * half + i]! * values[first + i]!;
      expect(sum).toBeCloseTo(expected, 10);
    });
  });

  it.each<[string, Parameters<typeof pixelMap>[1], object, RegExp]>([
    ["another number of channels", [4, 5, 4], {}, /does not fit \[4, 5, 4\]/],
    ["another number of axes", [6, 5], {}, /2 axes/],
    ["an image smaller than the window", [6, 5, 1], { pads: [0, 0, 0, 0] }, /larger than the image/],
    ["a transposed convolution", [6, 5, 4], { upsampling: [2, 2] }, /transposed/],
    ["an image of too many pixels", [6, 200, 200], {}, /weights/],
  ])("refuses %s", (_, image, more, reason) => {
    const result = pixelMap(made(normal(rng, [4, 3, 3, 2]), more), image);
    expect(isRefusal(result) ? result.refused : "").toMatch(reason);
  });
});
