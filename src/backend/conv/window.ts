import { type ConvGeometry, convOutHeight, convOutWidth } from "../../core/conv-geometry.js";
import type { KernelArguments } from "../kernels.generated.js";
import { convSizes } from "./sizes.js";

/** The arguments of `conv_*_forward` kernels that say which input each output reads (kernels/conv_window.h). */
export type ConvWindow = Pick<
  KernelArguments["conv_igemm_forward"],
  | ("batch" | "in_height" | "in_width" | "in_channels" | "out_height" | "out_width" | "out_channels")
  | ("grid_height" | "grid_width" | "taps_y" | "taps_x" | "stride_y" | "stride_x" | "offset_y" | "offset_x")
  | ("step_y" | "step_x" | "out_stride_y" | "out_stride_x" | "out_offset_y" | "out_offset_x")
>;

/** Which taps of the kernel a window's taps are: index first + tap · step on each axis. */
export interface WindowTaps {
  readonly first_y: number;
  readonly first_x: number;
  readonly tap_step_y: number;
  readonly tap_step_x: number;
}

/** A part of a convolution that is one kernel call. */
export interface ConvPhase {
  readonly window: ConvWindow;
  readonly taps: WindowTaps;
}

export function forwardWindow(g: ConvGeometry): ConvPhase {
  return {
    window: {
      ...convSizes(g),
      grid_height: convOutHeight(g),
      grid_width: convOutWidth(g),
      taps_y: g.kernelHeight,
      taps_x: g.kernelWidth,
      stride_y: g.strideHeight,
      stride_x: g.strideWidth,
      offset_y: -g.padTop,
      offset_x: -g.padLeft,
      step_y: g.dilationHeight,
      step_x: g.dilationWidth,
      out_stride_y: 1,
      out_stride_x: 1,
      out_offset_y: 0,
      out_offset_x: 0,
    },
    taps: { first_y: 0, first_x: 0, tap_step_y: 1, tap_step_x: 1 },
  };
}

/**
 * The gradient of the input as convolutions of the output's gradient: one for each residue of the input position by the
 * stride. Each uses the taps that reach its positions, so nothing is multiplied by the zeros of a strided gradient, and
 * each position is written by one window only. A window with no taps writes zeros.
 */
export function backwardDataWindows(g: ConvGeometry): ConvPhase[] {
  const outHeight = convOutHeight(g);
  const outWidth = convOutWidth(g);
  const rows = axisPhases(g.height, g.kernelHeight, g.strideHeight, g.padTop, g.dilationHeight);
  const columns = axisPhases(g.width, g.kernelWidth, g.strideWidth, g.padLeft, g.dilationWidth);
  return rows.flatMap((y) =>
    columns.map((x) => ({
      window: {
        batch: g.batch,
        in_height: outHeight,
        in_width: outWidth,
        in_channels: g.outChannels,
        out_height: g.height,
        out_width: g.width,
        out_channels: g.inChannels,
        grid_height: y.grid,
        grid_width: x.grid,
        taps_y: x.taps === 0 ? 0 : y.taps,
        taps_x: y.taps === 0 ? 0 : x.taps,
        stride_y: 1,
        stride_x: 1,
        offset_y: y.offset,
        offset_x: x.offset,
        step_y: y.step,
        step_x: x.step,
        out_stride_y: g.strideHeight,
        out_stride_x: g.strideWidth,
        out_offset_y: y.phase,
        out_offset_x: x.phase,
      },
      taps: { first_y: y.first, first_x: x.first, tap_step_y: y.period, tap_step_x: x.period },
    })),
  );
}

/**
 * One axis: input position phase + stride·j receives tap k from output position (phase + stride·j + pad − k·dilation) / stride
 * where that is whole. Those taps are first, first + period, …; they read j + offset, j + offset + step, …
 */
function axisPhases(size: number, kernel: number, stride: number, pad: number, dilation: number) {
  const period = stride / greatestCommonDivisor(stride, dilation);
  return Array.from({ length: Math.min(stride, size) }, (_, phase) => {
    let first = 0;
    while (first < kernel && (phase + pad - first * dilation) % stride !== 0) first++;
    const taps = first < kernel ? Math.floor((kernel - 1 - first) / period) + 1 : 0;
    return {
      phase,
      grid: Math.ceil((size - phase) / stride),
      first,
      period,
      taps,
      offset: taps === 0 ? 0 : (phase + pad - first * dilation) / stride,
      step: (-period * dilation) / stride,
    };
  });
}

function greatestCommonDivisor(a: number, b: number): number {
  return b === 0 ? a : greatestCommonDivisor(b, a % b);
}

/** The share of a window's taps × positions that lie inside the input; what `batch_inner` order need not compute. */
export function insideShare(w: ConvWindow): number {
  const y = insideCount(w.grid_height, w.taps_y, w.stride_y, w.offset_y, w.step_y, w.in_height);
  const x = insideCount(w.grid_width, w.taps_x, w.stride_x, w.offset_x, w.step_x, w.in_width);
  return (y * x) / (w.grid_height * w.taps_y * w.grid_width * w.taps_x || 1);
}

function insideCount(grid: number, taps: number, stride: number, offset: number, step: number, size: number): number {
  let count = 0;
  for (let tap = 0; tap < taps; tap++) {
    for (let position = 0; position < grid; position++) {
      const at = position * stride + offset + tap * step;
      if (at >= 0 && at < size) count++;
    }
  }
  return count;
}
