import type { MapGeometry } from "../conv-algebra/geometry.js";
import type { GraphNode } from "../graph/graph.js";
import type { Propagation } from "./candidates.js";

/** A node of a region: by which rule it is linear, and what the values are that it gives. Plain data. */
export interface TraceStep {
  /** Its name in the graph. */
  readonly node: string;
  /** Its ONNX operator. */
  readonly op: string;
  /** Its rule's id: its page is `docs/fold/<rule>.md`. Of a node that is linear only together with one behind it, that one's. */
  readonly rule: string;
  /** The values that it gives, as maps of the region's source; none where it is linear only together with a node behind it. */
  readonly maps: readonly TracedMap[];
}

/** A value as a map of its region's source, but for the numbers. */
export interface TracedMap
  extends Pick<
    MapGeometry,
    "inChannels" | "outChannels" | "groups" | "kernelSize" | "stride" | "pads" | "dilation" | "upsampling"
  > {
  readonly value: string;
  /** The value's axes as axes of what the map gives, where a Transpose lies in between. */
  readonly permutation?: readonly number[];
  /** The map is one of all numbers of an image, as features. */
  readonly ofPixels?: true;
}

/** The nodes of a region, in their order, with what the source has become after each. */
export function traceRegion(
  nodes: readonly GraphNode[],
  source: string,
  { candidates, rules }: Pick<Propagation, "candidates" | "rules">,
): TraceStep[] {
  /** By value: the rule that takes it in. */
  const readers = new Map<string, string>();
  const steps = nodes.toReversed().map((node): TraceStep => {
    const maps = node.outputs.flatMap((value) => tracedMap(value, source, candidates));
    const reader = node.outputs.find((value) => readers.has(value));
    const rule = maps.length > 0 || reader === undefined ? rules.get(node)!.id : readers.get(reader)!;
    for (const input of node.inputs) readers.set(input, rule);
    return { node: node.name, op: node.op, rule, maps };
  });
  return steps.reverse();
}

function tracedMap(value: string, source: string, candidates: Propagation["candidates"]): TracedMap[] {
  const found = candidates.get(value)?.find((candidate) => candidate.source === source);
  if (!found) return [];
  const { inChannels, outChannels, groups, kernelSize, stride, pads, dilation, upsampling } = found.map;
  const { permutation, image, flat } = found;
  const geometry = { inChannels, outChannels, groups, kernelSize, stride, pads, dilation, upsampling };
  return [{ value, ...geometry, ...(permutation && { permutation }), ...((image || flat) && { ofPixels: true }) }];
}
