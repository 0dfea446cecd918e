import { sliceChannels } from "../../conv-algebra/channels.js";
import { everyAxis } from "../../conv-algebra/geometry.js";
import type { LinearMap } from "../../conv-algebra/linear-map.js";
import { sliceOutput } from "../../conv-algebra/pad.js";
import { type SliceRange, sliceRange, sliceRanges } from "../../operators/slice.js";
import { type Refusal, refuse } from "../refusals.js";
import { type Context, isPlain, type LinearNode, type Part, type View } from "./linear-node.js";

/** Slice of channels only: rows of the kernel. */
export function channelSlice(context: Context): LinearNode | undefined {
  const [input] = context.node.inputs;
  const rank = context.shapes.get(input)?.length;
  if (rank === undefined || !hasConstantCuts(context)) return undefined;
  if (!cutsOf(context, rank).every(({ axis }) => axis === 1)) return undefined;
  return { kind: "split", input, parts: (map, view) => cutChannels(cutsOf(context, view.rank), map, view) };
}

/** Slice of positions, or of an unknown axis: negative padding with a stride; rows of the kernel where it takes channels too. */
export function slice(context: Context): LinearNode | Refusal {
  const { node, shapes } = context;
  const [input] = node.inputs;
  if (!hasConstantCuts(context)) return refuse("computed", "where it begins and ends is not constant");
  return {
    kind: "unary",
    input,
    free: false,
    macs: () => 0,
    after(map, view) {
      if (!isPlain(view, map)) return undefined;
      const cuts = cutsOf(context, view.rank);
      const channels = cutChannels(cuts, map, view);
      if ("refused" in channels) return channels;
      const [{ map: rows, share }] = channels;
      return share > 0 ? cutPositions(cuts, rows, view, shapes.get(input)?.slice(2) ?? []) : undefined;
    },
  };
}

/** Ends from here on mean "to the end". */
const toTheEnd = 2 ** 31 - 1;

const hasConstantCuts = ({ node, constants }: Context): boolean =>
  node.inputs.slice(1).every((name) => name === "" || constants.has(name));

/** What it cuts of a value of that rank, axes that stay whole left out. */
const cutsOf = ({ own }: Context, rank: number): readonly SliceRange[] =>
  (sliceRanges(own, rank) ?? []).filter(({ start, end, step }) => start !== 0 || end < toTheEnd || step !== 1);

function cutChannels(cuts: readonly SliceRange[], map: LinearMap, { channelAxis }: View): [Part] | Refusal {
  let [first, last] = [0, map.outChannels];
  for (const { axis, start, end, step } of cuts) {
    if (axis !== channelAxis) continue;
    if (step !== 1) return refuse("channel-steps", `it takes channels in steps of ${step}`);
    const taken = sliceRange(map.outChannels, start, end, 1);
    [first, last] = [taken.start, taken.start + taken.count];
  }
  const share = Math.max(0, last - first) / map.outChannels;
  return [{ map: share > 0 ? sliceChannels(map, first, last) : map, share }];
}

/** A map's output without the positions that these cuts leave out; cuts of channels are passed over. */
export function cutPositions(
  cuts: readonly SliceRange[],
  map: LinearMap,
  { rank }: View,
  sizes: readonly (number | string)[],
): LinearMap | Refusal {
  const axes = rank - 2;
  const pads = everyAxis(2 * axes, 0);
  const steps = everyAxis(axes, 1);
  for (const cut of cuts) {
    const axis = cut.axis - 2;
    if (axis === -1) continue;
    if (axis < 0) return refuse("batch-or-channels", "it takes a part of the batch");
    if (cut.step < 1) return refuse("backwards", "it takes positions backwards");
    const ends = cutEnds(cut, sizes[axis]);
    if (!ends) return refuse("unknown-size", "which positions it takes depends on an input size that is not known");
    [pads[axis], pads[axis + axes]] = ends;
    steps[axis] = cut.step;
  }
  return sliceOutput(map, pads, steps);
}

/** How many positions are left out at both ends, as negative pads; undefined where that depends on a size that is not known. */
function cutEnds({ start, end }: SliceRange, size: number | string | undefined): [number, number] | undefined {
  if (typeof size === "number") {
    const { start: first, count } = sliceRange(size, start, end, 1);
    return count < 1 ? undefined : [-first, first + count - size];
  }
  if (start < 0 || (end >= 0 && end < toTheEnd)) return undefined;
  return [-start, Math.min(0, end)] as [number, number];
}
