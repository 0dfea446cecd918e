import type { Tile, Touched } from "./kernel-touched.js";
import type { KernelArguments, KernelName } from "./kernels.generated.js";

// What the kernels of integer nets touch: positions of bytes are whole words.

type Args<K extends KernelName> = KernelArguments[K];

const roundUp = (n: number, multiple: number) => Math.ceil(n / multiple) * multiple;

/** Words of a position of so many channels. */
const row = (channels: number) => Math.ceil(channels / 4);

type Images = Pick<
  Args<"conv_u8_igemm_forward">,
  "batch" | "in_height" | "in_width" | "in_channels" | "out_height" | "out_width" | "out_channels" | "floats"
>;
const inputImages = (a: Images) => a.batch * a.in_height * a.in_width * row(a.in_channels);
const outputBytes = (a: Images) => a.batch * a.out_height * a.out_width * row(a.out_channels);
const outputImages = (a: Images) => (a.floats ? a.batch * a.out_height * a.out_width * a.out_channels : outputBytes(a));

/** What every integer convolution touches beside its packed weights. */
const convolution = (a: Images, packed: number) => ({
  reads: {
    ...{ x: inputImages(a), packed, bias: a.out_channels, multiplier: a.out_channels },
    "residual?": outputBytes(a),
  },
  writes: { y: outputImages(a) },
});

type Sides = { readonly in_channels: number; readonly out_channels: number; readonly groups: number };
const columns = ({ out_channels, groups }: Sides, { panelColumns }: Tile) =>
  groups * roundUp(out_channels / groups, panelColumns);
const igemmWords = (a: Sides, taps: number, tile: Tile) => columns(a, tile) * taps * row(a.in_channels / a.groups);
/** Bytes of nine taps, and one more number for each output. */
const winogradWords = (a: Sides, tile: Tile) => columns(a, tile) * (9 * row(a.in_channels / a.groups) + 1);
/** Words of int8 weights. */
const weightWords = (a: Sides, taps: number) => Math.ceil((taps * a.in_channels * a.out_channels) / a.groups / 4);

const winogradForward = (a: Args<"conv_u8_winograd2_forward">, tile: Tile) => convolution(a, winogradWords(a, tile));

type Pool = Pick<
  Args<"u8_max_pool_forward">,
  "batch" | "in_height" | "in_width" | "channels" | "out_height" | "out_width"
>;
const pooled = (a: Pool) => ({
  reads: { x: a.batch * a.in_height * a.in_width * row(a.channels) },
  writes: { y: a.batch * a.out_height * a.out_width * row(a.channels) },
});

/** Words that `channels` bytes of each row touch, from byte `offset` of rows of `bytes` bytes. */
const partsOfRows = (rows: number, channels: number, bytes: number, offset: number) =>
  rows > 0 && channels > 0
    ? ([Math.floor(offset / 4), Math.ceil(((rows - 1) * bytes + offset + channels) / 4)] as const)
    : 0;

export const byteKernelExtents = {
  u8_quantize_forward: (a: Args<"u8_quantize_forward">) => ({
    reads: { x: a.rows * a.channels },
    writes: { y: a.rows * row(a.channels) },
  }),
  u8_dequantize_forward: (a: Args<"u8_dequantize_forward">) => ({
    reads: { x: a.rows * row(a.channels) },
    writes: { y: a.rows * a.channels },
  }),
  u8_requantize_forward: (a: Args<"u8_requantize_forward">) => ({
    reads: { x: partsOfRows(a.rows, a.channels, a.x_row, a.x_offset) },
    writes: { y: partsOfRows(a.rows, a.channels, a.y_row, a.y_offset) },
  }),
  u8_table_forward: (a: Args<"u8_table_forward">) => ({
    reads: { x: partsOfRows(a.rows, a.channels, a.x_row, a.x_offset), table: 64 * (a.by_channel ? a.channels : 1) },
    writes: { y: partsOfRows(a.rows, a.channels, a.y_row, a.y_offset) },
  }),
  u8_add_forward: ({ n }: Args<"u8_add_forward">) => ({
    reads: { a: Math.ceil(n / 4), b: Math.ceil(n / 4) },
    writes: { y: Math.ceil(n / 4) },
  }),
  u8_multiply_channel_forward: (a: Args<"u8_multiply_channel_forward">) => ({
    reads: { x: a.batch * a.positions * row(a.channels), scale: a.batch * row(a.channels) },
    writes: { y: a.batch * a.positions * row(a.channels) },
  }),
  u8_max_pool_forward: pooled,
  u8_average_pool_forward: pooled,
  u8_global_average_pool_forward: (a: Args<"u8_global_average_pool_forward">) => ({
    reads: { x: a.batch * a.positions * row(a.channels) },
    writes: { y: a.batch * (a.floats ? a.channels : row(a.channels)) },
  }),

  conv_u8_igemm_pack: (a: Args<"conv_u8_igemm_pack">, tile: Tile) => ({
    reads: { weight: weightWords(a, a.taps) },
    writes: { packed: igemmWords(a, a.taps, tile) },
  }),
  conv_u8_igemm_forward: (a: Args<"conv_u8_igemm_forward">, tile: Tile) =>
    convolution(a, igemmWords(a, a.kernel_height * a.kernel_width, tile)),
  conv_u8_winograd_pack: (a: Args<"conv_u8_winograd_pack">, tile: Tile) => ({
    reads: { weight: weightWords(a, 9) },
    writes: { packed: winogradWords(a, tile) },
  }),
  conv_u8_winograd2_forward: winogradForward,
  conv_u8_winograd4_forward: winogradForward,
  conv_u8_winograd4_stride2_forward: winogradForward,
  conv_u8_depthwise_pack: (a: Args<"conv_u8_depthwise_pack">) => ({
    reads: { weight: Math.ceil((a.taps * a.channels) / 4) },
    writes: { packed: a.taps * row(a.channels) },
  }),
  conv_u8_depthwise_forward: (a: Args<"conv_u8_depthwise_forward">) =>
    convolution(a, a.kernel_height * a.kernel_width * row(a.in_channels)),
} satisfies { readonly [K in KernelName]?: (a: Args<K>, tile: Tile) => Touched<K> };
