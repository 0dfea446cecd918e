import { describe, expect, it } from "vitest";
import { f32, type NamedArray } from "#repvgg/core/named-arrays.js";
import { Rng } from "#repvgg/core/rng.js";
import { float, floats, int, ints, string } from "#repvgg/graph/attributes.js";
import { int64 } from "#repvgg/graph/build.js";
import { normal, uniform } from "../graph/support.js";
import { engineBackends, expectCase, type NodeCase, runCase } from "./node-case.js";

const rng = new Rng(12);
const x = (...shape: number[]): NamedArray => normal(rng, shape);
const numbers = (...values: number[]): NamedArray => f32([values.length], Float32Array.from(values));

const modes = [
  { mode: "nearest", nearest_mode: "floor", coordinates: "half_pixel" },
  { mode: "nearest", nearest_mode: "round_prefer_ceil", coordinates: "asymmetric" },
  { mode: "nearest", nearest_mode: "ceil", coordinates: "align_corners" },
  { mode: "linear", coordinates: "half_pixel" },
  { mode: "linear", coordinates: "pytorch_half_pixel" },
  { mode: "linear", coordinates: "align_corners" },
  { mode: "linear", coordinates: "half_pixel", antialias: 1 },
  { mode: "cubic", coordinates: "half_pixel_symmetric" },
  { mode: "cubic", coordinates: "asymmetric", exclude_outside: 1 },
  { mode: "cubic", coordinates: "half_pixel", antialias: 1, cubic_coeff_a: -0.5 },
] as const;

const attributesOf = (m: {
  readonly mode: string;
  readonly coordinates: string;
  readonly nearest_mode?: string;
  readonly antialias?: number;
  readonly exclude_outside?: number;
  readonly cubic_coeff_a?: number;
}) => ({
  mode: string(m.mode),
  coordinate_transformation_mode: string(m.coordinates),
  ...(m.nearest_mode && { nearest_mode: string(m.nearest_mode) }),
  ...(m.antialias && { antialias: int(m.antialias) }),
  ...(m.exclude_outside && { exclude_outside: int(m.exclude_outside) }),
  ...(m.cubic_coeff_a && { cubic_coeff_a: float(m.cubic_coeff_a) }),
});

const resizes: readonly NodeCase[] = [
  ...modes.flatMap((m): NodeCase[] => {
    const attributes = attributesOf(m);
    return [
      {
        op: "Resize",
        what: `${JSON.stringify(m)} by sizes`,
        inputs: [x(2, 5, 6, 7), undefined, undefined, int64([2, 5, 9, 4])],
        attributes,
        opset: 19,
      },
      {
        op: "Resize",
        what: `${JSON.stringify(m)} by scales`,
        inputs: [x(1, 17, 4, 3), undefined, numbers(1, 1, 2, 3)],
        attributes,
        opset: 19,
      },
      {
        op: "Resize",
        what: `${JSON.stringify(m)} of one pixel`,
        inputs: [x(2, 3, 1, 1), undefined, numbers(1, 1, 3, 2)],
        attributes,
        opset: 19,
      },
    ];
  }),
  {
    op: "Resize",
    what: "a part, with what lies outside",
    inputs: [x(1, 3, 6, 5), numbers(0, 0, 0.2, -0.3, 1, 1, 1.3, 0.8), undefined, int64([1, 3, 5, 8])],
    attributes: {
      mode: string("linear"),
      coordinate_transformation_mode: string("tf_crop_and_resize"),
      extrapolation_value: float(4),
    },
    opset: 19,
  },
  {
    op: "Resize",
    what: "some axes, keeping the aspect ratio",
    inputs: [x(2, 3, 6, 8), undefined, undefined, int64([7, 5])],
    attributes: { mode: string("linear"), axes: ints([3, 2]), keep_aspect_ratio_policy: string("not_larger") },
    opset: 19,
  },
  {
    op: "Resize",
    what: "signals",
    inputs: [x(2, 3, 9), undefined, numbers(1, 1, 2)],
    attributes: { mode: string("linear") },
    opset: 19,
  },
  {
    op: "Resize",
    what: "volumes",
    inputs: [x(1, 2, 3, 4, 5), undefined, numbers(1, 1, 2, 2, 2)],
    attributes: { mode: string("linear") },
    opset: 19,
  },
  {
    op: "Resize",
    what: "batch and channels, too",
    inputs: [x(2, 3, 4, 5), undefined, numbers(2, 2, 1, 3)],
    attributes: { mode: string("nearest") },
    opset: 19,
  },
  {
    op: "Resize",
    what: "nothing",
    inputs: [x(2, 3, 4, 5), undefined, numbers(1, 1, 1, 1)],
    attributes: { mode: string("linear") },
    opset: 19,
  },
  { op: "Resize", what: "of operator set 10", inputs: [x(1, 3, 5, 4), numbers(1, 1, 0.6, 2)], opset: 10 },
  {
    op: "Upsample",
    what: "linear",
    inputs: [x(1, 3, 5, 4), numbers(1, 1, 2, 3)],
    attributes: { mode: string("linear") },
    opset: 9,
  },
  {
    op: "Upsample",
    what: "linear, of operator set 7",
    inputs: [x(1, 3, 5, 4)],
    attributes: { mode: string("linear"), scales: floats([1, 1, 2, 2]) },
    opset: 7,
  },
];

