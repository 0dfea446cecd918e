import { describe, expect, it } from "vitest";
import type { NamedArray } from "#repvgg/core/named-arrays.js";
import { Rng } from "#repvgg/core/rng.js";
import { int, ints, string } from "#repvgg/graph/attributes.js";
import { normal } from "../graph/support.js";
import { engineBackends, expectCase, type NodeCase, runCase } from "./node-case.js";

const rng = new Rng(13);
const x = (...shape: number[]): NamedArray => normal(rng, shape);

/** Windows over one, two and three axes. */
const windows = [
  { what: "signals", shape: [2, 3, 17], window: { kernel_shape: ints([3]), strides: ints([2]), pads: ints([1, 0]) } },
  { what: "a long signal", shape: [1, 20, 4], window: { kernel_shape: ints([4]) } },
  {
    what: "images",
    shape: [2, 5, 9, 8],
    window: { kernel_shape: ints([3, 2]), strides: ints([2, 1]), pads: ints([1, 0, 1, 1]) },
  },
  {
    what: "images in ceil mode",
    shape: [1, 17, 8, 7],
    window: { kernel_shape: ints([3, 3]), strides: ints([2, 2]), ceil_mode: int(1) },
  },
  {
    what: "images, SAME_UPPER",
    shape: [1, 3, 7, 6],
    window: { kernel_shape: ints([2, 3]), strides: ints([2, 1]), auto_pad: string("SAME_UPPER") },
  },
  {
    what: "volumes",
    shape: [2, 3, 5, 6, 7],
    window: { kernel_shape: ints([2, 3, 3]), strides: ints([1, 2, 1]), pads: ints([1, 1, 0, 0, 1, 2]) },
  },
  {
    what: "volumes in ceil mode",
    shape: [1, 2, 4, 6, 5],
    window: { kernel_shape: ints([3, 3, 3]), strides: ints([2, 2, 2]), ceil_mode: int(1) },
  },
] as const;

const pools = windows.flatMap(({ what, shape, window }): NodeCase[] => {
  const inputs = [x(...shape)];
  const ceil = "ceil_mode" in window;
  return [
    { op: "MaxPool", what, inputs, attributes: window },
    { op: "AveragePool", what, inputs, attributes: window },
    { op: "AveragePool", what: `${what}, counting pads`, inputs, attributes: { ...window, count_include_pad: int(1) } },
    ...[1, 2, 3].map(
      (p): NodeCase => ({
        op: "LpPool",
        what: `${what}, p ${p}`,
        inputs,
        attributes: { ...window, p: int(p) },
        opset: 18,
        tolerance: 2e-5,
        withoutOnnxRuntime: ceil && shape.length === 5, // which it does not have
      }),
    ),
  ];
});

const dilated: readonly NodeCase[] = [
  {
    op: "MaxPool",
    what: "dilated volumes",
    inputs: [x(1, 2, 6, 7, 8)],
    attributes: { kernel_shape: ints([2, 2, 3]), dilations: ints([2, 1, 3]) },
  },
  {
    op: "AveragePool",
    what: "dilated",
    inputs: [x(1, 2, 8, 9)],
    attributes: { kernel_shape: ints([2, 3]), dilations: ints([3, 2]) },
    opset: 19,
  },
];

const global = [
  [2, 3, 9],
  [1, 17, 5, 7],
  [2, 4, 3, 4, 5],
  [3, 1, 6, 6],
].flatMap((shape): NodeCase[] => [
  ...["GlobalAveragePool", "GlobalMaxPool"].map((op) => ({ op, what: `[${shape}]`, inputs: [x(...shape)] })),
  ...[1, 2, 5].map((p) => ({
    op: "GlobalLpPool",
    what: `[${shape}], p ${p}`,
    inputs: [x(...shape)],
    attributes: { p: int(p) },
    tolerance: 2e-5,
  })),
]);

const places = windows
  .filter(({ shape }) => shape.length < 5)
  .flatMap(({ what, shape, window }) =>
    [0, 1].map((order): NodeCase => {
      // Whole numbers, many of them equal: the first one counts.
      const whole = x(...shape);
      return {
        op: "MaxPool",
        what: `places in ${what}, storage order ${order}`,
        inputs: [{ ...whole, data: (whole.data as Float32Array).map((v) => Math.round(2 * v)) } as NamedArray],
        attributes: { ...window, storage_order: int(order) },
        outputs: ["f32", "i64"],
        tolerance: 1e-7,
        withoutOnnxRuntime: shape.length === 3 && order === 1,
      };
    }),
  );

describe.each(engineBackends)("pools on $name", ({ backend }) => {
  it.each([...pools, ...dilated, ...global, ...places])("$op $what", (c) => expectCase(backend, c));

  it("refuses places in volumes, and norms that are none", () => {
    const attributes = { kernel_shape: ints([2, 2, 2]) };
    const volume: NodeCase = { op: "MaxPool", inputs: [x(1, 1, 3, 3, 3)], attributes, outputs: ["f32", "i64"] };
    expect(() => runCase(backend, volume)).toThrow(/Indices of one or two axes in MaxPool "node"/);
    const norm = { kernel_shape: ints([2, 2]), p: int(0) };
    expect(() => runCase(backend, { op: "LpPool", inputs: [x(1, 1, 3, 3)], attributes: norm })).toThrow(/a norm p/);
  });
});
