import * as ort from "onnxruntime-node";
import { describe, expect, it } from "vitest";
import { f32, type NamedArray, toFloat64 } from "#repvgg/core/named-arrays.js";
import { Rng } from "#repvgg/core/rng.js";
import { writeOnnx } from "#repvgg/formats/onnx/model.js";
import { float, int, ints, string } from "#repvgg/graph/attributes.js";
import { int64, node, valueInfo } from "#repvgg/graph/build.js";
import { isIdentityTable, resampleAxis } from "#repvgg/graph/evaluate/axis-table.js";
import { type PadMode, padAxis } from "#repvgg/graph/evaluate/pad-axis.js";
import {
  nearestModes,
  type ResizeAxis,
  type ResizeMode,
  resizeAxis,
  resizeCoordinates,
  resizeSizes,
} from "#repvgg/graph/evaluate/resize-axis.js";
import type { AttributeValue, Graph } from "#repvgg/graph/graph.js";
import { defaultEnvelope, toOnnx } from "#repvgg/graph/to-onnx.js";
import { type GridSampleMode, type GridSamplePadding, gridSample } from "#repvgg/operators/grid-sample.js";
import { normal, uniform, worstError } from "./support.js";

interface Value {
  readonly shape: readonly number[];
  readonly data: ArrayLike<number>;
}

/** What ONNX Runtime gives for one node whose first input is the graph's and whose others are constants. */
async function onnxRuntime(
  op: string,
  x: NamedArray,
  others: readonly (NamedArray | undefined)[],
  attributes: Record<string, AttributeValue>,
  opset: number,
): Promise<Value> {
  const names = others.map((value, i) => (value ? `c${i}` : ""));
  const graph: Graph = {
    name: "g",
    inputs: [valueInfo("x", x.shape)],
    outputs: [{ name: "y", dtype: "f32", shape: undefined }],
    nodes: [node(op, "node", ["x", ...names], ["y"], attributes)],
    initializers: new Map(others.flatMap((value, i) => (value ? [[`c${i}`, value] as const] : []))),
  };
  const envelope = { ...defaultEnvelope, opsetImport: [{ domain: "", version: opset }] };
  const bytes = writeOnnx(toOnnx(graph, envelope));
  const session = await ort.InferenceSession.create(bytes, { logSeverityLevel: 4 });
  try {
    const { y } = await session.run({ x: new ort.Tensor("float32", x.data as Float32Array, [...x.shape]) });
    return { shape: y!.dims, data: y!.data as Float32Array };
  } finally {
    await session.release();
  }
}

const value = (x: NamedArray) => ({ shape: x.shape, data: Float64Array.from(toFloat64(x)) });

