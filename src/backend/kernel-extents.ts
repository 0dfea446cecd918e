import { byteKernelExtents } from "./kernel-extents-bytes.js";
import type { Tile, Touched, Words } from "./kernel-touched.js";
import type { KernelArguments, KernelName } from "./kernels.generated.js";

export type { Tile, Touched, Words } from "./kernel-touched.js";

/** Extent of an array whose element [i, j, …] is at offset + i · steps[0] + j · steps[1] + …; steps may be negative. */
function strided(sizes: readonly number[], steps: readonly number[], offset = 0): Words {
  if (sizes.some((size) => size <= 0)) return sizes.every((size) => size >= 0) ? 0 : Math.min(...sizes);
  let [first, last] = [offset, offset];
  sizes.forEach((size, axis) => {
    const far = (size - 1) * steps[axis]!;
    if (far < 0) first += far;
    else last += far;
  });
  return [first, last + 1];
}

type Args<K extends KernelName> = KernelArguments[K];
type Describe<K extends KernelName> = (a: Args<K>, tile: Tile) => Touched<K>;

const elementwise = ({ n }: { readonly n: number }) => ({ reads: { x: n }, writes: { y: n } });
const backward = ({ n }: { readonly n: number }) => ({ reads: { y: n, dy: n }, writes: { dx: n } });
const classes = ({ rows, classes }: { readonly rows: number; readonly classes: number }) => ({
  reads: { x: rows * classes },
  writes: { y: rows * classes },
});
const chunks = ({ rows, chunk }: { readonly rows: number; readonly chunk: number }) => Math.ceil(rows / chunk);
const roundUp = (n: number, multiple: number) => Math.ceil(n / multiple) * multiple;

type Pool = Pick<
  Args<"max_pool_forward">,
  "batch" | "in_height" | "in_width" | "channels" | "out_height" | "out_width"
>;
const pooled = (a: Pool) => ({
  reads: { x: a.batch * a.in_height * a.in_width * a.channels },
  writes: { y: a.batch * a.out_height * a.out_width * a.channels },
});

type Middle = { readonly outer: number; readonly size: number; readonly inner: number };
const reduced = ({ outer, size, inner }: Middle) => ({
  reads: { x: outer * size * inner },
  writes: { y: outer * inner },
});

const transposedLayout = (a: Args<"nchw_to_nhwc">) => ({
  reads: { x: a.batch * a.positions * a.channels },
  writes: { y: a.batch * a.positions * a.channels },
});

// --- convolutions: images [batch][height][width][channels] ---

type Images = Pick<
  Args<"conv_igemm_forward">,
  "batch" | "in_height" | "in_width" | "in_channels" | "out_height" | "out_width" | "out_channels"
>;
const inputImages = (a: Images) => a.batch * a.in_height * a.in_width * a.in_channels;
const outputImages = (a: Images) => a.batch * a.out_height * a.out_width * a.out_channels;

type Grid = Images &
  Pick<
    Args<"conv_igemm_forward">,
    "grid_height" | "grid_width" | "out_stride_y" | "out_stride_x" | "out_offset_y" | "out_offset_x"
  >;
/** Where a window writes: the kernels do not look whether it is inside. */
const writtenGrid = (a: Grid): Words => {
  const line = a.out_width * a.out_channels;
  return strided(
    [a.batch, a.grid_height, a.grid_width, a.out_channels],
    [a.out_height * line, a.out_stride_y * line, a.out_stride_x * a.out_channels, 1],
    a.out_offset_y * line + a.out_offset_x * a.out_channels,
  );
};

/** Packed weights of `taps` taps or points: panels of outputs are filled up. */
const packedWords = (
  { groups, inputs, outputs }: { groups: number; inputs: number; outputs: number },
  taps: number,
  halves: number,
  { panelColumns }: Tile,
) => {
  const weights = groups * roundUp(outputs / groups, panelColumns) * (inputs / groups) * taps;
  return halves ? Math.ceil(weights / 2) : weights;
};

type Sides = { readonly in_channels: number; readonly out_channels: number; readonly groups: number };
/** Channels as the packed weights see them. */
const sides = ({ in_channels, out_channels, groups }: Sides, transposed = 0) =>
  transposed
    ? { groups, inputs: out_channels, outputs: in_channels }
    : { groups, inputs: in_channels, outputs: out_channels };

type Taps = Pick<
  Args<"conv_pack">,
  "kernel_width" | "taps_y" | "taps_x" | "first_y" | "first_x" | "tap_step_y" | "tap_step_x"
>;
/** The taps that are read of [height][kernel_width][words]. */
const readTaps = (a: Taps, words: number): Words =>
  strided(
    [a.taps_y, a.taps_x, words],
    [a.tap_step_y * a.kernel_width * words, a.tap_step_x * words, 1],
    (a.first_y * a.kernel_width + a.first_x) * words,
  );

