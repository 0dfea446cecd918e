import { describe, expect, it } from "vitest";
import { type DType, f32, type NamedArray } from "#repvgg/core/named-arrays.js";
import { buildPlan } from "#repvgg/engine/plan/plan.js";
import { float, int, ints, string } from "#repvgg/graph/attributes.js";
import { type GraphBuilder, int64 } from "#repvgg/graph/build.js";
import { extents, layoutsCoincide } from "#repvgg/lowering/step.js";
import { wholeRange } from "#repvgg/lowering/whole-numbers.js";
import { backendOf } from "../tensor/backends.js";
import { checkGraph, graphOf, randomArray } from "./compare.js";
import { type NodeCase, planOfCase } from "./node-case.js";

const backend = backendOf(2);
const check = checkGraph.bind(undefined, backend);

/** Each step's algorithm and shape of a net without convolutions. */
function stepsOf(shape: readonly number[], build: (b: GraphBuilder) => readonly string[]): [string, string][] {
  const noConvolution = (): never => {
    throw new Error("there is no convolution");
  };
  const plan = buildPlan(graphOf(shape, build), {
    ...{ inputShapes: { x: shape }, features: [], fuseBatchNorm: true },
    ...{ planConvolution: noConvolution, planTransposedConvolution: noConvolution, planByteConvolution: noConvolution },
  });
  return plan.steps.map(({ step }) => [step.algorithm, `${step.outputShape}`]);
}

describe("where channels lie", () => {
  /** GlobalMaxPool wants its channels last. */
  const joined = (axis: number) => (b: GraphBuilder) => [
    b.add("GlobalMaxPool", "y", [b.add("Concat", "joined", ["x", "x"], { axis: int(axis) })]),
  ];

  it("last where channels are joined, since what reads them wants them so; else as the parts have them", () => {
    const shape = [2, 3, 4, 5];
    for (const axis of [1, -3]) {
      const names = stepsOf(shape, joined(axis)).map(([algorithm]) => algorithm);
      expect(names.filter((name) => name === "nchw_to_nhwc")).toHaveLength(0);
      check(shape, joined(axis));
    }
    for (const [axis, size] of [
      [0, "4,3,4,5"],
      [2, "2,3,8,5"],
      [3, "2,3,4,10"],
    ] as const) {
      const steps = stepsOf(shape, joined(axis));
      expect(steps.filter(([algorithm, of]) => algorithm === "nchw_to_nhwc" && of === size)).toHaveLength(1);
      check(shape, joined(axis));
    }
  });

  it.each([
    [[2, 6, 6]],
    [[2, 6, 3, 2]],
    [[2, 6, 1, 6]],
    [[2, 6, 2, 3, 1]],
    [[2, 36]],
    [[1, 6, 2, 6]],
    [[4, 6, 3]],
    [[2, 3, 2, 6]],
    [[2, 12, 3]],
    [[6, 2, 2, 3]],
    [[72]],
    [[12, 6]],
    [[1, 2, 6, 6]],
  ])("a value of [2, 6, 2, 3] reshaped to %j is the same numbers in the graph's order", (target) => {
    check([2, 6, 2, 3], (b) => {
      const y = b.conv("c", "x", randomArray("c", [6, 6, 1, 1]));
      const shaped = b.add("Reshape", "shaped", [y, b.constant("target", int64(target))]);
      return [b.add("Sigmoid", "gate", [shaped]), b.add("Softmax", "last", [shaped], { axis: int(-1) })];
    });
  });

  it("columns that are written into wider rows have a kernel of their own; every second one has none", () => {
    const algorithms = (starts: number[], steps: number[]) =>
      stepsOf([3, 8], (b) => [
        b.add("Slice", "part", [
          "x",
          ...[starts, [8, 8], [0, 1], steps].map((list, i) => b.constant(`part${i}`, int64(list))),
        ]),
      ]).map(([algorithm]) => algorithm);
    expect(stepsOf([3, 8], (b) => [b.add("Concat", "y", ["x", "x"], { axis: int(1) })])).toEqual([
      ["copy_columns", "3,16"],
    ]);
    expect(algorithms([0, 0], [1, 2])).toEqual(["strided_copy"]);
    expect(algorithms([1, 0], [1, 1])).toEqual(["copy_columns"]);
  });

  it.each([[[3, 4]], [[2, 3, 4]], [[2, 2, 3, 4]]])("a Transpose of %j that states no order turns all axes", (shape) => {
    check(shape, (b) => {
      const turned = b.add("Transpose", "turned", [b.add("Sigmoid", "s", ["x"])]);
      const row = b.constant("row", randomArray("row", [shape[0]!, 5]));
      return [b.add("MatMul", "product", [turned, row]), b.add("Transpose", "back", [b.add("Tanh", "t", ["x"])])];
    });
  });

  it("a Transpose without an order goes into the product that reads it", () => {
    check([3, 4], (b) => {
      const [s, t] = [b.add("Sigmoid", "s", ["x"]), b.add("Tanh", "t", ["x"])];
      const [left, right] = [b.add("Transpose", "left", [s]), b.add("Transpose", "right", [t], { perm: ints([1, 0]) })];
      return [b.add("MatMul", "inner", [left, t]), b.add("MatMul", "outer", [s, right])];
    });
    const names = stepsOf([3, 4], (b) => {
      const turned = b.add("Transpose", "turned", [b.add("Sigmoid", "s", ["x"])]);
      return [b.add("MatMul", "product", [turned, "x"])];
    });
    expect(names.map(([algorithm]) => algorithm)).toEqual(["sigmoid", "matmul"]);
  });
});

