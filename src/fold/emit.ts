import { macsPerPosition } from "../conv-algebra/geometry.js";
import type { DType, NamedArray } from "../core/named-arrays.js";
import type { Analysis } from "../graph/analyze/analyze.js";
import { Names } from "../graph/build.js";
import { isInteger } from "../graph/evaluate/tensor64.js";
import type { Graph, GraphNode } from "../graph/graph.js";
import type { FloatType, Precision } from "../graph/precision.js";
import { roundTo } from "../graph/precision.js";
import { readBySubgraphs, valueNames } from "../graph/subgraphs.js";
import type { Propagation } from "./candidates.js";
import { naturalMap } from "./form.js";
import { describeForm, regionNodes, weightArray } from "./region-nodes.js";
import type { FoldReport, RegionReport } from "./report.js";
import type { Region, Selection } from "./select.js";
import { traceRegion } from "./trace.js";

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
  /**
   * As its operator stores it: [O, I/groups, …kernel] of Conv, [I, O/groups, …kernel] of ConvTranspose, [O, I] of Gemm, [I, O] of MatMul, one
   * number a channel of Mul; computed when asked for, in float64, and rounded once.
   */
  readonly weight: NamedArray;
  /** [O] */
  readonly bias: NamedArray;
}

/** The graph with each region's nodes replaced by its convolution, and the convolutions' kernels as deferred arrays. */
export function emit(
  graph: Graph,
  { dtypes }: Pick<Analysis, "dtypes">,
  { regions, absorbed }: Selection,
  propagation: Propagation,
  precision: Precision | undefined,
): Pick<FoldPlan, "graph" | "regions"> {
  const kept = graph.nodes.filter((node) => !absorbed.has(node));
  const read = new Set([...kept.flatMap(({ inputs }) => inputs), ...readBySubgraphs(graph).keys()]);
  const initializers = new Map([...graph.initializers].filter(([name]) => read.has(name) || isOutput(graph, name)));
  const nodeNames = new Names(kept.map(({ name }) => name));
  const values = valueNames({ ...graph, initializers });
  const planned = new Map<GraphNode, PlannedRegion>();
  const nodes = graph.nodes.flatMap((node) => {
    const region = regions.get(node);
    if (!region) return absorbed.has(node) ? [] : [node];
    const { output, candidate, form } = region;
    const names = { weight: values.take(`${output}.weight`), bias: values.take(`${output}.bias`) };
    const map = naturalMap(region.nodes, candidate, form);
    const written = regionNodes({ ...region, map, names }, nodeNames, values);
    for (const [name, target] of written.targets) initializers.set(name, target);
    const type = precision ?? elementType(region, graph, dtypes);
    const bias: NamedArray = { dtype: "f64", shape: written.biasShape, data: map.bias };
    planned.set(node, {
      nodes: region.nodes.map(({ name }) => name),
      source: candidate.source,
      output,
      op: written.main.op,
      conv: written.main.name,
      form: describeForm(map, form),
      macsBefore: region.nodes.reduce((total, inside) => total + (propagation.macs.get(inside) ?? 0), 0),
      macsAfter: candidate.area * macsPerPosition(map),
      steps: traceRegion(region.nodes, candidate.source, propagation),
      names,
      weight: roundTo(weightArray(map, written, type === "f32" ? "f32" : "f64"), type, names.weight),
      bias: roundTo(bias, type, names.bias),
    });
    return written.nodes;
  });
  return { graph: { ...graph, nodes, initializers }, regions: [...planned.values()] };
}

const isOutput = (graph: Graph, name: string): boolean => graph.outputs.some((output) => output.name === name);

/** Operators whose constants, but for pads and the like, have the type of what they read. */
const sameType = new Set(["Add", "Conv", "ConvTranspose", "Div", "Gemm", "MatMul", "Mul", "Sub"]);

/**
 * The floating-point type of the value that a region gives, which its constants must have: by the operators' signatures. BatchNormalization's
 * parameters may have another one (since opset 15), and tell only where nothing else does.
 */
export function elementType(
  { nodes, output, candidate }: Region,
  { initializers }: Graph,
  dtypes: Analysis["dtypes"],
): FloatType {
  const constants = (ofType: boolean): (DType | undefined)[] =>
    nodes
      .filter(({ op }) => sameType.has(op) === ofType)
      .flatMap(({ inputs }) => inputs.map((input) => initializers.get(input)?.dtype));
  const known = [...constants(true), dtypes.get(output), dtypes.get(candidate.source), ...constants(false)];
  return (known.find((dtype) => dtype !== undefined && !isInteger(dtype)) as FloatType | undefined) ?? "f32";
}
