import type { MapGeometry, Sizes } from "./geometry.js";
import { product, weightCount } from "./geometry.js";

/**
 * A kernel that knows how to add itself into a larger one. Kernels are expressions: branches write straight into the
 * kernel of their sum, so that a region's fold allocates one array and a fold that is not wanted computes nothing.
 */
export interface Kernel {
  addTo(place: Placement): void;
  /** Its rows are dear to compute apart from one another (a composition): ask for all of them at once. */
  readonly whole: boolean;
  /** Height of the expression; 0 for stored kernels. */
  readonly depth: number;
}

/** Where a kernel adds itself. */
export interface Placement {
  /** [rows][at.inChannels / at.groups][…kernel] */
  readonly target: Float64Array;
  /** The output channels of `at` that the target holds; only they are written. */
  readonly rows: readonly [from: number, to: number];
  /** The target's geometry: its groups divide the kernel's own, its dilation divides the kernel's own taps and offsets. */
  readonly at: MapGeometry;
  /** From the target's first tap to the kernel's, in source positions; none for 0 along every axis. */
  readonly offset: Sizes;
  /** The output channel of `at` that is the kernel's output channel 0 (channel concatenation); negative where its first ones are left out. */
  readonly firstRow: number;
  /** The input channel of `at` that is the kernel's input channel 0; negative where its first ones, all zero in these rows, are left out. */
  readonly firstChannel: number;
  /** [own outChannels]: each output channel's weights are multiplied by it. */
  readonly factor?: Float64Array;
}

/** A kernel in a target of its own geometry. */
export const atItsPlace = { offset: [], firstRow: 0, firstChannel: 0 } as const;

const stored = { whole: false, depth: 0 } as const;

/** Numbers in memory (a typed array) or elsewhere; a run of them is asked for when it is needed, and valid until the next one is. */
export interface Numbers {
  readonly length: number;
  subarray(from: number, to: number): ArrayLike<number>;
}

/** A kernel that is stored: `weight` is [O, I/groups, …kernel] with geometry `own`. */
export function arrayKernel(weight: Numbers, own: MapGeometry): Kernel {
  return {
    ...stored,
    addTo({ target, at, rows, offset, factor, ...first }) {
      const place = rowPlacement(own, at, first, rows);
      const taps = tapPlacement(own, at, offset);
      const channels = own.inChannels / own.groups;
      const atTaps = product(at.kernelSize);
      const contiguous = taps.length === atTaps;
      const row = channels * taps.length;
      if (place.from >= place.to) return;
      const needed = weight.subarray(place.from * row, place.to * row);
      for (let o = place.from, from = 0; o < place.to; o++, from += row) {
        const scale = factor ? factor[o] : 1;
        if (contiguous) addScaled(target, place.start(o) * atTaps, needed, from, row, scale);
        else addSpread(target, place.start(o) * atTaps, atTaps, needed, from, taps, channels, scale);
      }
    },
  };
}

/** target[to + j] += scale · source[from + j], j < count. Small on purpose: the hot loop is compiled by itself. */
function addScaled(
  target: Float64Array,
  to: number,
  source: ArrayLike<number>,
  from: number,
  count: number,
  scale: number,
): void {
  for (let j = 0; j < count; j++) target[to + j] += scale * source[from + j];
}

/** The same with each channel's taps moved: target[to + i·stride + taps[t]] += scale · source[from + i·|taps| + t]. */
function addSpread(
  target: Float64Array,
  to: number,
  stride: number,
  source: ArrayLike<number>,
  from: number,
  taps: Int32Array,
  channels: number,
  scale: number,
): void {
  const count = taps.length;
  for (let i = 0; i < channels; i++) {
    for (let t = 0; t < count; t++) target[to + i * stride + taps[t]] += scale * source[from + i * count + t];
  }
}

/** The identity of each position. */
export function identityKernel(channels: number): Kernel {
  return new IdentityKernel(channels);
}

export class IdentityKernel implements Kernel {
  readonly whole = false;
  readonly depth = 0;
  constructor(readonly channels: number) {}

  addTo({ target, at, rows, offset, factor, ...first }: Placement): void {
    const { channels } = this;
    const own = { outChannels: channels, inChannels: channels, groups: channels };
    const place = rowPlacement(own, at, first, rows);
    const atTaps = product(at.kernelSize);
    const tap = tapAt(at, offset);
    for (let o = place.from; o < place.to; o++) target[place.start(o) * atTaps + tap] += factor ? factor[o] : 1;
  }
}