const winogradPack = (points: number) => (a: Args<"conv_winograd2_pack">, tile: Tile) => ({
  reads: { weight: (9 * a.in_channels * a.out_channels) / a.groups },
  writes: { packed: packedWords(sides(a, a.transposed), points, a.halves, tile) },
});
const winogradForward = (points: number) => (a: Args<"conv_winograd2_forward">, tile: Tile) => ({
  reads: {
    x: inputImages(a),
    packed: packedWords(sides(a), a.packed_points ? points : 9, a.halves, tile),
    "bias?": a.out_channels,
  },
  writes: { y: outputImages(a) },
});
const productWords = ({ in_channels, out_channels, groups }: Sides, { microRows, panelColumns }: Tile) =>
  groups * 36 * (roundUp(in_channels / groups, microRows) * roundUp(out_channels / groups, panelColumns) + 16);
const winogradGradient = (a: Args<"conv_winograd4_backward_weight">, tile: Tile) => ({
  reads: { x: inputImages(a), dy: outputImages(a) },
  writes: { products: productWords(a, tile) },
});
const winogradFinish = (a: Args<"conv_winograd4_backward_weight_finish">, tile: Tile) => ({
  reads: { products: productWords(a, tile) },
  writes: { dw: (9 * a.in_channels * a.out_channels) / a.groups },
});

const sizesOf = (a: Args<"broadcast_forward"> | Args<"select_forward">) => [a.size0, a.size1, a.size2, a.size3];

/**
 * What each kernel touches, of its arguments as kernels/kernels.def has them: what a call is held against where kernels are checked.
 * Written from that list and not from the callers, so that both can be wrong only by themselves.
 */
