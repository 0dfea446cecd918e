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
});