describe("resizeAxis", () => {
  type Options = Omit<ResizeAxis, "inSize" | "outSize" | "scale">;

  function resized(
    x: NamedArray,
    sizes: readonly number[],
    scales: readonly number[],
    options: Options,
    regions?: readonly number[],
  ): Value {
    let result: { shape: readonly number[]; data: Float64Array } = value(x);
    for (const axis of [2, 3]) {
      const region = regions && ([regions[axis]!, regions[axis + 4]!] as const);
      const table = resizeAxis({
        ...options,
        inSize: x.shape[axis]!,
        outSize: sizes[axis]!,
        scale: scales[axis]!,
        ...(region && { region }),
      });
      result = resampleAxis(result, axis, table, 7.5);
    }
    return result;
  }

  const attributesOf = (options: Options): Record<string, AttributeValue> => ({
    mode: string(options.mode),
    coordinate_transformation_mode: string(options.coordinates),
    extrapolation_value: float(7.5),
    cubic_coeff_a: float(options.cubicCoefficient ?? -0.75),
    exclude_outside: int(options.excludeOutside ? 1 : 0),
    ...(options.nearestMode && { nearest_mode: string(options.nearestMode) }),
    ...(options.antialias && { antialias: int(1) }),
  });

  const coordinates = resizeCoordinates.filter((name) => name !== "tf_half_pixel_for_nn");
  const nearestModesNow = nearestModes.filter((name) => name !== "simple");
  const kinds: readonly Options[] = coordinates.flatMap((c): Options[] => [
    ...nearestModesNow.map((nearestMode): Options => ({ mode: "nearest", coordinates: c, nearestMode })),
    { mode: "linear", coordinates: c },
    { mode: "cubic", coordinates: c },
    { mode: "cubic", coordinates: c, cubicCoefficient: -0.5, excludeOutside: true },
  ]);

  const shapes = [
    { from: [5, 7], to: [11, 3] },
    { from: [4, 1], to: [9, 5] },
    { from: [6, 8], to: [1, 4] },
    { from: [3, 5], to: [3, 10] },
  ];
  const title = "agrees with ONNX Runtime: $mode, $coordinates $nearestMode $cubicCoefficient";

  it.each(kinds)(title, async (options) => {
    const rng = new Rng(3);
    for (const { from, to } of shapes) {
      // ONNX Runtime ignores the region of an axis whose size stays.
      if (options.coordinates === "tf_crop_and_resize" && from[0] === to[0]) continue;
      const x = normal(rng, [2, 3, ...from]);
      const sizes = [2, 3, ...to];
      const crop = options.coordinates === "tf_crop_and_resize";
      const regions = crop ? [0, 0, 0.2, -0.3, 1, 1, 0.9, 1.2] : undefined;
      const roi = regions && f32([8], Float32Array.from(regions));
      const expected = await onnxRuntime("Resize", x, [roi, undefined, int64(sizes)], attributesOf(options), 19);
      const scales = sizes.map((size, axis) => size / x.shape[axis]!);
      const actual = resized(x, sizes, scales, options, regions && [...Float32Array.from(regions)]);
      expect(actual.shape).toEqual(expected.shape);
      expect(worstError(actual.data, expected.data), `${from} → ${to}`).toBeLessThan(2e-6);
    }
  });

  it.each(kinds.filter(({ coordinates }) => coordinates !== "tf_crop_and_resize"))(
    `${title}, by scales that give no whole number`,
    async (options) => {
      const rng = new Rng(4);
      const x = normal(rng, [1, 2, 6, 7]);
      // None puts a position halfway between two elements, where ONNX Runtime's float32 decides by its rounding.
      for (const [vertical, horizontal] of [
        [1.37, 0.61],
        [0.36, 2.03],
      ] as const) {
        const scales = [...Float32Array.of(1, 1, vertical, horizontal)];
        const sizes = scales.map((scale, axis) => Math.floor(x.shape[axis]! * scale));
        if (options.coordinates === "align_corners" && options.mode !== "nearest") {
          expect(() => resized(x, sizes, scales, options)).toThrow(
            /reference implementation disagree: give Resize sizes/,
          );
          continue;
        }
        const given = f32([4], Float32Array.from(scales));
        const expected = await onnxRuntime("Resize", x, [undefined, given], attributesOf(options), 19);
        const actual = resized(x, sizes, scales, options);
        expect(actual.shape).toEqual(expected.shape);
        expect(worstError(actual.data, expected.data), `× ${vertical}, ${horizontal}`).toBeLessThan(2e-6);
      }
    },
  );

  it.each(
    (["linear", "cubic"] as const).flatMap((mode) =>
      coordinates
        .filter((name) => name !== "tf_crop_and_resize")
        .flatMap((name) => [
          { mode, coordinates: name, antialias: true },
          { mode, coordinates: name, antialias: true, excludeOutside: true },
        ]),
    ),
  )("agrees with ONNX Runtime: antialiased $mode, $coordinates $excludeOutside", async (options) => {
    const rng = new Rng(5);
    for (const { from, to } of [
      { from: [9, 7], to: [4, 3] },
      { from: [13, 5], to: [2, 8] },
    ]) {
      const x = normal(rng, [1, 2, ...from]);
      const sizes = [1, 2, ...to];
      const expected = await onnxRuntime("Resize", x, [undefined, undefined, int64(sizes)], attributesOf(options), 19);
      const actual = resized(
        x,
        sizes,
        sizes.map((size, axis) => size / x.shape[axis]!),
        options,
      );
      expect(worstError(actual.data, expected.data), `${from} → ${to}`).toBeLessThan(5e-6);
    }
  });

  it("is the table of earlier operator sets, too", async () => {
    const x = normal(new Rng(6), [1, 2, 5, 6]);
    const old = (mode: ResizeMode): Options => ({ mode, coordinates: "asymmetric", nearestMode: "simple" });
    const scalesOf = (a: number, b: number) => [...Float32Array.of(1, 1, a, b)];
    const sizesOf = (scales: readonly number[]) => scales.map((scale, axis) => Math.floor(x.shape[axis]! * scale));
    for (const mode of ["nearest", "linear"] as const) {
      for (const scales of [scalesOf(0.6, 0.7), scalesOf(2, 3), scalesOf(1.5, 0.4)]) {
        const given = f32([4], Float32Array.from(scales));
        const expected = await onnxRuntime("Resize", x, [given], { mode: string(mode) }, 10);
        const actual = resized(x, sizesOf(scales), scales, old(mode));
        expect(worstError(actual.data, expected.data), `Resize-10 ${mode} ${scales}`).toBeLessThan(2e-6);
      }
      const scales = scalesOf(2.5, 3);
      const given = f32([4], Float32Array.from(scales));
      const expected = await onnxRuntime("Upsample", x, [given], { mode: string(mode) }, 9);
      const actual = resized(x, sizesOf(scales), scales, old(mode));
      expect(worstError(actual.data, expected.data), `Upsample-9 ${mode}`).toBeLessThan(2e-6);
    }
    const options: Options = { mode: "nearest", coordinates: "tf_half_pixel_for_nn", nearestMode: "floor" };
    const sizes = [1, 2, 3, 4];
    const none = f32([0], new Float32Array(0));
    const expected = await onnxRuntime("Resize", x, [none, none, int64(sizes)], attributesOf(options), 11);
    const scales = sizes.map((size, axis) => size / x.shape[axis]!);
    expect(worstError(resized(x, sizes, scales, options).data, expected.data)).toBe(0);
  });
});