/** Rows of `of`, each multiplied by its factor. */
export function scaledKernel(of: Kernel, scale: Float64Array): Kernel {
  return {
    ...above([of]),
    addTo(place) {
      const { factor } = place;
      of.addTo({ ...place, factor: factor ? factor.map((f, o) => f * scale[o]) : scale });
    },
  };
}

/** A kernel inside a sum or a concatenation. */
export interface Part {
  readonly kernel: Kernel;
  readonly outChannels: number;
  /** From the common kernel's first tap to this one's, in source positions. */
  readonly offset: Sizes;
  /** From the common kernel's first input channel to this one's. */
  readonly channel: number;
}

/** The sum of kernels. */
export function sumKernel(parts: readonly Part[]): Kernel {
  return {
    ...above(parts.map(({ kernel }) => kernel)),
    addTo(place) {
      for (const { kernel, offset, channel } of parts) {
        kernel.addTo({
          ...place,
          offset: moved(place.offset, offset),
          firstChannel: place.firstChannel + channel,
        });
      }
    },
  };
}

/** Output channels of several kernels after one another. */
export function stackedKernel(parts: readonly Part[]): Kernel {
  return {
    ...above(parts.map(({ kernel }) => kernel)),
    addTo(place) {
      let row = 0;
      for (const part of parts) {
        const { factor, ...rest } = place;
        part.kernel.addTo({
          ...rest,
          firstRow: place.firstRow + row,
          firstChannel: place.firstChannel + part.channel,
          offset: moved(place.offset, part.offset),
          ...(factor && { factor: factor.subarray(row, row + part.outChannels) }),
        });
        row += part.outChannels;
      }
    },
  };
}

/** The output channels [first, last) of a kernel, without its first `skipped` input channels, of which these rows read none. */
export function rowsKernel(of: Kernel, outChannels: number, [first, last]: Placement["rows"], skipped: number): Kernel {
  return {
    ...above([of]),
    addTo({ target, at, rows, factor, ...place }) {
      const from = Math.max(rows[0], place.firstRow);
      const to = Math.min(rows[1], place.firstRow + last - first);
      if (from >= to) return;
      const row = (at.inChannels / at.groups) * product(at.kernelSize);
      const factors = factor && new Float64Array(outChannels);
      factors?.set(factor!, first);
      of.addTo({
        ...place,
        target: target.subarray((from - rows[0]) * row), // as far as its end: only the rows [from, to) are written
        at,
        rows: [from, to],
        firstRow: place.firstRow - first,
        firstChannel: place.firstChannel - skipped,
        ...(factors && { factor: factors }),
      });
    },
  };
}

function above(kernels: readonly Kernel[]): Pick<Kernel, "whole" | "depth"> {
  return { whole: kernels.some(({ whole }) => whole), depth: 1 + Math.max(...kernels.map(({ depth }) => depth)) };
}

function moved(a: Sizes, b: Sizes): Sizes {
  return b.map((by, axis) => by + (a[axis] ?? 0));
}

/** The operands of {@link composedKernel}: numbers and geometry. */
export interface Operand {
  readonly kernel: Kernel;
  readonly geometry: MapGeometry;
}

/**
 * outer ∘ inner: W[o, i, a·dₒ·sᵢ + b·dᵢ] += Σ_m Wₒ[o, m, a] · Wᵢ[m, i, b] (Diverse Branch Block, transform III, for any
 * kernels). For each output channel and outer tap a row of a matrix product, then moved to its place.
 */
