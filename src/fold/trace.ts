import type { MapGeometry } from "../conv-algebra/geometry.js";
import type { GraphNode } from "../graph/graph.js";
import type { Propagation } from "./candidates.js";

/** A node of a region: by which rule it is linear, and what the values are that it gives. Plain data. */
export interface TraceStep {
  readonly node: string;
  readonly op: string;
  /** Its rule's id: its page is `docs/fold/<rule>.md`. */
  readonly rule: string;
  /** The values that it gives, as maps of the region's source. */
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
}

/** The nodes of a region, in their order, with what the source has become after each. */
export function traceRegion(
  nodes: readonly GraphNode[],
  source: string,
  { candidates, rules }: Pick<Propagation, "candidates" | "rules">,
): TraceStep[] {
  return nodes.map((node) => ({
    node: node.name,
    op: node.op,
    rule: rules.get(node)!.id,
    maps: node.outputs.flatMap((value): TracedMap[] => {
      const found = candidates.get(value)?.find((candidate) => candidate.source === source);
      if (!found) return [];
      const { inChannels, outChannels, groups, kernelSize, stride, pads, dilation, upsampling } = found.map;
      const { permutation } = found;
      const geometry = { inChannels, outChannels, groups, kernelSize, stride, pads, dilation, upsampling };
      return [{ value, ...geometry, ...(permutation && { permutation }) }];
    }),
  }));
}