export const kernelExtents: { readonly [K in KernelName]: Describe<K> } = {
  fill: ({ n }) => ({ writes: { y: n } }),
  copy: elementwise,
  add: ({ n }) => ({ reads: { a: n, b: n }, writes: { y: n } }),
  axpy: elementwise,
  scale: elementwise,
  multiply: ({ n }) => ({ reads: { a: n, b: n }, writes: { y: n } }),
  relu_forward: elementwise,
  relu_backward: backward,
  sigmoid_forward: elementwise,
  sigmoid_backward: backward,
  clip_forward: elementwise,
  leaky_relu_forward: elementwise,
  swish_forward: elementwise,
  hard_sigmoid_forward: elementwise,
  unary_forward: elementwise,
  broadcast_forward: (a) => ({
    reads: {
      a: strided(sizesOf(a), [a.a_step0, a.a_step1, a.a_step2, a.a_step3]),
      b: strided(sizesOf(a), [a.b_step0, a.b_step1, a.b_step2, a.b_step3]),
    },
    writes: { y: a.size0 * a.size1 * a.size2 * a.size3 },
  }),
  select_forward: (a) => ({
    reads: {
      c: strided(sizesOf(a), [a.c_step0, a.c_step1, a.c_step2, a.c_step3]),
      a: strided(sizesOf(a), [a.a_step0, a.a_step1, a.a_step2, a.a_step3]),
      b: strided(sizesOf(a), [a.b_step0, a.b_step1, a.b_step2, a.b_step3]),
    },
    writes: { y: a.size0 * a.size1 * a.size2 * a.size3 },
  }),
  strided_copy: (a) => {
    const sizes = [a.size0, a.size1, a.size2, a.size3, a.size4, a.size5];
    return {
      reads: { x: strided(sizes, [a.x_step0, a.x_step1, a.x_step2, a.x_step3, a.x_step4, a.x_step5]) },
      writes: { y: strided(sizes, [a.y_step0, a.y_step1, a.y_step2, a.y_step3, a.y_step4, a.y_step5]) },
    };
  },

  multiply_channel_forward: (a) => ({
    reads: { x: a.batch * a.positions * a.channels, scale: a.batch * a.channels },
    writes: { y: a.batch * a.positions * a.channels },
  }),
  multiply_channel_backward_input: (a) => ({
    reads: { dy: a.batch * a.positions * a.channels, scale: a.batch * a.channels },
    writes: { dx: a.batch * a.positions * a.channels },
  }),
  multiply_channel_backward_scale: (a) => ({
    reads: { dy: a.batch * a.positions * a.channels, x: a.batch * a.positions * a.channels },
    writes: { dscale: a.batch * a.channels },
  }),
  bias_forward: (a) => ({
    reads: { x: a.rows * a.channels, bias: a.channels },
    writes: { y: a.rows * a.channels },
  }),
  sum_rows: (a) => ({ reads: { x: a.rows * a.channels }, writes: { y: a.channels } }),
  global_average_pool_forward: (a) => ({
    reads: { x: a.batch * a.positions * a.channels },
    writes: { y: a.batch * a.channels },
  }),
  global_average_pool_backward: (a) => ({
    reads: { dy: a.batch * a.channels },
    writes: { dx: a.batch * a.positions * a.channels },
  }),
  max_pool_forward: pooled,
  average_pool_forward: pooled,
  lp_pool_forward: pooled,
  max_pool_index_forward: pooled,

  copy_columns: (a) => ({
    reads: { x: a.rows * a.columns },
    writes: { y: strided([a.rows, a.columns], [a.row_words, 1]) },
  }),
  pad_forward: (a) => ({
    reads: { x: a.in0 * a.in1 * a.in2 * a.in3 },
    writes: { y: a.out0 * a.out1 * a.out2 * a.out3 },
  }),
  resize_nearest_forward: (a) => ({
    reads: { x: a.batch * a.in_height * a.in_width * a.channels, source_y: a.out_height, source_x: a.out_width },
    writes: { y: a.batch * a.out_height * a.out_width * a.channels },
  }),
  nchw_to_nhwc: transposedLayout,
  nhwc_to_nchw: transposedLayout,
  image_normalize: (a) => ({
    reads: { x: Math.ceil((a.pixels * a.channels) / 4), scale: a.channels, shift: a.channels },
    writes: { y: a.pixels * a.channels },
  }),

  batch_norm_statistics_partial: (a) => ({
    reads: { x: a.rows * a.channels },
    writes: { partial: chunks(a) * 2 * a.channels },
  }),
  batch_norm_statistics_merge: (a) => ({
    reads: { partial: chunks(a) * 2 * a.channels },
    writes: { mean: a.channels, variance: a.channels },
  }),
  branch_sum_forward: (a) => ({
    reads: {
      ...{ x0: a.rows * a.channels, "x1?": a.rows * a.channels, "x2?": a.rows * a.channels },
      ...{ "scale0?": a.channels, "scale1?": a.channels, "scale2?": a.channels },
      ...{ "shift0?": a.channels, "shift1?": a.channels, "shift2?": a.channels },
    },
    writes: { y: a.rows * a.channels },
  }),
  branch_sum_backward_partial: (a) => ({
    reads: {
      ...{ dy: a.rows * a.channels, "y?": a.rows * a.channels },
      ...{ "x0?": a.rows * a.channels, "x1?": a.rows * a.channels, "x2?": a.rows * a.channels },
      ...{ "mean0?": a.channels, "mean1?": a.channels, "mean2?": a.channels },
    },
    writes: { partial: chunks(a) * 4 * a.channels },
  }),
  branch_sum_backward_merge: (a) => ({
    reads: { partial: a.chunks * 4 * a.channels },
    writes: { sums: 4 * a.channels },
  }),
  branch_sum_backward_data: (a) => ({
    reads: {
      ...{ dy: a.rows * a.channels, "y?": a.rows * a.channels },
      ...{ "x0?": a.rows * a.channels, "x1?": a.rows * a.channels, "x2?": a.rows * a.channels },
      ...{ "coefficients0?": 3 * a.channels, "coefficients1?": 3 * a.channels, "coefficients2?": 3 * a.channels },
    },
    writes: { "dx0?": a.rows * a.channels, "dx1?": a.rows * a.channels, "dx2?": a.rows * a.channels },
  }),
  softmax_cross_entropy: (a) => ({
    reads: { logits: a.batch * a.classes, targets: a.batch * a.classes },
    writes: { loss: a.batch, "dlogits?": a.batch * a.classes },
  }),
  softmax_forward: classes,
  log_softmax_forward: classes,

  gather_forward: (a) => ({
    reads: { x: a.outer * a.size * a.inner, indices: a.count },
    writes: { y: a.outer * a.count * a.inner, "status?": 1 },
  }),
  gather_elements_forward: (a) => ({
    reads: { x: a.outer * a.size * a.inner, indices: a.outer * a.count * a.inner },
    writes: { y: a.outer * a.count * a.inner, "status?": 1 },
  }),
  check_range: ({ n }) => ({ reads: { x: n }, writes: { status: 1 } }),
  reduce_forward: reduced,
  arg_extreme_forward: reduced,
  normalize_forward: (a) => {
    const affine = a.groups * Math.ceil(a.n / a.run);
    return {
      reads: { x: a.rows * a.n, "scale?": affine, "bias?": affine },
      writes: { y: a.statistic ? a.rows : a.rows * a.n },
    };
  },
  local_response_forward: (a) => ({ reads: { x: a.rows * a.channels }, writes: { y: a.rows * a.channels } }),

  sgd_step: ({ n }) => ({ reads: { gradient: n }, writes: { parameter: n, velocity: n } }),
  adamw_step: ({ n }) => ({ reads: { gradient: n }, writes: { parameter: n, mean: n, square: n } }),
  ema_update: ({ n }) => ({ reads: { parameter: n }, writes: { shadow: n } }),

  conv_pack: (a, tile) => ({
    reads: { weight: readTaps(a, (a.in_channels / a.groups) * a.out_channels) },
    writes: { packed: packedWords(sides(a, a.transposed), a.taps_y * a.taps_x, a.halves, tile) },
  }),
  conv_igemm_forward: (a, tile) => ({
    reads: {
      x: inputImages(a),
      packed: packedWords(sides(a), a.taps_y * a.taps_x, a.halves, tile),
      "bias?": a.out_channels,
    },
    writes: { y: writtenGrid(a) },
  }),
  conv_gemm_backward_weight: (a) => ({
    reads: { x: inputImages(a), dy: outputImages(a) },
    writes: { dw: (a.parts * a.kernel_height * a.kernel_width * a.in_channels * a.out_channels) / a.groups },
  }),
  conv_winograd2_pack: winogradPack(16),
  conv_winograd4_pack: winogradPack(36),
  conv_winograd4_stride2_pack: winogradPack(36),
  conv_winograd8_transposed2_pack: winogradPack(36),
  conv_winograd2_forward: winogradForward(16),
  conv_winograd4_forward: winogradForward(36),
  conv_winograd4_stride2_forward: winogradForward(36),
  conv_winograd8_transposed2_forward: winogradForward(36),
  conv_winograd4_backward_weight: winogradGradient,
  conv_winograd4_stride2_backward_weight: winogradGradient,
  conv_winograd4_backward_weight_finish: winogradFinish,
  conv_winograd4_stride2_backward_weight_finish: winogradFinish,
  conv_depthwise_pack: (a) => ({
    reads: { weight: readTaps(a, a.channels) },
    writes: { packed: a.taps_y * a.taps_x * a.channels },
  }),
  conv_depthwise_forward: (a) => ({
    reads: { x: inputImages(a), packed: a.taps_y * a.taps_x * a.out_channels, "bias?": a.out_channels },
    writes: { y: writtenGrid(a) },
  }),
  conv_depthwise_backward_weight: (a) => ({
    reads: {
      x: a.batch * a.in_height * a.in_width * a.channels,
      dy: a.batch * a.out_height * a.out_width * a.channels,
    },
    writes: { dw: a.kernel_height * a.kernel_width * a.channels },
  }),

  matmul_forward: (a) => {
    const batches = [a.batch0, a.batch1];
    return {
      reads: {
        a: strided([...batches, a.rows, a.depth], [a.a_step0, a.a_step1, a.a_row, a.a_column]),
        b: strided([...batches, a.depth, a.columns], [a.b_step0, a.b_step1, a.b_row, a.b_column]),
        "c?": strided([...batches, a.rows, a.columns], [a.c_step0, a.c_step1, a.c_row, a.c_column]),
      },
      writes: { y: strided([...batches, a.rows, a.columns], [a.y_step0, a.y_step1, a.y_row, 1]) },
    };
  },
  resample_axis_forward: (a) => ({
    reads: { x: a.outer * a.from * a.inner, indices: a.to * a.taps, weights: a.to * a.taps },
    writes: { y: a.outer * a.to * a.inner },
  }),
  scatter_forward: (a) => ({
    reads: { x: a.rows * a.inner, indices: a.count, updates: a.count * a.inner },
    writes: { y: a.rows * a.inner, "status?": 1 },
  }),
  cumulative_sum_forward: (a) => ({
    reads: { x: a.outer * a.size * a.inner },
    writes: { y: a.outer * a.size * a.inner },
  }),
  top_k_forward: (a) => ({
    reads: { x: a.outer * a.size * a.inner },
    writes: { "y?": a.outer * a.k * a.inner, "indices?": a.outer * a.k * a.inner },
  }),
  grid_sample_forward: (a) => ({
    reads: {
      x: a.batch * a.in_depth * a.in_height * a.in_width * a.channels,
      grid: a.batch * a.points * a.axes,
    },
    writes: { y: a.batch * a.points * a.channels },
  }),
  non_max_suppression_forward: (a) => ({
    reads: { boxes_at: a.batch * a.boxes * 4, scores: a.batch * a.classes * a.boxes },
    writes: { chosen: a.batch * a.classes * (1 + a.limit) },
  }),
  non_max_suppression_list: (a) => ({
    reads: { chosen: a.rows * (1 + a.limit) },
    writes: { y: a.rows * a.limit * 3, count: 1 },
  }),

  ...byteKernelExtents,
};
