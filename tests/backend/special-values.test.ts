import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Backend, KernelCall } from "#repvgg/backend/backend.js";
import type { KernelName } from "#repvgg/backend/kernels.generated.js";
import { backends } from "./backends.js";
import { random } from "./cases/case.js";

describe.each(backends)("$name", ({ create }) => {
  let backend: Backend;
  beforeAll(async () => {
    backend = await create();
  });
  afterAll(() => backend.dispose());

  /** Runs a kernel with `arrays` as its pointer arguments and gives what then stands in `output`. */
  function run(
    kernel: KernelName,
    arrays: Record<string, readonly number[]>,
    scalars: Record<string, number>,
    output: string,
  ): number[] {
    const args: Record<string, number> = { ...scalars };
    for (const [name, values] of Object.entries(arrays)) {
      args[name] = backend.allocate(values.length);
      backend.f32(args[name], values.length).set(values);
    }
    backend.run([{ kernel, args } as unknown as KernelCall]);
    const result = [...backend.f32(args[output]!, arrays[output]!.length)];
    for (const name of Object.keys(arrays)) backend.free(args[name]!);
    return result;
  }

  const { NaN: nan, POSITIVE_INFINITY: infinity } = Number;
  const zeros = (n: number): number[] => Array.from({ length: n }, () => 0);

  it("keeps a NaN visible in clips and pools", () => {
    const x = [1, nan, -9, 9, -infinity, infinity];
    expect(run("clip_forward", { x, y: zeros(6) }, { n: 6, low: -2, high: 6 }, "y")).toEqual([1, nan, -2, 6, -2, 6]);
    for (const place of [0, 1, 2, 3]) {
      const values = [1, 2, 3, 4].with(place, nan);
      const window = {
        ...{ batch: 1, in_height: 2, in_width: 2, channels: 1, out_height: 1, out_width: 1 },
        ...{ kernel_height: 2, kernel_width: 2, stride_y: 1, stride_x: 1, pad_y: 0, pad_x: 0 },
        ...{ dilation_y: 1, dilation_x: 1 },
      };
      expect(run("max_pool_forward", { x: values, y: [0] }, window, "y")).toEqual([nan]);
    }
  });

  it("keeps a NaN visible in ReLU, bias, branch sums and the loss", () => {
    const x = [1, nan, -1, 2, nan, -infinity, infinity];
    expect(run("relu_forward", { x, y: zeros(7) }, { n: 7 }, "y")).toEqual([1, nan, 0, 2, nan, 0, infinity]);
    expect(run("bias_forward", { x, bias: zeros(7), y: zeros(7) }, { rows: 1, channels: 7, relu: 1 }, "y")).toEqual([
      1,
      nan,
      0,
      2,
      nan,
      0,
      infinity,
    ]);
    const absent = { scale0: 0, shift0: 0, x1: 0, scale1: 0, shift1: 0, x2: 0, scale2: 0, shift2: 0 };
    expect(
      run("branch_sum_forward", { x0: x, y: zeros(7) }, { ...absent, rows: 1, channels: 7, relu: 1 }, "y"),
    ).toEqual([1, nan, 0, 2, nan, 0, infinity]);
    for (let at = 0; at < 7; at++) {
      const logits = [1, 2, 3, 4, 5, 6, 7];
      logits[at] = nan;
      const arrays = { logits, targets: [1, 0, 0, 0, 0, 0, 0], loss: [0] };
      expect(
        run("softmax_cross_entropy", arrays, { batch: 1, classes: 7, gradient_scale: 1, dlogits: 0 }, "loss"),
      ).toEqual([nan]);
    }
  });

  it("gives probability 0 to a logit of −∞", () => {
    const x = [0, -infinity, 0, -infinity, -200];
    expect(run("softmax_forward", { x, y: zeros(5) }, { rows: 1, classes: 5 }, "y")).toEqual([0.5, 0, 0.5, 0, 0]);
    const arrays = { logits: x, targets: [1, 0, 0, 0, 0], loss: [0] };
    const [loss] = run(
      "softmax_cross_entropy",
      arrays,
      { batch: 1, classes: 5, gradient_scale: 1, dlogits: 0 },
      "loss",
    );
    expect(loss).toBeCloseTo(Math.LN2, 6);
  });

  it("has sigmoids of 0 and 1 at the ends, NaN of NaN", () => {
    const x = [-infinity, -1e30, 1e30, infinity, nan, 0];
    expect(run("sigmoid_forward", { x, y: zeros(6) }, { n: 6 }, "y")).toEqual([0, 0, 1, 1, nan, 0.5]);
  });

  it("computes exp within 2 units in the last place down to denormals", () => {
    // softmax of [0, x, x, x] gives eˣ / (1 + 3 eˣ); with x ≤ −20 the denominator rounds to 1.
    const xs = [...random(5, 3000, -87, -20)];
    for (const x of xs) {
      const y = run("softmax_forward", { x: [0, x], y: [0, 0] }, { rows: 1, classes: 2 }, "y")[1]!;
      const exact = Math.exp(x);
      expect(Math.abs(y - exact)).toBeLessThanOrEqual(2 * 2 ** (Math.floor(Math.log2(exact)) - 23));
    }
    const tiny = run("softmax_forward", { x: [0, -100], y: [0, 0] }, { rows: 1, classes: 2 }, "y")[1]!;
    expect(tiny / Math.exp(-100)).toBeCloseTo(1, 1);
  });

  it("keeps the variance of numbers whose mean is ten thousand times larger", () => {
    const rows = 4096;
    const channels = 6;
    const x = random(7, rows * channels).map((v) => v + 10_000);
    const [at, partial, mean, variance] = [x.length, 2 * channels * 16, channels, channels].map((n) =>
      backend.allocate(n),
    ) as [number, number, number, number];
    backend.f32(at, x.length).set(x);
    backend.run([
      { kernel: "batch_norm_statistics_partial", args: { x: at, partial, rows, channels, chunk: 256 } },
      { kernel: "batch_norm_statistics_merge", args: { partial, mean, variance, rows, channels, chunk: 256 } },
    ]);
    for (let c = 0; c < channels; c++) {
      const column = Array.from({ length: rows }, (_, row) => x[row * channels + c]!);
      const exactMean = column.reduce((a, b) => a + b) / rows;
      const exact = column.reduce((sum, v) => sum + (v - exactMean) ** 2, 0) / rows;
      expect(Math.abs(backend.f32(variance, channels)[c]! - exact)).toBeLessThan(1e-4 * exact);
      expect(Math.abs(backend.f32(mean, channels)[c]! - exactMean)).toBeLessThan(1e-3);
    }
    for (const pointer of [at, partial, mean, variance]) backend.free(pointer);
  });

  it("ranks a NaN above everything, infinities below it, and zeros of both signs alike", () => {
    const x = [0, nan, -0, infinity, -infinity, 3, nan, 0];
    const sizes = { outer: 1, size: 8, inner: 1, k: 8 };
    const top = (largest: number) =>
      run("top_k_forward", { x, indices: zeros(8) }, { ...sizes, y: 0, largest }, "indices");
    expect(top(1)).toEqual([1, 6, 3, 5, 0, 2, 7, 4]);
    expect(top(0)).toEqual([4, 0, 2, 7, 5, 3, 1, 6]);
  });

  it("reads nothing outside an image wherever a grid points", () => {
    const x = [1, 2, 3, 4, 5, 6];
    const sizes = { batch: 1, in_depth: 1, in_height: 2, in_width: 3, channels: 1, points: 6, axes: 2 };
    const grid = [nan, nan, infinity, -infinity, 1e30, -1e30, -1e9, 1e9, 3e38, 0, 0, nan];
    for (const mode of [0, 1, 2]) {
      for (const padding of [0, 1, 2]) {
        for (const align_corners of [0, 1]) {
          const y = run(
            "grid_sample_forward",
            { x, grid, y: zeros(6) },
            { ...sizes, mode, padding, align_corners },
            "y",
          );
          expect(y.every((value) => Math.abs(value) < 9)).toBe(true);
        }
      }
    }
  });

  it("reads no tap of weight 0, and scatters to no place that is none", () => {
    const taps = { x: [infinity, 2], y: zeros(2), indices: [0, 1, 900, 1], weights: [0, 1, 0, 2] };
    expect(run("resample_axis_forward", taps, { outer: 1, from: 2, to: 2, inner: 1, taps: 2, value: 0 }, "y")).toEqual([
      2, 4,
    ]);
    const scatter = {
      x: [1, 2, 3],
      y: zeros(3),
      indices: [3, -4, nan, infinity, -1],
      updates: [9, 9, 9, 9, 7],
      status: [0],
    };
    const sizes = { rows: 3, inner: 1, count: 5, operation: 0 };
    expect(run("scatter_forward", scatter, sizes, "y")).toEqual([1, 2, 7]);
    expect(run("scatter_forward", scatter, sizes, "status")).toEqual([1]);
  });

  it("selects no box of a score that is no number, and overlaps no box that is none", () => {
    const boxes = [0, 0, 1, 1, 0, 0, 1, 1, nan, 0, 1, 1, 0, 0, 0, 0];
    const arrays = { boxes_at: boxes, scores: [nan, 0.9, 0.8, 0.7], chosen: zeros(5) };
    const sizes = {
      batch: 1,
      classes: 1,
      boxes: 4,
      limit: 4,
      centers: 0,
      iou_threshold: 0.5,
      score_threshold: -infinity,
    };
    expect(run("non_max_suppression_forward", arrays, sizes, "chosen").slice(0, 4)).toEqual([3, 1, 2, 3]);
  });

  it("keeps a NaN visible in products, norm pools and the places of maxima", () => {
    const one = {
      batch0: 1,
      batch1: 1,
      rows: 2,
      depth: 1,
      columns: 1,
      alpha: 1,
      beta: 0,
      relu: 1,
      c: 0,
      c_row: 0,
      c_column: 0,
    };
    const none = { a_step0: 0, a_step1: 0, b_step0: 0, b_step1: 0, c_step0: 0, c_step1: 0, y_step0: 0, y_step1: 0 };
    const rows = { a_row: 1, a_column: 1, b_row: 1, b_column: 1, y_row: 1 };
    expect(run("matmul_forward", { a: [nan, -1], b: [1], y: zeros(2) }, { ...one, ...none, ...rows }, "y")).toEqual([
      nan,
      0,
    ]);
    const window = {
      ...{ batch: 1, in_height: 2, in_width: 2, channels: 1, out_height: 1, out_width: 1 },
      ...{ kernel_height: 2, kernel_width: 2, stride_y: 1, stride_x: 1, pad_y: 0, pad_x: 0 },
      ...{ dilation_y: 1, dilation_x: 1 },
    };
    expect(run("max_pool_index_forward", { x: [1, nan, 9, nan], y: [0] }, { ...window, by_columns: 0 }, "y")).toEqual([
      1,
    ]);
    for (const power of [1, 2, 3]) {
      expect(run("lp_pool_forward", { x: [1, nan, 2, 3], y: [0] }, { ...window, power }, "y")).toEqual([nan]);
      expect(run("lp_pool_forward", { x: [0, 0, 0, 0], y: [1] }, { ...window, power }, "y")).toEqual([0]);
    }
  });
});