it.each<[readonly number[], number, number, number, boolean]>([
  [[], 1, 1, 1, true],
  [[1], 1, 1, 1, true],
  [[7], 1, 1, 7, true],
  [[2, 3], 2, 1, 3, true],
  [[2, 3, 1, 1], 2, 1, 3, true],
  [[2, 1, 4, 5], 2, 20, 1, true],
  [[2, 3, 4], 2, 4, 3, false],
  [[2, 3, 4, 5], 2, 20, 3, false],
  [[2, 3, 2, 4, 5], 2, 40, 3, false],
])("%j are %i images of %i positions and %i channels", (shape, batch, positions, channels, coincide) => {
  expect(extents(shape)).toEqual({ batch, positions, channels });
  expect(layoutsCoincide(shape)).toBe(coincide);
});

describe("Resize", () => {
  const resized = (
    shape: readonly number[],
    scales: readonly number[],
    mode = "nearest",
    more: Partial<NodeCase> = {},
  ): NodeCase => ({
    op: "Resize",
    inputs: [randomArray(`${shape}`, shape), undefined, f32([scales.length], Float32Array.from(scales))],
    attributes: { mode: string(mode) },
    opset: 19,
    ...more,
  });
  const algorithms = (c: NodeCase): string[] =>
    planOfCase(c).steps.flatMap(({ step: { algorithm } }) => (algorithm.startsWith("n") ? [] : [algorithm]));

  it.each([
    [
      [2, 3, 4, 5],
      [1, 1, 2, 2],
    ],
    [
      [2, 3, 4, 5],
      [1, 1, 1, 3],
    ],
    [
      [2, 3, 4, 5],
      [1, 1, 0.5, 1],
    ],
  ])("of images %j by %j takes the nearest neighbour in one step, also of whole numbers", (shape, scales) => {
    expect(algorithms(resized(shape, scales))).toEqual(["resize_nearest"]);
    const whole = { ...resized(shape, scales), outputs: ["i32" as const] };
    const inputs = whole.inputs.with(0, { dtype: "i32", shape, data: new Int32Array(120) });
    expect(algorithms({ ...whole, inputs })).toEqual(["resize_nearest"]);
    expect(() => planOfCase({ ...whole, inputs, attributes: { mode: string("linear") } })).toThrow(
      'expected floating-point numbers in node "node" (Resize), received i32',
    );
  });

  it.each([
    ["batch", [2, 3, 4, 5], [2, 1, 1, 1], 1],
    ["channels, too", [2, 3, 4, 5], [1, 2, 2, 1], 2],
    ["signals", [2, 3, 4], [1, 1, 2], 1],
    ["volumes", [2, 3, 4, 5, 2], [1, 1, 2, 2, 2], 3],
  ])("of %s goes axis by axis", (_, shape, scales, axes) => {
    expect(algorithms(resized(shape, scales))).toEqual(new Array(axes).fill("resample_axis"));
  });

  it("by more than one neighbour, and beyond the image, goes axis by axis", () => {
    const [shape, scales] = [
      [2, 3, 4, 5],
      [1, 1, 2, 2],
    ];
    for (const mode of ["linear", "cubic"]) {
      expect(algorithms(resized(shape, scales, mode))).toEqual(["resample_axis", "resample_axis"]);
    }
    const region = f32([8], Float32Array.of(0, 0, 0, 0, 1, 1, 1.5, 1));
    const cropped = resized(shape, scales);
    const attributes = { coordinate_transformation_mode: string("tf_crop_and_resize"), extrapolation_value: float(7) };
    const c = { ...cropped, inputs: cropped.inputs.with(1, region), attributes };
    expect(algorithms(c)).toEqual(["resample_axis", "resample_axis"]);
    const inside = f32([8], Float32Array.of(0, 0, 0, 0, 1, 1, 0.5, 1));
    expect(algorithms({ ...c, inputs: cropped.inputs.with(1, inside) })).toEqual(["resize_nearest"]);
  });
});