const pads: readonly NodeCase[] = ["constant", "reflect", "edge", "wrap"].flatMap((mode): NodeCase[] => {
  const attributes = { mode: string(mode) };
  const value = mode === "constant" ? [numbers(0.5)].map(({ data }) => f32([], data as Float32Array)) : [undefined];
  return [
    {
      op: "Pad",
      what: `${mode}, images`,
      inputs: [x(2, 5, 6, 7), int64([0, 0, 2, 1, 0, 0, 3, 4]), ...value],
      attributes,
      opset: 19,
    },
    {
      op: "Pad",
      what: `${mode}, cropping`,
      inputs: [x(2, 5, 6, 7), int64([0, -1, -2, 3, 0, 2, 1, -1]), ...value],
      attributes,
      opset: 19,
    },
    {
      op: "Pad",
      what: `${mode}, some axes`,
      inputs: [x(2, 5, 6), int64([2, 1, 1, 3]), ...value, int64([-1, 1])],
      attributes,
      opset: 19,
    },
    {
      op: "Pad",
      what: `${mode}, volumes`,
      inputs: [x(2, 3, 4, 3, 5), int64([0, 0, 1, 2, 0, 0, 0, 2, 1, 3]), ...value],
      attributes,
      opset: 19,
    },
    { op: "Pad", what: `${mode}, a vector`, inputs: [x(6), int64([2, 3]), ...value], attributes, opset: 19 },
  ];
});

const grids: readonly NodeCase[] = ["bilinear", "nearest", "bicubic"].flatMap((mode) =>
  ["zeros", "border", "reflection"].flatMap((padding) =>
    [0, 1].flatMap((align): NodeCase[] => {
      const attributes = { mode: string(mode), padding_mode: string(padding), align_corners: int(align) };
      const grid = uniform(rng, [2, 4, 6, 2], -1.5, 1.5);
      const what = `${mode}, ${padding}, align corners ${align}`;
      return [
        {
          op: "GridSample",
          what,
          inputs: [x(2, 5, 6, 7), grid],
          computed: [0, 1],
          attributes,
          opset: 16,
          tolerance: 5e-5,
        },
        {
          op: "GridSample",
          what: `${what}, constant grid`,
          inputs: [x(2, 1, 3, 4), grid],
          attributes,
          opset: 16,
          tolerance: 5e-5,
        },
      ];
    }),
  ),
);
const volumes: readonly NodeCase[] = ["linear", "nearest"].map((mode) => ({
  op: "GridSample",
  what: `volumes, ${mode}`,
  inputs: [x(2, 3, 3, 4, 5), uniform(rng, [2, 3, 2, 4, 3], -1.2, 1.2)],
  computed: [0, 1],
  attributes: { mode: string(mode) },
  opset: 20,
  tolerance: 5e-5,
}));

describe.each(engineBackends)("on $name", ({ backend }) => {
  it.each(resizes)("$op $what", (c) => expectCase(backend, c));
  it.each(pads)("$op $what", (c) => expectCase(backend, c));
  it.each([...grids, ...volumes])("$op $what", (c) => expectCase(backend, c));

  it("refuses what it would have to compute first, by name", () => {
    const scales: NodeCase = {
      op: "Resize",
      inputs: [x(1, 1, 2, 2), undefined, numbers(1, 1, 2, 2)],
      computed: [0, 2],
      opset: 19,
    };
    expect(() => runCase(backend, scales)).toThrow(/Resize "node".*computed|whose shape depends on what is computed/);
  });
});