export function composedKernel(outer: Operand, inner: Operand, own: MapGeometry): Kernel {
  return {
    whole: true,
    depth: 1 + Math.max(outer.kernel.depth, inner.kernel.depth),
    addTo({ target, at, rows, offset, factor, ...first }) {
      const [go, gi] = [outer.geometry, inner.geometry];
      const outerWeight = materialize(outer);
      const innerWeight = materialize(inner);
      const outerTaps = product(go.kernelSize);
      const innerTaps = product(gi.kernelSize);
      const middle = go.inChannels / go.groups;
      const innerChannels = gi.inChannels / gi.groups;
      const channels = own.inChannels / own.groups;
      const taps = composedTaps(go, gi, own, tapPlacement(own, at, offset));
      const place = rowPlacement(own, at, first, rows);
      const atTaps = product(at.kernelSize);
      const row = new Float64Array(channels * innerTaps);
      for (let o = place.from; o < place.to; o++) {
        const firstMiddle = Math.floor(o / (go.outChannels / go.groups)) * middle;
        const firstInput = Math.floor(o / (own.outChannels / own.groups)) * channels;
        for (let a = 0; a < outerTaps; a++) {
          row.fill(0);
          for (let m = 0; m < middle; m++) {
            const weight = outerWeight[(o * middle + m) * outerTaps + a];
            if (weight === 0) continue;
            const input = Math.floor((firstMiddle + m) / (gi.outChannels / gi.groups)) * innerChannels - firstInput;
            const from = (firstMiddle + m) * innerChannels * innerTaps;
            addScaled(row, input * innerTaps, innerWeight, from, innerChannels * innerTaps, weight);
          }
          const placed = taps.subarray(a * innerTaps, (a + 1) * innerTaps);
          addSpread(target, place.start(o) * atTaps, atTaps, row, 0, placed, channels, factor ? factor[o] : 1);
        }
      }
    },
  };
}

function materialize({ kernel, geometry }: Operand): Float64Array {
  const target = new Float64Array(weightCount(geometry));
  kernel.addTo({ target, at: geometry, rows: [0, geometry.outChannels], ...atItsPlace });
  return target;
}

/** Target tap of each (outer tap, inner tap): [outer taps][inner taps]. */
function composedTaps(outer: MapGeometry, inner: MapGeometry, own: MapGeometry, placed: Int32Array): Int32Array {
  const unit = tapSteps(own);
  const outerSteps = unit.map((u, axis) => outer.dilation[axis] * inner.stride[axis] * u);
  const innerSteps = unit.map((u, axis) => inner.dilation[axis] * outer.upsampling[axis] * u);
  const sizes = [...outer.kernelSize, ...inner.kernelSize];
  return lattice(sizes, [...outerSteps, ...innerSteps], 0).map((tap) => placed[tap]);
}

/** Target tap of each own tap: (offset + t·d) / dₐₜ. */
function tapPlacement(own: MapGeometry, at: MapGeometry, offset: Sizes): Int32Array {
  const steps = tapSteps(at).map((step, axis) => step * own.dilation[axis]);
  return lattice(own.kernelSize, steps, tapAt(at, offset));
}

/** The tap that lies so many source positions from the first. */
function tapAt(at: MapGeometry, offset: Sizes): number {
  return tapSteps(at).reduce((tap, step, axis) => tap + step * (offset[axis] ?? 0), 0);
}

/** From one tap to that of the next source position along each axis (a fraction where the kernel is dilated). */
function tapSteps({ kernelSize, dilation }: MapGeometry): number[] {
  return kernelSize.map((_, axis) => product(kernelSize.slice(axis + 1)) / dilation[axis]);
}

/** first + Σ coordinate·step over all coordinates of a box, the last axis fastest. */
function lattice(sizes: Sizes, steps: Sizes, first: number): Int32Array {
  let points = [first];
  sizes.forEach((size, axis) => {
    points = points.flatMap((point) => Array.from({ length: size }, (_, t) => point + t * steps[axis]));
  });
  return Int32Array.from(points, Math.round);
}

/** The own output channels [from, to) that fall into the target's rows, and where the weights of each begin, in units of taps. */
function rowPlacement(
  own: Pick<MapGeometry, "outChannels" | "inChannels" | "groups">,
  at: MapGeometry,
  { firstRow, firstChannel }: Pick<Placement, "firstRow" | "firstChannel">,
  rows: Placement["rows"],
): { from: number; to: number; start(o: number): number } {
  const ownRows = own.outChannels / own.groups;
  const ownChannels = own.inChannels / own.groups;
  const atRows = at.outChannels / at.groups;
  const atChannels = at.inChannels / at.groups;
  return {
    from: Math.max(0, rows[0] - firstRow),
    to: Math.min(own.outChannels, rows[1] - firstRow),
    start(o) {
      const row = firstRow + o;
      const input = firstChannel + Math.floor(o / ownRows) * ownChannels - Math.floor(row / atRows) * atChannels;
      return (row - rows[0]) * atChannels + input;
    },
  };
}
