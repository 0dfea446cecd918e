import type { MapGeometry } from "../../conv-algebra/geometry.js";
import { macsPerPosition, weightCount } from "../../conv-algebra/geometry.js";
import { compactGroups } from "../../conv-algebra/groups.js";
import type { LinearMap } from "../../conv-algebra/linear-map.js";
import { weightOf, writeWeight } from "../../conv-algebra/linear-map.js";
import type { NamedArray } from "../../core/named-arrays.js";
import { int, intAttribute, ints } from "../attributes.js";
import { node as makeNode, uniqueName } from "../build.js";
import type { Dimension, Graph, GraphNode } from "../graph.js";
import type { Precision } from "../precision.js";
import { roundTo } from "../precision.js";
import type { Propagation } from "./candidates.js";
import type { FoldReport, RegionReport } from "./report.js";
import type { Region, Selection } from "./select.js";

/** A fold whose numbers are not computed yet: for writers that stream one convolution after the other. */
export interface FoldPlan {
  /** The folded graph, but for the new convolutions' initializers. */
  readonly graph: Graph;
  readonly regions: readonly PlannedRegion[];
  readonly report: Omit<FoldReport, "nodesBefore" | "nodesAfter">;
}

export interface PlannedRegion extends RegionReport {
  readonly names: { readonly weight: string; readonly bias: string };
  /** Weight [O, I/groups, kh, kw] (or [O, I] between fully connected layers) and bias [O], computed in float64 and rounded once. */
  materialize(): { weight: NamedArray; bias: NamedArray };
}

/** The graph with each region's nodes replaced by its convolution, and the convolutions' numbers as promises. */
export function emit(
  graph: Graph,
  shapes: ReadonlyMap<string, readonly Dimension[]>,
  { regions, absorbed }: Selection,
  { macs }: Propagation,
  precision: Precision | undefined,
): Pick<FoldPlan, "graph" | "regions"> {
  const kept = graph.nodes.filter((node) => !absorbed.has(node));
  const read = new Set(kept.flatMap(({ inputs }) => inputs));
  const initializers = new Map([...graph.initializers].filter(([name]) => read.has(name) || isOutput(graph, name)));
  const nodeNames = new Names(kept.map(({ name }) => name));
  const valueNames = new Names([
    ...initializers.keys(),
    ...graph.inputs.map(({ name }) => name),
    ...graph.nodes.flatMap(({ outputs }) => outputs),
  ]);
  const planned = new Map<GraphNode, PlannedRegion>();
  const nodes = graph.nodes.flatMap((node) => {
    const region = regions.get(node);
    if (!region) return absorbed.has(node) ? [] : [node];
    const { output, candidate } = region;
    const conv = nodeNames.take(output);
    const names = { weight: valueNames.take(`${output}.weight`), bias: valueNames.take(`${output}.bias`) };
    const flat = shapes.get(candidate.source)?.length === 2;
    const { geometry, materialize } = kernelOf(region, graph, names, precision, flat);
    planned.set(node, {
      nodes: region.nodes.map(({ name }) => name),
      source: candidate.source,
      output,
      conv,
      form: describe(geometry),
      macsBefore: region.nodes.reduce((total, inside) => total + (macs.get(inside) ?? 0), 0),
      macsAfter: (candidate.folded / macsPerPosition(candidate.map)) * macsPerPosition(geometry),
      names,
      materialize,
    });
    const inputs = [candidate.source, names.weight, names.bias];
    return [flat ? gemmNode(conv, inputs, output) : convNode(conv, inputs, output, geometry)];
  });
  return { graph: { ...graph, nodes, initializers }, regions: [...planned.values()] };
}

const isOutput = (graph: Graph, name: string): boolean => graph.outputs.some((output) => output.name === name);

class Names {
  readonly #taken: Set<string>;
  constructor(taken: Iterable<string>) {
    this.#taken = new Set(taken);
  }
  take(name: string): string {
    const unique = uniqueName(name, this.#taken);
    this.#taken.add(unique);
    return unique;
  }
}

/**
 * A region's kernel in its natural form: the groups that one of its convolutions has. Where none has them (they come from reconciling
 * several), the kernel gets as many groups as its zeros allow.
 */
function kernelOf(
  { nodes, candidate: { map } }: Region,
  graph: Graph,
  names: PlannedRegion["names"],
  precision: Precision | undefined,
  flat: boolean,
): { geometry: LinearMap; materialize: PlannedRegion["materialize"] } {
  const convolutions = nodes.filter(({ op }) => op === "Conv");
  const type = precision ?? storedPrecision(nodes, graph);
  const natural =
    convolutions.length === 0 || convolutions.some((node) => intAttribute(node, "group", 1) === map.groups);
  const compact = natural ? undefined : compactGroups(map);
  const geometry = compact ?? map;
  return {
    geometry,
    materialize: () => ({
      weight: weightArray(geometry, flat, type, names.weight),
      bias: roundTo({ dtype: "f64", shape: [map.outChannels], data: map.bias }, type, names.bias),
    }),
  };
}

function weightArray(map: LinearMap, flat: boolean, type: Precision, name: string): NamedArray {
  const shape = [map.outChannels, map.inChannels / map.groups, ...(flat ? [] : map.kernelSize)];
  if (type !== "f32") return roundTo({ dtype: "f64", shape, data: weightOf(map) }, type, name);
  const data = new Float32Array(weightCount(map));
  writeWeight(map, data);
  return { dtype: "f32", shape, data };
}

/** The floating-point type of the constants that a region reads; the widest where they differ. */
function storedPrecision(nodes: readonly GraphNode[], { initializers }: Graph): Precision {
  const types = new Set(nodes.flatMap(({ inputs }) => inputs.map((input) => initializers.get(input)?.dtype)));
  if (types.has("f64")) return "f64";
  return types.has("f16") && !types.has("f32") ? "f16" : "f32";
}

function describe({ outChannels, inChannels, groups, kernelSize, stride, dilation }: MapGeometry): string {
  const dilated = dilation.some((d) => d > 1) ? `, dilation ${dilation.join("×")}` : "";
  return `${kernelSize.join("×")}, ${inChannels} → ${outChannels}, stride ${stride.join("×")}, groups ${groups}${dilated}`;
}

/** On [batch, features] a map is a fully connected layer. */
function gemmNode(name: string, inputs: readonly string[], output: string): GraphNode {
  return makeNode("Gemm", name, inputs, [output], { transB: int(1) });
}

function convNode(name: string, inputs: readonly string[], output: string, geometry: MapGeometry): GraphNode {
  return makeNode("Conv", name, inputs, [output], {
    dilations: ints(geometry.dilation),
    group: int(geometry.groups),
    kernel_shape: ints(geometry.kernelSize),
    pads: ints(geometry.pads),
    strides: ints(geometry.stride),
  });
}
