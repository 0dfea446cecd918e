import { ofWholeSource } from "../../conv-algebra/channels.js";
import type { MapGeometry } from "../../conv-algebra/geometry.js";
import { macsPerPosition, weightCount } from "../../conv-algebra/geometry.js";
import { compactGroups } from "../../conv-algebra/groups.js";
import type { LinearMap } from "../../conv-algebra/linear-map.js";
import { writeWeight } from "../../conv-algebra/linear-map.js";
import { deferredArray } from "../../core/deferred-array.js";
import type { NamedArray } from "../../core/named-arrays.js";
import { storageConstructor } from "../../core/named-arrays.js";
import { int, intAttribute, ints } from "../attributes.js";
import { node as makeNode, Names } from "../build.js";
import type { Dimension, Graph, GraphNode } from "../graph.js";
import type { Precision } from "../precision.js";
import { roundTo } from "../precision.js";
import { readBySubgraphs } from "../subgraphs.js";
import type { Propagation } from "./candidates.js";
import type { FoldReport, RegionReport } from "./report.js";
import type { Region, Selection } from "./select.js";

/** A fold whose kernels are not computed yet: for writers that stream one convolution after the other. */
export interface FoldPlan {
  /** The graph whose nodes the regions name: the given one with its constants computed, without dead nodes, its sums bracketed. */
  readonly simplified: Graph;
  /** The folded graph, but for the new convolutions' initializers. */
  readonly graph: Graph;
  readonly regions: readonly PlannedRegion[];
  readonly report: Omit<FoldReport, "nodesBefore" | "nodesAfter">;
}

export interface PlannedRegion extends RegionReport {
  readonly names: { readonly weight: string; readonly bias: string };
  /** [O, I/groups, kh, kw], or [O, I] between fully connected layers; computed when asked for, in float64, and rounded once. */
  readonly weight: NamedArray;
  /** [O] */
  readonly bias: NamedArray;
}

/** The graph with each region's nodes replaced by its convolution, and the convolutions' kernels as deferred arrays. */
export function emit(
  graph: Graph,
  shapes: ReadonlyMap<string, readonly Dimension[]>,
  { regions, absorbed }: Selection,
  { macs }: Propagation,
  precision: Precision | undefined,
): Pick<FoldPlan, "graph" | "regions"> {
  const kept = graph.nodes.filter((node) => !absorbed.has(node));
  const read = new Set([...kept.flatMap(({ inputs }) => inputs), ...readBySubgraphs(graph).keys()]);
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
    const geometry = naturalMap(region);
    const type = precision ?? storedPrecision(region.nodes, graph);
    planned.set(node, {
      nodes: region.nodes.map(({ name }) => name),
      source: candidate.source,
      output,
      conv,
      form: describe(geometry),
      macsBefore: region.nodes.reduce((total, inside) => total + (macs.get(inside) ?? 0), 0),
      macsAfter: candidate.area * macsPerPosition(geometry),
      names,
      weight: weightArray(geometry, flat, type, names.weight),
      bias: roundTo({ dtype: "f64", shape: [geometry.outChannels], data: geometry.bias }, type, names.bias),
    });
    const inputs = [candidate.source, names.weight, names.bias];
    return [flat ? gemmNode(conv, inputs, output) : convNode(conv, inputs, output, geometry)];
  });
  return { graph: { ...graph, nodes, initializers }, regions: [...planned.values()] };
}

const isOutput = (graph: Graph, name: string): boolean => graph.outputs.some((output) => output.name === name);

/**
 * A region's map in its natural form: the groups that one of its convolutions has. Where none has them (they come from reconciling
 * several), the kernel gets as many groups as its zeros allow.
 */
export function naturalMap({ nodes, candidate }: Region): LinearMap {
  const map = ofWholeSource(candidate.map);
  const convolutions = nodes.filter(({ op }) => op === "Conv");
  const natural =
    convolutions.length === 0 || convolutions.some((node) => intAttribute(node, "group", 1) === map.groups);
  return natural ? map : compactGroups(map);
}

/** The map's kernel as a deferred array; parts are computed by whole rows. */
function weightArray(map: LinearMap, flat: boolean, type: Precision, name: string): NamedArray {
  const shape = [map.outChannels, map.inChannels / map.groups, ...(flat ? [] : map.kernelSize)];
  const row = weightCount(map) / map.outChannels;
  const exact = type === "f32" ? "f32" : "f64";
  const numbers = deferredArray(
    exact,
    shape,
    (target, from) => {
      const [first, last] = [Math.floor(from / row), Math.ceil((from + target.length) / row)];
      const length = (last - first) * row;
      const rows =
        length === target.length ? (target as FloatStorage) : (new storageConstructor[exact](length) as FloatStorage);
      writeWeight(map, rows, [first, last]);
      if (rows !== target)
        (target as FloatStorage).set(rows.subarray(from - first * row, from - first * row + target.length));
    },
    !map.kernel.whole,
  );
  return roundTo(numbers, type, name);
}

type FloatStorage = Float32Array | Float64Array;

/** The floating-point type of the constants that a region reads; the widest where they differ. */
export function storedPrecision(nodes: readonly GraphNode[], { initializers }: Graph): Precision {
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
