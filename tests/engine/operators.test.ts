import { describe, expect, it } from "vitest";
import { f32 } from "#repvgg/core/named-arrays.js";
import { createSession } from "#repvgg/engine/session.js";
import { float, int, ints, string } from "#repvgg/graph/attributes.js";
import { type GraphBuilder, int64 } from "#repvgg/graph/build.js";
import type { AttributeValue } from "#repvgg/graph/graph.js";
import { backendOf } from "../tensor/backends.js";
import { checkGraph, graphOf, randomArray, smallShapes } from "./compare.js";

const backend = backendOf(2);
const check = checkGraph.bind(undefined, backend);

const algorithms = (shape: readonly number[], build: (b: GraphBuilder) => readonly string[]): string[] => {
  const session = createSession(graphOf(shape, build), { backend, shape });
  const names = session.plan().steps.map(({ algorithm }) => algorithm);
  session.dispose();
  return names;
};

const scalar = (b: GraphBuilder, name: string, value: number) => b.constant(name, f32([], Float32Array.of(value)));

describe.each(smallShapes)("on [%i, %i, %i, %i]", (...shape) => {
  const channels = shape[1]!;
  const conv = (b: GraphBuilder) => b.conv("c", "x", randomArray("c", [channels, channels, 1, 1]));

  it("activations", () => {
    check(shape, (b) => {
      const y = conv(b);
      return [
        b.add("Clip", "relu6", [y, scalar(b, "zero", 0), scalar(b, "six", 6)]),
        b.add("Clip", "low", [y, scalar(b, "half", -0.5)]),
        b.add("Clip", "old", ["x"], { min: float(-1), max: float(0.5) }, 6),
        b.add("LeakyRelu", "leaky", [y], { alpha: float(0.1) }),
        b.add("HardSigmoid", "gate", ["x"], { alpha: float(0.25), beta: float(0.5) }),
        b.add("HardSwish", "swish", ["x"]),
        b.add("PRelu", "prelu", [y, b.constant("slope", randomArray("slope", [channels, 1, 1]))]),
      ];
    });
  });

  it("values times their own gate, in either order, also where the gate is read elsewhere", () => {
    check(shape, (b) => {
      const gate = (name: string, value: string) => b.add("Sigmoid", name, [value]);
      const y = conv(b);
      const silu = b.add("Mul", "silu", [y, gate("g1", y)]);
      b.add("HardSigmoid", "h", ["x"], { alpha: float(1 / 6) });
      return [
        b.add("Mul", "other", [gate("g2", silu), silu]),
        b.add("Mul", "hard", ["x", "h"]),
        b.add("Mul", "kept", ["x", gate("g3", "x")]),
        "g3",
      ];
    });
  });

  it("arithmetic of values of different shapes, computed and constant", () => {
    check(shape, (b) => {
      const y = conv(b);
      const pool = b.add("GlobalAveragePool", "pool", ["x"]);
      const positive = b.add("Sigmoid", "positive", [y]);
      b.constant("row", randomArray("row", [shape[3]!]));
      b.constant("plane", randomArray("plane", [1, 1, shape[2]!, shape[3]!]));
      b.constant("all", randomArray("all", [channels, shape[2]!, shape[3]!]));
      const batch = b.add("ReduceMean", "mean", ["x"], { axes: ints([2, 3]), keepdims: int(1) });
      return [
        b.add("Add", "pooled", [y, pool]),
        b.add("Sub", "from", [pool, "x"]),
        b.add("Mul", "rows", ["row", y]),
        b.add("Add", "planes", [y, "plane"]),
        b.add("Mul", "whole", ["x", "all"]),
        b.add("Div", "divided", [y, positive]),
        b.add("Div", "by", ["x", b.add("Sigmoid", "p2", [batch])]),
        b.add("Div", "one", [scalar(b, "unit", 1), positive]),
        b.add("Max", "larger", [y, "x"]),
        b.add("Min", "smaller", [y, scalar(b, "limit", 0.25)]),
      ];
    });
  });

  it("pads and crops along any axis", () => {
    check(shape, (b) => {
      b.constant("pads", int64([0, 1, 2, 0, 1, 0, 1, 3]));
      b.constant("crop", int64([0, 0, 0, -1, 0, 2, 0, 1]));
      return [
        b.add("Pad", "padded", [conv(b), "pads", scalar(b, "value", 0.5)]),
        b.add("Pad", "zeros", ["x", "pads"]),
        b.add("Pad", "cropped", [b.add("Pad", "wide", ["x", "pads"]), "crop"]),
        b.add("Pad", "old", ["x"], { pads: ints([0, 0, 1, 1, 0, 0, 1, 1]), value: float(-1) }, 9),
      ];
    });
  });

  it("resizes by the nearest neighbour, however it is counted", () => {
    check(shape, (b) => {
      b.constant("twice", f32([4], Float32Array.of(1, 1, 2, 2)));
      b.constant("odd", f32([4], Float32Array.of(1, 1, 1.6, 2.4)));
      b.constant("sizes", int64([shape[0]!, channels, 9, 2]));
      const modes = { coordinate_transformation_mode: string("asymmetric"), nearest_mode: string("floor") };
      return [
        b.add("Resize", "doubled", [conv(b), "", "twice"], modes),
        b.add("Resize", "centred", ["x", "", "odd"], { nearest_mode: string("round_prefer_ceil") }),
        b.add("Resize", "sized", ["x", "", "", "sizes"], { coordinate_transformation_mode: string("align_corners") }),
        b.add("Upsample", "upsampled", ["x", "twice"]),
      ];
    });
  });

  it("concatenates along every axis", () => {
    check(shape, (b) => {
      const y = conv(b);
      return [0, 1, 2, 3, -1].map((axis) => b.add("Concat", `joined${axis}`, [y, "x", y], { axis: int(axis) }));
    });
  });
});