it("results have as many elements as 32 bits count, and no more", () => {
  const grown = (...sizes: number[]): NodeCase => ({
    op: "Expand",
    inputs: [
      f32(
        sizes.map(() => 1),
        Float32Array.of(1),
      ),
      int64(sizes),
    ],
  });
  for (const sizes of [[2 ** 31 - 1], [1, 1, 2 ** 31 - 1]])
    expect(planOfCase(grown(...sizes)).outputs[0]!.words).toBe(2 ** 31 - 1);
  for (const sizes of [[2 ** 31], [2 ** 16, 2 ** 15], [2, 2 ** 30 + 1]]) {
    expect(() => planOfCase(grown(...sizes))).toThrow(
      `expected results of at most 2147483647 elements in node "node" (Expand), received "o0" of shape [${sizes}]`,
    );
  }
});

describe("whole numbers", () => {
  const most = 2 ** 24 - 1;
  const ranges: Readonly<Partial<Record<DType, readonly [number, number]>>> = {
    ...{ bool: [0, 1], u8: [0, 255], i8: [-128, 127], u16: [0, 65_535], i16: [-32_768, 32_767] },
    ...{ i32: [-most, most], i64: [-most, most], u32: [0, most], u64: [0, most] },
  };

  it("of each type are those that it and float32 hold", () => {
    for (const [dtype, [low, high]] of Object.entries(ranges)) {
      expect(wholeRange(dtype as DType), dtype).toEqual({ low, high });
    }
  });

  it("of one type are looked at where they become another one that has fewer", () => {
    const codes = { u8: 2, i8: 3, u16: 4, i16: 5, i32: 6, i64: 7, bool: 9, u32: 12, u64: 13 };
    for (const [to, code] of Object.entries(codes)) {
      const [low, high] = ranges[to as DType]!;
      for (const from of [...Object.keys(codes), "f32", "f64"]) {
        const input = { dtype: from, shape: [2], data: [1, 0] } as unknown as NamedArray;
        const c: NodeCase = { op: "Cast", inputs: [input], attributes: { to: int(code) }, outputs: [to as DType] };
        const [least, largest] = ranges[from as DType] ?? [Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY];
        const fewer = (low > -most || high < most) && (least < low || largest > high);
        expect(planOfCase(c).status.words, `${from} to ${to}`).toBe(fewer && to !== "bool" ? 1 : 0);
      }
    }
  });
});