describe("resizeSizes", () => {
  it.each(["stretch", "not_larger", "not_smaller"] as const)("%s, as ONNX Runtime", async (policy) => {
    const x = normal(new Rng(7), [1, 2, 5, 8]);
    for (const { axes, sizes } of [
      { axes: [2, 3], sizes: [7, 9] },
      { axes: [3, 2], sizes: [3, 13] },
      { axes: [3], sizes: [5] },
    ]) {
      const attributes = { axes: ints(axes), keep_aspect_ratio_policy: string(policy) };
      const expected = await onnxRuntime("Resize", x, [undefined, undefined, int64(sizes)], attributes, 18);
      expect(resizeSizes(x.shape, { sizes }, axes, policy).sizes).toEqual([...expected.shape]);
    }
  });

  it("scales each named axis and rounds down", () => {
    expect(resizeSizes([1, 5, 7], { scales: [1.5, 0.5] }, [-1, 1], "stretch")).toEqual({
      sizes: [1, 2, 10],
      scales: [1, 0.5, 1.5],
    });
    expect(() => resizeSizes([1, 5, 7], { scales: [1.5] }, undefined)).toThrow(
      /a positive scale for each of axes 0, 1, 2/,
    );
    expect(() => resizeSizes([5], { sizes: [0] }, undefined)).toThrow(/positive size/);
    expect(() => resizeSizes([5, 5], { sizes: [2, 2] }, [0, -2])).toThrow(/each of axes 0, 0/);
  });
});

describe("padAxis", () => {
  it.each(["constant", "reflect", "edge", "wrap"] as const)("%s, as ONNX Runtime", async (mode) => {
    const x = normal(new Rng(8), [2, 5, 7]);
    for (const pads of [
      [0, 2, 3, 1, 4, 0],
      [0, -1, 2, 0, 1, -3],
      [1, 0, -2, 0, -2, 4],
      [0, -2, -3, 0, -1, -1],
    ]) {
      if (mode === "reflect" && pads[0] !== 0) continue; // ONNX Runtime reflects no further than the axis is long
      const others = [int64(pads), f32([], Float32Array.of(0.25))];
      const expected = await onnxRuntime("Pad", x, others, { mode: string(mode) }, 19);
      let actual: { shape: readonly number[]; data: Float64Array } = value(x);
      for (let axis = 0; axis < 3; axis++) {
        const indices = padAxis(x.shape[axis]!, pads[axis]!, pads[axis + 3]!, mode as PadMode);
        const weights = new Float64Array(indices.length).fill(1);
        actual = resampleAxis(actual, axis, { taps: 1, indices, weights }, 0.25);
      }
      expect(actual.shape).toEqual([...expected.shape]);
      expect(worstError(actual.data, expected.data), `${pads}`).toBe(0);
    }
  });

  it("goes on periodically beyond the length of an axis, as numpy.pad", () => {
    expect([...padAxis(3, 5, 4, "reflect")]).toEqual([1, 0, 1, 2, 1, 0, 1, 2, 1, 0, 1, 2]);
    expect([...padAxis(3, 4, 5, "wrap")]).toEqual([2, 0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 1]);
    expect([...padAxis(1, 2, 1, "reflect")]).toEqual([0, 0, 0, 0]);
    expect([...padAxis(2, -1, 2, "edge")]).toEqual([1, 1, 1]);
    expect([...padAxis(2, -2, 1, "constant")]).toEqual([-1]);
  });

  it("refuses to crop more than there is, or to repeat nothing", () => {
    expect(() => padAxis(3, -2, -2, "constant")).toThrow(/leave something of 3/);
    expect(() => padAxis(2, -2, 1, "edge")).toThrow(/something to repeat/);
  });
});