describe("pools", () => {
  const window = (kernel: number, stride: number, pad: number, more = {}) => ({
    kernel_shape: ints([kernel, kernel]),
    strides: ints([stride, stride]),
    pads: ints([pad, pad, pad, pad]),
    ...more,
  });

  it.each([
    [1, 3, 11, 8],
    [2, 16, 7, 7],
    [3, 1, 8, 9],
  ])("of images [%i, %i, %i, %i] with any window", (...shape) => {
    check(shape, (b) => [
      b.add("MaxPool", "stem", ["x"], window(3, 2, 1)),
      b.add("MaxPool", "spp", ["x"], window(5, 1, 2)),
      b.add("MaxPool", "dilated", ["x"], window(2, 1, 0, { dilations: ints([2, 3]) })),
      b.add("MaxPool", "ceil", ["x"], window(3, 2, 0, { ceil_mode: int(1) })),
      b.add("MaxPool", "same", ["x"], { kernel_shape: ints([2, 3]), auto_pad: string("SAME_UPPER") }),
      b.add("AveragePool", "plain", ["x"], window(2, 2, 0)),
      b.add("AveragePool", "inside", ["x"], window(3, 2, 1)),
      b.add("AveragePool", "counted", ["x"], window(3, 2, 1, { count_include_pad: int(1) })),
      b.add("AveragePool", "both", ["x"], window(3, 2, 1, { count_include_pad: int(1), ceil_mode: int(1) })),
      b.add("GlobalMaxPool", "most", ["x"]),
    ]);
  });
});

describe("steps", () => {
  it("of SiLU and HardSwish are one each", () => {
    const silu = (b: GraphBuilder) => [b.add("Mul", "y", ["x", b.add("Sigmoid", "g", ["x"])])];
    const hard = (b: GraphBuilder) => [b.add("Mul", "y", [b.add("HardSigmoid", "g", ["x"]), "x"])];
    expect(algorithms([1, 1, 4, 4], silu)).toEqual(["swish"]);
    expect(algorithms([1, 1, 4, 4], hard)).toEqual(["hard_sigmoid"]);
  });

  it("of a gate that is multiplied keep the gate's own attributes", () => {
    check([1, 2, 3, 3], (b) => {
      const gated = (name: string, attributes: Record<string, AttributeValue>) => {
        return b.add("Mul", name, ["x", b.add("HardSigmoid", `${name} gate`, ["x"], attributes)]);
      };
      return [
        gated("plain", {}),
        gated("steep", { alpha: float(2.9) }),
        gated("falling", { alpha: float(-2) }),
        gated("high", { alpha: float(1 / 6), beta: float(0.9) }),
        // What stands at the product is not the gate's.
        b.add("Mul", "swish", ["x", b.add("Sigmoid", "swish gate", ["x"])], { alpha: float(3) }),
        b.add("Mul", "hard", ["x", b.add("HardSigmoid", "hard gate", ["x"])], { alpha: float(3), beta: float(0) }),
      ];
    });
  });

  it("of a concatenation along channels leave values where convolutions want them", () => {
    const names = algorithms([1, 4, 4, 4], (b) => {
      const part = (name: string) => b.conv(name, "x", randomArray(name, [4, 4, 1, 1]));
      const joined = b.add("Concat", "joined", [part("p"), part("q")], { axis: int(1) });
      return [b.add("GlobalAveragePool", "y", [b.conv("r", joined, randomArray("r", [4, 8, 1, 1]))])];
    });
    expect(names.filter((name) => name.includes("nchw"))).toEqual(["nchw_to_nhwc"]);
  });
});
