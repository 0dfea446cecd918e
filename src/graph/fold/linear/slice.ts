import { sliceChannels } from "../../../conv-algebra/channels.js";
import { everyAxis } from "../../../conv-algebra/geometry.js";
import type { LinearMap, Refusal } from "../../../conv-algebra/linear-map.js";
import { sliceOutput } from "../../../conv-algebra/pad.js";
import { sliceRange } from "../../evaluate/layout.js";
import { type ChannelRange, integers } from "./channel-nodes.js";
import { axisOf, type Context, isPlain, type LinearNode, type View } from "./linear-node.js";

/** What a Slice takes along one axis; `end` may be beyond the axis. */
interface Cut {
  readonly axis: number;
  readonly start: number;
  readonly end: number;
  readonly step: number;
}

/** Slice of channels or positions: rows of the kernel, and negative padding with a stride. */
export function slice(context: Context): LinearNode | Refusal | undefined {
  const { node, shapes } = context;
  const [input] = node.inputs;
  const starts = integers(context, 1, "starts");
  const ends = integers(context, 2, "ends");
  const axes = node.inputs[3] || node.attributes.axes ? integers(context, 3, "axes") : starts?.map((_, i) => i);
  const steps = node.inputs[4] ? integers(context, 4, "steps") : starts?.map(() => 1);
  if (!starts || !ends || !axes || !steps) return { refused: "where it begins and ends is not constant" };
  const whole = (i: number): boolean => starts[i] === 0 && ends[i] >= 2 ** 31 - 1 && steps[i] === 1;
  const cuts = axes.flatMap((axis, i): Cut[] =>
    whole(i) ? [] : [{ axis, start: starts[i], end: ends[i], step: steps[i] }],
  );
  const known = shapes.get(input)?.length;
  const channelsOnly = cuts.every(({ axis }) => axis === 1 || (known !== undefined && axisOf(axis, known) === 1));
  if (channelsOnly) return { kind: "split", input, ranges: (channels, view) => cutChannels(cuts, channels, view) };
  return {
    kind: "unary",
    input,
    free: false,
    macs: () => 0,
    after(map, view) {
      if (!isPlain(view, map)) return undefined;
      const channels = cutChannels(cuts, map.outChannels, view);
      const [range] = "refused" in channels ? [] : channels;
      if ("refused" in channels || !range || range[0] >= range[1]) return "refused" in channels ? channels : undefined;
      const rows = sliceChannels(map, ...range);
      return cutPositions(cuts, rows, view, shapes.get(input)?.slice(2) ?? []);
    },
  };
}

function cutChannels(cuts: readonly Cut[], channels: number, { rank, channelAxis }: View): [ChannelRange] | Refusal {
  let range: ChannelRange = [0, channels];
  for (const { axis, start, end, step } of cuts) {
    if (axisOf(axis, rank) !== channelAxis) continue;
    if (step !== 1) return { refused: `it takes channels in steps of ${step}` };
    const taken = sliceRange(channels, start, end, 1);
    range = [taken.start, taken.start + taken.count];
  }
  return [range];
}

function cutPositions(
  cuts: readonly Cut[],
  map: LinearMap,
  { rank }: View,
  sizes: readonly (number | string)[],
): LinearMap | Refusal {
  const axes = rank - 2;
  const pads = everyAxis(2 * axes, 0);
  const steps = everyAxis(axes, 1);
  for (const cut of cuts) {
    const axis = axisOf(cut.axis, rank) - 2;
    if (axis === -1) continue;
    if (axis < 0) return { refused: "it takes a part of the batch" };
    if (cut.step < 1) return { refused: "it takes positions backwards" };
    const ends = cutEnds(cut, sizes[axis]);
    if (!ends) return { refused: "which positions it takes depends on an input size that is not known" };
    [pads[axis], pads[axis + axes]] = ends;
    steps[axis] = cut.step;
  }
  return sliceOutput(map, pads, steps);
}

/** How many positions are left out at both ends, as negative pads; undefined where that depends on a size that is not known. */
function cutEnds({ start, end }: Cut, size: number | string | undefined): [number, number] | undefined {
  if (typeof size === "number") {
    const { start: first, count } = sliceRange(size, start, end, 1);
    return count < 1 ? undefined : [-first, first + count - size];
  }
  if (start < 0 || (end >= 0 && end < 2 ** 31 - 1)) return undefined;
  return [-start, Math.min(0, end)] as [number, number];
}
