import { roundHalfEven } from "../core/rounding.js";
import { outside } from "../graph/evaluate/axis-table.js";

export type GridSampleMode = "nearest" | "linear" | "cubic";
export type GridSamplePadding = "zeros" | "border" | "reflection";

/** `mode`, `padding_mode` and `align_corners` of ONNX's GridSample; operator set 16 calls linear bilinear and cubic bicubic. */
export interface GridSampleOptions {
  readonly mode: GridSampleMode;
  readonly padding: GridSamplePadding;
  readonly alignCorners: boolean;
}

interface Value {
  readonly shape: readonly number[];
  readonly data: Float64Array;
}

/**
 * Samples x [N, C, ...D] at the positions of grid [N, ...out, rank of D], last axis first, from −1 to 1 across each axis: y [N, C, ...out].
 * What is padded is the input, which is then interpolated (as PyTorch and ONNX Runtime do): cubic, too, sees padding beyond an edge.
 * Nearest rounds halves to the even neighbour. A position that is not a number is outside of everything: it gives 0, or what border
 * and reflection give for the first element.
 * Source: onnx/docs/Operators.md, GridSample-20; PyTorch's aten/native/GridSampler.h.
 */
export function gridSample(x: Value, grid: Value, options: GridSampleOptions): Value {
  const [batch, channels, ...sizes] = x.shape as [number, number, ...number[]];
  const rank = sizes.length;
  const shape = [batch, channels, ...grid.shape.slice(1, -1)];
  const positions = grid.shape.slice(1, -1).reduce((n, size) => n * size, 1);
  const pixels = sizes.reduce((n, size) => n * size, 1);
  const data = new Float64Array(batch * channels * positions);
  for (let n = 0; n < batch; n++) {
    for (let p = 0; p < positions; p++) {
      const at = (n * positions + p) * rank;
      const samples = product(sizes, (axis) => taps(grid.data[at + rank - 1 - axis]!, sizes[axis]!, options));
      for (let c = 0; c < channels; c++) {
        const plane = (n * channels + c) * pixels;
        let sum = 0;
        for (const { index, weight } of samples) sum += weight * x.data[plane + index]!;
        data[(n * channels + c) * positions + p] = sum;
      }
    }
  }
  return { shape, data };
}

interface Tap {
  readonly index: number;
  readonly weight: number;
}

/** Taps in all axes from those of each: offsets into one plane. Those outside or of weight 0 are left out. */
function product(sizes: readonly number[], axisTaps: (axis: number) => readonly Tap[]): readonly Tap[] {
  let all: readonly Tap[] = [{ index: 0, weight: 1 }];
  sizes.forEach((size, axis) => {
    const own = axisTaps(axis).filter(({ index, weight }) => index !== outside && weight !== 0);
    all = all.flatMap((outer) =>
      own.map(({ index, weight }) => ({ index: outer.index * size + index, weight: outer.weight * weight })),
    );
  });
  return all;
}

function taps(position: number, size: number, { mode, padding, alignCorners }: GridSampleOptions): readonly Tap[] {
  const at = alignCorners ? ((position + 1) / 2) * (size - 1) : ((position + 1) * size - 1) / 2;
  const tap = (index: number, weight: number): Tap => ({ index: padded(index, size, padding, alignCorners), weight });
  if (mode === "nearest") return [tap(roundHalfEven(at), 1)];
  const first = Math.floor(at);
  const part = at - first;
  if (mode === "linear") return [tap(first, 1 - part), tap(first + 1, part)];
  return [-1, 0, 1, 2].map((offset) => tap(first + offset, cubic(Math.abs(part - offset))));
}

/** Where element `index` of an axis is taken from, or {@link outside}. */
function padded(index: number, size: number, padding: GridSamplePadding, alignCorners: boolean): number {
  if (index >= 0 && index < size) return index;
  if (padding === "zeros") return outside;
  if (Number.isNaN(index)) return 0;
  if (padding === "border") return index < 0 ? 0 : size - 1;
  // Reflection about the first and last element (align_corners), or about their outer edges.
  const period = alignCorners ? 2 * (size - 1) : 2 * size;
  if (period === 0) return 0;
  const within = ((index % period) + period) % period;
  if (within < size) return within;
  return alignCorners ? period - within : period - 1 - within;
}

/** Keys' filter with a = −0.75. */
function cubic(distance: number): number {
  const a = -0.75;
  const d = distance;
  if (d <= 1) return ((a + 2) * d - (a + 3)) * d * d + 1;
  return d < 2 ? ((a * d - 5 * a) * d + 8 * a) * d - 4 * a : 0;
}