describe("gridSample", () => {
  const modes: readonly GridSampleMode[] = ["nearest", "linear", "cubic"];
  const paddings: readonly GridSamplePadding[] = ["zeros", "border", "reflection"];
  const kinds = modes.flatMap((mode) =>
    paddings.flatMap((padding) => [true, false].map((alignCorners) => ({ mode, padding, alignCorners }))),
  );

  it.each(kinds)("agrees with ONNX Runtime: $mode, $padding, align corners $alignCorners", async (options) => {
    const rng = new Rng(9);
    const attributes = {
      mode: string(options.mode),
      padding_mode: string(options.padding),
      align_corners: int(options.alignCorners ? 1 : 0),
    };
    const shapes = [
      { from: [5, 7], to: [6, 4] },
      { from: [1, 3], to: [5, 5] },
      { from: [3, 4, 5], to: [4, 3, 6] },
    ];
    for (const { from, to } of shapes) {
      if (options.mode === "cubic" && from.length > 2) continue; // which ONNX Runtime does not have
      if (from.includes(1) && options.padding === "reflection" && options.alignCorners) continue; // 0 ÷ 0 there
      const x = normal(rng, [2, 3, ...from]);
      const grid = uniform(rng, [2, ...to, from.length], -1.9, 1.9);
      const expected = await onnxRuntime("GridSample", x, [grid], attributes, 20);
      const actual = gridSample(value(x), value(grid), options);
      expect(actual.shape).toEqual([...expected.shape]);
      expect(worstError(actual.data, expected.data), `${from}`).toBeLessThan(5e-6);
    }
  });

  it("does not read neighbours of weight 0, which may be infinite", () => {
    const x = { shape: [1, 1, 1, 3], data: Float64Array.of(1, Number.POSITIVE_INFINITY, 4) };
    const grid = { shape: [1, 1, 2, 2], data: Float64Array.of(-1, 0, 1, 0) };
    for (const mode of modes) {
      expect([...gridSample(x, grid, { mode, padding: "border", alignCorners: true }).data]).toEqual([1, 4]);
    }
  });

  it("rounds halves to the even neighbour", () => {
    const x = { shape: [1, 1, 1, 5], data: Float64Array.of(0, 1, 2, 3, 4) };
    const data = Float64Array.from([-0.75, -0.25, 0.25, 0.75, 0.74].flatMap((position) => [position, 0])); // 0.5, 1.5, …
    const options = { mode: "nearest", padding: "zeros", alignCorners: true } as const;
    expect([...gridSample(x, { shape: [1, 1, 5, 2], data }, options).data]).toEqual([0, 2, 2, 4, 3]);
  });

  it("reads nothing beyond its input wherever a position lies", () => {
    const x = { shape: [1, 1, 1, 3], data: Float64Array.of(1, 2, 4) };
    const sampled = (positions: readonly number[], mode: GridSampleMode, padding: GridSamplePadding) => {
      const data = Float64Array.from(positions.flatMap((position) => [position, 0]));
      const options = { mode, padding, alignCorners: true };
      return [...gridSample(x, { shape: [1, 1, positions.length, 2], data }, options).data];
    };
    const far = [Number.NaN, Number.POSITIVE_INFINITY, -1e30, 1e30];
    expect(sampled(far, "nearest", "zeros")).toEqual([0, 0, 0, 0]);
    expect(sampled(far, "nearest", "border")).toEqual([1, 4, 1, 4]);
    expect(sampled([-1, 0, 1, 2, 3], "nearest", "reflection")).toEqual([1, 2, 4, 2, 1]);
    for (const mode of modes) {
      for (const padding of paddings) expect(sampled(far, mode, padding)).toHaveLength(4);
    }
  });
});

describe("tables", () => {
  it("know themselves as identities, also where taps of weight 0 lie beside", () => {
    const same = resizeAxis({ inSize: 4, outSize: 4, scale: 1, mode: "linear", coordinates: "half_pixel" });
    expect(isIdentityTable(same, 4)).toBe(true);
    expect(
      isIdentityTable({ taps: 1, indices: padAxis(4, 0, 0, "edge"), weights: new Float64Array(4).fill(1) }, 4),
    ).toBe(true);
    expect(
      isIdentityTable({ taps: 1, indices: padAxis(4, -1, 1, "edge"), weights: new Float64Array(4).fill(1) }, 4),
    ).toBe(false);
    const wider = resizeAxis({ inSize: 4, outSize: 5, scale: 1.25, mode: "nearest", coordinates: "asymmetric" });
    expect(isIdentityTable(wider, 4)).toBe(false);
  });

  it("spread no infinity from taps of weight 0", () => {
    const same = resizeAxis({ inSize: 3, outSize: 3, scale: 1, mode: "cubic", coordinates: "half_pixel" });
    const x = { shape: [3], data: Float64Array.of(1, Number.POSITIVE_INFINITY, 2) };
    expect([...resampleAxis(x, 0, same).data]).toEqual([1, Number.POSITIVE_INFINITY, 2]);
  });
});
