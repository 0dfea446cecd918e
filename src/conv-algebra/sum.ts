import type { MapGeometry, Sizes } from "./geometry.js";
import { describeKernel, extent, gcd, spatialRank } from "./geometry.js";
import type { Part } from "./kernel.js";
import { scaledKernel, sumKernel } from "./kernel.js";
import type { LinearMap, Refusal } from "./linear-map.js";

/**
 * Σ maps of one source and one output size, as one map (RepVGG §3.3; ACNet, arXiv:1908.03930, §3.3 for 1×3 and 3×1). Taps stay where they
 * are relative to the output position: a kernel with pads p sits max(p) − p deep in the common kernel, so a centred 1×1
 * lands in the centre of a 3×3. Groups become the greatest common divisor (a grouped kernel is a denser one with zeros), dilations the
 * largest step that meets all taps.
 *
 * @param sourceSize the source's spatial sizes where they are known: then output sizes need to agree for it only, not for every size.
 */
export function sum(maps: readonly LinearMap[], sourceSize?: Sizes): LinearMap | Refusal {
  const geometry = commonGeometry(maps, sourceSize, maps[0].outChannels);
  if ("refused" in geometry) return geometry;
  const other = maps.find((map) => map.outChannels !== geometry.outChannels);
  if (other)
    return { kind: "channels", refused: `branches give ${geometry.outChannels} and ${other.outChannels} channels` };
  const add = (of: (map: LinearMap) => Float64Array): Float64Array =>
    of(maps[0]).map((_, o) => maps.reduce((total, map) => total + of(map)[o], 0));
  return {
    ...geometry,
    kernel: sumKernel(partsIn(geometry, maps)),
    bias: add((map) => map.bias),
    biasScale: add((map) => map.biasScale),
  };
}

/** factor·map. */
export function scaledBy(map: LinearMap, factor: number): LinearMap {
  if (factor === 1) return map;
  return {
    ...map,
    kernel: scaledKernel(map.kernel, new Float64Array(map.outChannels).fill(factor)),
    bias: map.bias.map((b) => factor * b),
    biasScale: map.biasScale.map((b) => Math.abs(factor) * b),
  };
}

/** The maps' kernels as parts of one with the given geometry: each (max(p) − p) positions deep, at the channels that it reads. */
export function partsIn({ pads, firstChannel }: MapGeometry, maps: readonly LinearMap[]): Part[] {
  return maps.map(({ kernel, outChannels, pads: own, firstChannel: channel }) => ({
    kernel,
    outChannels,
    offset: own.slice(0, own.length / 2).map((before, axis) => pads[axis] - before),
    channel: channel - firstChannel,
  }));
}

/**
 * The smallest geometry that holds all the kernels, with `outChannels` rows. Maps that read other channels than one another
 * have a kernel without groups over all channels between the first and the last.
 */
export function commonGeometry(
  maps: readonly LinearMap[],
  sourceSize: Sizes | undefined,
  outChannels: number,
): MapGeometry | Refusal {
  const [first] = maps;
  if (maps.some((map) => map.sourceChannels !== first.sourceChannels)) {
    return { kind: "channels", refused: "branches read different channels" };
  }
  if (maps.some((map) => spatialRank(map) !== spatialRank(first))) {
    return { kind: "axes", refused: "branches have different numbers of spatial axes" };
  }
  const axes: CommonAxis[] = [];
  for (const axis of first.kernelSize.keys()) {
    const common = commonAxis(maps, axis, sourceSize?.[axis]);
    if ("refused" in common) return common;
    axes.push(common);
  }
  return {
    outChannels,
    ...commonChannels(maps),
    kernelSize: axes.map(({ size }) => size),
    stride: first.stride,
    pads: [...axes.map(({ before }) => before), ...axes.map(({ behind }) => behind)],
    dilation: axes.map(({ step }) => step),
    upsampling: first.upsampling,
  };
}

function commonChannels(
  maps: readonly LinearMap[],
): Pick<MapGeometry, "inChannels" | "firstChannel" | "sourceChannels" | "groups"> {
  const [{ sourceChannels, inChannels }] = maps;
  const firstChannel = Math.min(...maps.map((map) => map.firstChannel));
  const end = Math.max(...maps.map((map) => map.firstChannel + map.inChannels));
  const same = maps.every((map) => map.firstChannel === firstChannel && map.inChannels === inChannels);
  const groups = same ? maps.reduce((common, map) => gcd(common, map.groups), 0) : 1;
  return { inChannels: end - firstChannel, firstChannel, sourceChannels, groups };
}

interface CommonAxis {
  readonly before: number;
  readonly behind: number;
  readonly size: number;
  readonly step: number;
}

function commonAxis(maps: readonly LinearMap[], axis: number, sourceSize: number | undefined): CommonAxis | Refusal {
  const [{ stride: strides, upsampling: upsamplings, kernelSize }] = maps;
  const [stride, upsampling] = [strides[axis], upsamplings[axis]];
  if (maps.some((map) => map.upsampling[axis] !== upsampling)) {
    return { kind: "strides", refused: "branches spread their source over unequal numbers of positions" };
  }
  const strided = maps.find((map) => map.stride[axis] !== stride);
  if (strided)
    return { kind: "strides", refused: `branches have unequal strides, ${stride} and ${strided.stride[axis]}` };
  // Output size = ⌊((source − 1)·upsampling + 1 + growth) / stride⌋ + 1.
  const growths = maps.map((map) => map.pads[axis] + map.pads[axis + kernelSize.length] - extent(map, axis));
  const growth = Math.max(...growths);
  const size = sourceSize === undefined ? undefined : (sourceSize - 1) * upsampling + 1;
  const odd = growths.findIndex((g) =>
    size === undefined ? g !== growth : Math.floor((size + g) / stride) !== Math.floor((size + growth) / stride),
  );
  if (odd >= 0) {
    const [a, b] = [maps[odd], maps[growths.indexOf(growth)]];
    const unless = size === undefined ? " for every input size" : "";
    return {
      kind: "sizes",
      refused: `the ${describeKernel(a)} and ${describeKernel(b)} branches do not give one size${unless}`,
    };
  }
  const before = Math.max(...maps.map((map) => map.pads[axis]));
  let step = 0;
  let last = 0;
  for (const map of maps) {
    const offset = before - map.pads[axis];
    step = gcd(step, offset);
    if (map.kernelSize[axis] > 1) step = gcd(step, map.dilation[axis]);
    last = Math.max(last, offset + extent(map, axis) - 1);
  }
  step ||= 1;
  return { before, behind: last + 1 - before + growth, size: last / step + 1, step };
}
