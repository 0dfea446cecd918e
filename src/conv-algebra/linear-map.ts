import type { MapGeometry } from "./geometry.js";
import { everyAxis, weightCount } from "./geometry.js";
import type { Kernel, Numbers } from "./kernel.js";
import { arrayKernel, atItsPlace, identityKernel } from "./kernel.js";

/**
 * An affine convolution from one source value x ([N, C, …positions], zero-padded) to one value y:
 *
 *     y[n, o, p] = bias[o] + Σ_{i, t} W[o, i, t] · x[n, i + group(o)·I/groups, p·stride − pads + t·dilation]
 *
 * Everything that folds is such a map: convolutions, BatchNorm in inference mode, constant scales and shifts, average pools,
 * the identity, and what sums and compositions make of them; and transposed convolutions, which are convolutions of a source with zeros
 * between its positions; and, without any spatial axis, matrices (Ding et al., RepVGG, arXiv:2101.03697, §3.3; Diverse Branch Block,
 * arXiv:2103.13425, §3.2). Maps are immutable; everything is float64. The kernel is computed when it is asked for ({@link weightOf}).
 */
export interface LinearMap extends MapGeometry {
  readonly kernel: Kernel;
  /** [outChannels] */
  readonly bias: Float64Array;
  /**
   * [outChannels]: the sum of the magnitudes of the terms that made each bias. A bias far below it is what is left of a
   * cancellation, rounding noise of the float32 constants in the file, and counts as zero where padding asks for zero.
   */
  readonly biasScale: Float64Array;
}

/** What stands between two maps and one. */
export type Obstacle =
  | "channels"
  | "axes"
  | "strides"
  | "sizes"
  | "bias-before-padding"
  | "input-beyond-the-edge"
  | "pad-value"
  | "strided-and-transposed"
  | "bias-before-transposed"
  | "pixels";

/** Why two maps cannot become one, in plain words. A refusal is a result, not an error. */
export interface Refusal<Kind extends string = Obstacle> {
  readonly kind: Kind;
  readonly refused: string;
}

export function isRefusal<T extends object>(result: T): result is Extract<T, Refusal<string>> {
  return "refused" in result;
}

/** A convolution as a map. `weight` is [O, I/groups, …kernel], any precision; it is not copied, nor read before it is needed. */
export function convolutionMap(
  weight: Numbers,
  bias: ArrayLike<number> | undefined,
  geometry: Partial<MapGeometry> & Pick<MapGeometry, "outChannels" | "inChannels" | "kernelSize">,
): LinearMap {
  const rank = geometry.kernelSize.length;
  const full: MapGeometry = {
    groups: 1,
    ...plainWindow(rank),
    ...{ firstChannel: 0, sourceChannels: geometry.inChannels },
    ...geometry,
  };
  const { outChannels, inChannels, groups, kernelSize } = full;
  if (inChannels % groups !== 0 || outChannels % groups !== 0) {
    throw new RangeError(`${inChannels} → ${outChannels} channels do not divide by ${groups} groups`);
  }
  if (weight.length !== weightCount(full)) {
    throw new RangeError(
      `${weight.length} weights do not fill ${outChannels}×${inChannels / groups}×${kernelSize.join("×")}`,
    );
  }
  const values = new Float64Array(outChannels);
  if (bias) values.set(bias);
  return { ...full, kernel: arrayKernel(weight, full), bias: values, biasScale: values.map(Math.abs) };
}

/** A window that looks at each position by itself. */
function plainWindow(rank: number): Pick<MapGeometry, "stride" | "pads" | "dilation" | "upsampling"> {
  const ones = everyAxis(rank, 1);
  return { stride: ones, pads: everyAxis(2 * rank, 0), dilation: ones, upsampling: ones };
}

/** y = x: a depthwise 1×1 map of ones (as a kernel, W[i, i mod C/g, centre] = 1; RepVGG §3.3). `rank`: spatial axes. */
export function identityMap(channels: number, rank = 2): LinearMap {
  return {
    outChannels: channels,
    inChannels: channels,
    firstChannel: 0,
    sourceChannels: channels,
    groups: channels,
    kernelSize: everyAxis(rank, 1),
    ...plainWindow(rank),
    kernel: identityKernel(channels),
    bias: new Float64Array(channels),
    biasScale: new Float64Array(channels),
  };
}

/** The kernel's numbers, [O, I/groups, …kernel], computed now and into a new array. */
export function weightOf(map: LinearMap): Float64Array {
  const target = new Float64Array(weightCount(map));
  map.kernel.addTo({ target, at: map, rows: [0, map.outChannels], ...atItsPlace });
  return target;
}

/** The same map; a kernel that has grown into a very high expression is computed now, so that no stack runs out later. */
export function settled(map: LinearMap): LinearMap {
  return map.kernel.depth < 100 ? map : { ...map, kernel: arrayKernel(weightOf(map), map) };
}

/** Rows are computed in blocks of about this many weights, which stay in the cache. */
const blockWeights = 2 ** 16;

/**
 * The kernel's numbers of the output channels [first, last) in another array type, each rounded once; by blocks of channels,
 * so that the float64 numbers of a large kernel never exist all at once.
 * @param target [last − first, I/groups, …kernel]
 */
export function writeWeight(
  map: LinearMap,
  target: Float32Array | Float64Array,
  [first, last]: readonly [first: number, last: number] = [0, map.outChannels],
): void {
  const row = weightCount(map) / map.outChannels;
  const height = map.kernel.whole ? last - first : Math.min(last - first, Math.ceil(blockWeights / row));
  const block = new Float64Array(height * row);
  for (let from = first; from < last; from += height) {
    const to = Math.min(last, from + height);
    map.kernel.addTo({ target: block, at: map, rows: [from, to], ...atItsPlace });
    moveRounded(target, (from - first) * row, block, (to - from) * row);
  }
}

/** target[to + j] = block[j], j < count; the block is left zero. */
function moveRounded(target: Float32Array | Float64Array, to: number, block: Float64Array, count: number): void {
  for (let j = 0; j < count; j++) {
    target[to + j] = block[j];
    block[j] = 0;
  }
}
