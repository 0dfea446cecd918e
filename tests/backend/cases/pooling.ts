import { build, flags, type KernelCase, random } from "./case.js";

/** A pool and what it runs over. */
export interface Pool {
  readonly batch: number;
  readonly size: readonly [number, number];
  readonly channels: number;
  readonly kernel: readonly [number, number];
  readonly stride: readonly [number, number];
  /** Top, left, bottom, right. */
  readonly pads: readonly [number, number, number, number];
  readonly dilation: readonly [number, number];
}

export const pools: readonly Pool[] = [
  { batch: 1, size: [1, 1], channels: 1, kernel: [1, 1], stride: [1, 1], pads: [0, 0, 0, 0], dilation: [1, 1] },
  { batch: 2, size: [9, 7], channels: 5, kernel: [3, 3], stride: [2, 2], pads: [1, 1, 1, 1], dilation: [1, 1] },
  { batch: 1, size: [12, 13], channels: 64, kernel: [5, 5], stride: [1, 1], pads: [2, 2, 2, 2], dilation: [1, 1] },
  { batch: 3, size: [8, 11], channels: 17, kernel: [2, 3], stride: [2, 1], pads: [0, 1, 1, 0], dilation: [2, 3] },
  { batch: 1, size: [56, 56], channels: 33, kernel: [3, 3], stride: [2, 2], pads: [1, 1, 1, 1], dilation: [1, 1] },
  { batch: 2, size: [7, 7], channels: 9, kernel: [7, 7], stride: [1, 1], pads: [0, 0, 0, 0], dilation: [1, 1] },
];

const outSize = (p: Pool, axis: 0 | 1): number =>
  Math.floor(
    (p.size[axis] + p.pads[axis] + p.pads[axis + 2]! - (p.kernel[axis] - 1) * p.dilation[axis] - 1) / p.stride[axis],
  ) + 1;

/** What each element of the result is of the values in its window, of those that lie inside. */
function pooled(p: Pool, x: Float32Array, value: (inside: readonly number[]) => number): Float64Array {
  const [oh, ow] = [outSize(p, 0), outSize(p, 1)];
  return build(p.batch * oh * ow * p.channels, (i) => {
    const c = i % p.channels;
    const [ox, oy] = [Math.floor(i / p.channels) % ow, Math.floor(i / p.channels / ow) % oh];
    const n = Math.floor(i / p.channels / ow / oh);
    const inside: number[] = [];
    for (let ky = 0; ky < p.kernel[0]; ky++) {
      for (let kx = 0; kx < p.kernel[1]; kx++) {
        const y = oy * p.stride[0] - p.pads[0] + ky * p.dilation[0];
        const at = ox * p.stride[1] - p.pads[1] + kx * p.dilation[1];
        if (y < 0 || y >= p.size[0] || at < 0 || at >= p.size[1]) continue;
        inside.push(x[((n * p.size[0] + y) * p.size[1] + at) * p.channels + c]!);
      }
    }
    return value(inside);
  });
}

export const poolingCases: readonly KernelCase[] = pools.flatMap((p): KernelCase[] => {
  const x = random(1, p.batch * p.size[0] * p.size[1] * p.channels);
  const [out_height, out_width] = [outSize(p, 0), outSize(p, 1)];
  const before = random(2, p.batch * out_height * out_width * p.channels);
  const window = {
    ...{ batch: p.batch, in_height: p.size[0], in_width: p.size[1], channels: p.channels, out_height, out_width },
    ...{ kernel_height: p.kernel[0], kernel_width: p.kernel[1], stride_y: p.stride[0], stride_x: p.stride[1] },
    ...{ pad_y: p.pads[0], pad_x: p.pads[1], dilation_y: p.dilation[0], dilation_x: p.dilation[1] },
  };
  const title = `[${p.batch}][${p.size}][${p.channels}] by ${p.kernel}`;
  // The place of each value, in the order in which ONNX counts it.
  const placed = (by_columns: number) => {
    const [height, width] = p.size;
    const values = new Map<number, number>();
    const at = build(x.length, (i) => {
      const [c, pixel] = [i % p.channels, Math.floor(i / p.channels) % (height * width)];
      const n = Math.floor(i / p.channels / height / width);
      const within = by_columns ? (pixel % width) * height + Math.floor(pixel / width) : pixel;
      return (n * p.channels + c) * height * width + within;
    });
    for (const [i, index] of at.entries()) values.set(index, x[i]!);
    // Of windows of indices, which are all different: the one whose value is the largest.
    return pooled(p, Float32Array.from(at), (inside) =>
      inside.reduce((best, index) => (values.get(index)! > values.get(best)! ? index : best)),
    );
  };
  const total = (inside: readonly number[]): number => inside.reduce((a, b) => a + b, 0);
  return [
    {
      kernel: "max_pool_forward",
      title,
      scalars: window,
      inputs: { x },
      outputs: { y: { before, after: pooled(p, x, (inside) => Math.max(...inside)), relative: 0, absolute: 0 } },
    },
    ...flags.map(
      (by_columns): KernelCase => ({
        kernel: "max_pool_index_forward",
        title: `${title}, by columns ${by_columns}`,
        scalars: { ...window, by_columns },
        inputs: { x },
        outputs: { y: { before, after: placed(by_columns), relative: 0, absolute: 0 } },
      }),
    ),
    ...[1, 2, 3, 7].map(
      (power): KernelCase => ({
        kernel: "lp_pool_forward",
        title: `${title}, power ${power}`,
        scalars: { ...window, power },
        inputs: { x },
        outputs: {
          y: {
            before,
            after: pooled(p, x, (inside) => total(inside.map((v) => Math.abs(v) ** power)) ** (1 / power)),
            relative: 1e-6,
            absolute: 1e-6,
          },
        },
      }),
    ),
    ...flags.map(
      (include_pad): KernelCase => ({
        kernel: "average_pool_forward",
        title: `${title}, include_pad ${include_pad}`,
        scalars: { ...window, pad_bottom: p.pads[2], pad_right: p.pads[3], include_pad },
        inputs: { x },
        outputs: {
          y: {
            before,
            after: pooled(p, x, (inside) => total(inside) / (include_pad ? p.kernel[0] * p.kernel[1] : inside.length)),
            relative: 4e-7,
            absolute: 4e-7,
          },
        },
      }),
    ),
  ];
});
