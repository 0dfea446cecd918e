import { product, spatialRank } from "../conv-algebra/geometry.js";
import { identityMap, isRefusal, type LinearMap } from "../conv-algebra/linear-map.js";
import { pixelMap } from "../conv-algebra/pixels.js";
import type { Dimension } from "../graph/graph.js";
import { isUpright, type View } from "./linear/linear-node.js";

/** One way to see a value: as a linear map of an earlier value, its source. */
export interface Candidate extends View {
  readonly source: string;
  readonly map: LinearMap;
  /** There is a window or a matrix among its nodes, not only scales, shifts and channels that are moved. */
  readonly weighted: boolean;
  /** Positions of the value: of the image where its size is known, else for one of the nearest value before it of unknown size. */
  readonly area: number;
  /** Multiply-accumulates of the map as one convolution of the source. */
  readonly folded: number;
  /** Of the cheapest way from source to value that is known otherwise: node by node, or folded in parts. */
  readonly unfolded: number;
}

/** What a candidate says of how its value lies, and nothing else. */
export function viewOf({ rank, channelAxis, permutation, image, flat, lead }: View): View {
  return {
    ...{ rank, channelAxis },
    ...(permutation && { permutation }),
    ...(image && { image }),
    ...(flat && { flat }),
    ...(lead && { lead }),
  };
}

/** Whether two values that are maps of one source lie alike, so that they can be added. */
export function sameView(a: Candidate, b: Candidate): boolean {
  return (
    a.source === b.source &&
    a.rank === b.rank &&
    spatialRank(a.map) === spatialRank(b.map) &&
    a.map.sourceChannels === b.map.sourceChannels &&
    [a.permutation, a.image, a.flat, a.lead].join(";") === [b.permutation, b.image, b.flat, b.lead].join(";")
  );
}

/** A view behind a Transpose. */
export function transposed({ rank, channelAxis, permutation }: View, order: readonly number[]): View {
  const composed = order.map((axis) => permutation?.[axis] ?? axis);
  const inOrder = composed.every((axis, i) => axis === i);
  return { rank, channelAxis: order.indexOf(channelAxis), permutation: inOrder ? undefined : composed };
}

/** The value as the identity of itself: with `axes` of positions behind its channels, or none and the channels on the last axis. */
export function identityOf(value: string, channels: number, rank: number, axes: number): Candidate {
  const channelAxis = axes === 0 ? rank - 1 : 1;
  const map = identityMap(channels, axes);
  return { source: value, map, rank, channelAxis, weighted: false, area: 0, folded: 0, unfolded: 0 };
}

/** Numbers of an image up to which it is seen as features. */
const mostPixels = 2 ** 13;

/**
 * A candidate behind a Reshape (or Flatten) from one shape to another: another image of the same numbers, or other axes before the
 * features. Undefined where the Reshape mixes what the map keeps apart.
 * @param source the shape of the candidate's source
 */
export function reshapedView(
  candidate: Candidate,
  from: readonly Dimension[] | undefined,
  to: readonly Dimension[],
  source: readonly Dimension[] | undefined,
): Candidate | undefined {
  const { map, image, permutation, rank, channelAxis } = candidate;
  const made = { ...candidate, rank: to.length };
  const sizes = numbersOf(to.slice(1));
  const count = image ? product(image) : map.outChannels;
  if (image || isPixel(candidate, from)) {
    return sizes && product(sizes) === count && sizes.length > 0
      ? { ...made, image: sizes, channelAxis: 1 }
      : undefined;
  }
  const features = spatialRank(map) === 0 && !permutation && channelAxis === rank - 1;
  if (!features || to.length < 2 || to.at(-1) !== map.outChannels || from?.at(-1) !== map.outChannels) return undefined;
  const lead = to.slice(0, -1);
  const same = `${lead}` === `${source?.slice(0, -1)}`;
  return { ...made, channelAxis: to.length - 1, lead: same ? undefined : lead };
}

/** Whether a value is one position of channels that a pointwise map gives: [N, C, 1, 1]. */
function isPixel(candidate: Candidate, shape: readonly Dimension[] | undefined): boolean {
  const { map } = candidate;
  const pointwise = [...map.kernelSize, ...map.stride, ...map.upsampling].every((size) => size === 1);
  const unpadded = map.pads.every((p) => p === 0) && map.firstChannel === 0 && map.inChannels === map.sourceChannels;
  return isUpright(candidate) && spatialRank(map) === 2 && pointwise && unpadded && shape?.[2] === 1 && shape[3] === 1;
}

/** The value that a Reshape gives, as an image of its input's numbers; undefined where sizes are not known or there are too many. */
export function pixelsOf(
  value: string,
  from: readonly Dimension[] | undefined,
  to: readonly Dimension[],
): Candidate | undefined {
  const image = numbersOf(to.slice(1));
  const count = image && product(image);
  if (!count || count > mostPixels || !numbersOf(from?.slice(1) ?? [""])) return undefined;
  return { ...identityOf(value, count, to.length, 2), channelAxis: 1, image, flat: true };
}

/** A candidate as a map of all numbers of its source, whose shape is [N, …image]; undefined where it is none. */
export function asPixels(candidate: Candidate, source: readonly Dimension[] | undefined): Candidate | undefined {
  const image = numbersOf(source?.slice(1) ?? [""]);
  if (!isUpright(candidate) || spatialRank(candidate.map) === 0 || !image || product(image) > mostPixels)
    return undefined;
  const pixels = pixelMap(candidate.map, image);
  if (isRefusal(pixels)) return undefined;
  return { ...candidate, ...pixels, flat: true, area: 1 };
}

function numbersOf(sizes: readonly Dimension[]): readonly number[] | undefined {
  return sizes.every((size) => typeof size === "number") ? (sizes as readonly number[]) : undefined;
}
