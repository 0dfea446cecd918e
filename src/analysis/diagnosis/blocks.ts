import { inMemory } from "../../core/deferred-array.js";
import { f32, toFloat64 } from "../../core/named-arrays.js";
import { analyze } from "../../graph/analyze/analyze.js";
import { intAttribute } from "../../graph/attributes.js";
import { node as makeNode, uniqueName } from "../../graph/build.js";
import { eliminateDead } from "../../graph/eliminate.js";
import { planFold } from "../../graph/fold.js";
import type { Dimension, Graph, GraphNode } from "../../graph/graph.js";
import { comparable, geometryOfNode, type Kernel, type KernelGeometry, kernelOfNode } from "./kernel.js";

/** Linear nodes that fold into one convolution or fully connected layer: a RepVGG block, or a layer that is plain already. */
export interface LinearBlock {
  /** The value that it gives, before the activation: `stage1.0.rbr_reparam` in our own graphs. */
  readonly name: string;
  readonly source: string;
  readonly geometry: KernelGeometry;
  /** The block's own nodes as a graph: source → name. */
  readonly region: Graph;
  /** Its one kernel in float64, computed on each call. */
  kernel(): Kernel;
}

/** A graph as a chain of linear blocks with other operators between them. */
export interface BlockView {
  readonly graph: Graph;
  readonly blocks: readonly LinearBlock[];
  /** For each block the operators that follow it, up to the next block; in order. */
  readonly following: readonly (readonly string[])[];
}

/** BatchNormalization nodes that normalize by the statistics of the batch (in all spellings that ONNX has had). */
export function trainingModeNodes(graph: Graph): GraphNode[] {
  return graph.nodes.filter(
    (node) =>
      isBatchNorm(node) &&
      (intAttribute(node, "training_mode", 0) === 1 ||
        intAttribute(node, "is_test", 1) === 0 ||
        node.outputs.slice(1).some((output) => output !== "")),
  );
}

export const isBatchNorm = (node: GraphNode): boolean => node.op === "BatchNormalization" && node.domain === "";

/** The graph with every BatchNormalization in inference mode. */
export function inferenceMode(graph: Graph): Graph {
  const training = new Set(trainingModeNodes(graph));
  if (training.size === 0) return graph;
  const nodes = graph.nodes.map((node) => {
    if (!training.has(node)) return node;
    const { training_mode: _, is_test: __, ...attributes } = node.attributes;
    return { ...node, outputs: node.outputs.slice(0, 1), attributes };
  });
  return { ...graph, nodes };
}

/** Cuts a graph into its linear blocks, in order, by the fold pass (BatchNorm taken in inference mode). */
export function blockView(original: Graph): BlockView {
  const plan = planFold(inferenceMode(original), { precision: "f64" });
  const graph = plan.simplified;
  const { shapes } = analyze(graph);
  const regions = new Map(plan.regions.map((region) => [region.output, region]));
  const nodes = new Map(graph.nodes.map((node) => [node.name, node]));
  const blocks: LinearBlock[] = [];
  const following: string[][] = [];
  for (const node of plan.graph.nodes) {
    const [name, source] = [node.outputs[0], node.inputs[0]];
    const planned = regions.get(name);
    const own = planned ? planned.nodes.map((inside) => nodes.get(inside)!) : [node];
    const kernel = (): Kernel | undefined => {
      if (!planned) return kernelOfNode(node, graph.initializers, shapes.get(source));
      const numbers = new Map([
        [node.inputs[1], inMemory(planned.weight)],
        [node.inputs[2], planned.bias],
      ]);
      return kernelOfNode(node, numbers, shapes.get(source));
    };
    const convolves = planned ? isPlain(node, planned.weight.shape) : isLayer(node, graph);
    const geometry = convolves ? (geometryOfNode(node, shapes, graph.initializers) ?? kernel()) : undefined;
    if (!geometry) {
      following.at(-1)?.push(node.op);
      continue;
    }
    const region = regionGraph(graph, own, source, name, shapes.get(source));
    blocks.push({ name, source, geometry, region, kernel: () => kernel()! });
    following.push([]);
  }
  return { graph, blocks, following };
}

function isLayer(node: GraphNode, { initializers }: Graph): boolean {
  const weight = initializers.get(node.inputs[1]);
  return weight !== undefined && isPlain(node, weight.shape) && (!node.inputs[2] || initializers.has(node.inputs[2]));
}

/** A 2-D convolution or a fully connected layer: what can be compared kernel by kernel. */
function isPlain({ op, domain }: GraphNode, weight: readonly number[]): boolean {
  return domain === "" && weight.length === (op === "Conv" ? 4 : op === "Gemm" || op === "MatMul" ? 2 : -1);
}

function regionGraph(
  graph: Graph,
  nodes: readonly GraphNode[],
  source: string,
  name: string,
  shape: readonly Dimension[] | undefined,
): Graph {
  const read = new Set(nodes.flatMap(({ inputs }) => inputs));
  return {
    name,
    inputs: [{ name: source, dtype: "f64", shape }],
    outputs: [{ name, dtype: "f64", shape: undefined }],
    nodes,
    initializers: new Map([...graph.initializers].filter(([constant]) => read.has(constant))),
  };
}

/** The one kernel that a region's graph folds into; undefined where it does not. */
export function foldRegion(region: Graph): Kernel | undefined {
  // With a scale by one behind it even a single node is a region, which the pass folds.
  const taken = new Set([
    ...region.initializers.keys(),
    ...region.nodes.flatMap(({ name, outputs }) => [name, ...outputs]),
  ]);
  const [one, scaled] = ["one", "scaled"].map((name) => uniqueName(name, taken));
  const [output] = region.outputs;
  const plan = planFold(
    {
      ...region,
      outputs: [{ ...output, name: scaled }],
      nodes: [...region.nodes, makeNode("Mul", scaled, [output.name, one], [scaled])],
      initializers: new Map(region.initializers).set(one, f32([], Float32Array.of(1))),
    },
    { precision: "f64", maxCost: Number.POSITIVE_INFINITY },
  );
  const [planned, ...others] = plan.regions;
  if (!planned || others.length > 0 || plan.graph.nodes.length !== 1) return undefined;
  const [node] = plan.graph.nodes;
  const numbers = new Map([
    [node.inputs[1], inMemory(planned.weight)],
    [node.inputs[2], planned.bias],
  ]);
  return kernelOfNode(node, numbers, region.inputs[0].shape);
}

export interface BlockPair {
  readonly reference: LinearBlock;
  readonly candidate: LinearBlock;
}

/** Where two chains of blocks stop being the same chain. */
export interface ShapeBreak {
  readonly reference: LinearBlock | undefined;
  readonly candidate: LinearBlock | undefined;
}

/**
 * Pairs the blocks of two graphs: by name where all names and shapes are the same, else by position in the chain.
 * @returns the pairs that can be compared, in order, and the first place where the chains are shaped differently.
 */
export function pairBlocks(a: BlockView, b: BlockView): { pairs: BlockPair[]; shapeBreak: ShapeBreak | undefined } {
  const byName = new Map(b.blocks.map((block) => [block.name, block]));
  const fits = ({ name, geometry }: LinearBlock): boolean => {
    const other = byName.get(name);
    return other !== undefined && comparable(geometry, other.geometry);
  };
  const named = a.blocks.length === b.blocks.length && a.blocks.every(fits);
  const pairs: BlockPair[] = [];
  for (let at = 0; at < Math.max(a.blocks.length, b.blocks.length); at++) {
    const reference = a.blocks[at];
    const candidate = named ? byName.get(reference.name) : b.blocks[at];
    if (!reference || !candidate || !comparable(reference.geometry, candidate.geometry)) {
      return { pairs, shapeBreak: { reference, candidate } };
    }
    pairs.push({ reference, candidate });
  }
  return { pairs, shapeBreak: undefined };
}

/** A value that both graphs compute, under a name of its own in each. */
export interface ValuePair {
  readonly reference: string;
  readonly candidate: string;
}

/**
 * Values that two graphs have in common, in the reference's order: the blocks' outputs, paired by {@link pairBlocks}, and other
 * values of one name that stand between the same blocks (exporters number their values: one name alone proves nothing).
 */
export function pairValues(reference: Graph, candidate: Graph): ValuePair[] {
  const [a, b] = [blockView(reference), blockView(candidate)];
  const { pairs } = pairBlocks(a, b);
  const blocks = new Map(pairs.map((pair) => [pair.reference.name, pair.candidate.name]));
  const taken = new Set(blocks.values());
  const [here, there] = [
    blocksBefore(
      reference,
      pairs.map((pair) => pair.reference),
    ),
    blocksBefore(
      candidate,
      pairs.map((pair) => pair.candidate),
    ),
  ];
  const values = reference.nodes.flatMap((node) => node.outputs).filter((name) => name !== "");
  return values.flatMap((name): ValuePair[] => {
    const block = blocks.get(name);
    if (block !== undefined) return [{ reference: name, candidate: block }];
    const shared = !taken.has(name) && there.has(name) && here.get(name) === there.get(name);
    return shared ? [{ reference: name, candidate: name }] : [];
  });
}

/** For each value how many of the blocks have given their output before it. */
function blocksBefore(graph: Graph, blocks: readonly LinearBlock[]): Map<string, number> {
  const names = new Set(blocks.map(({ name }) => name));
  const places = new Map<string, number>();
  let passed = 0;
  for (const { outputs } of graph.nodes) {
    for (const output of outputs) {
      if (output === "") continue;
      places.set(output, passed);
      if (names.has(output)) passed++;
    }
  }
  return places;
}

/** The region with some of its nodes or constants replaced; nodes that nothing reads any more are left out. */
export function rewritten(
  region: Graph,
  change: {
    readonly nodes?: (node: GraphNode) => GraphNode | GraphNode[];
    readonly constants?: ReadonlyMap<string, Float64Array>;
  },
): Graph {
  const nodes = change.nodes ? region.nodes.flatMap(change.nodes) : region.nodes;
  const initializers = new Map(region.initializers);
  for (const [name, data] of change.constants ?? []) {
    initializers.set(name, { dtype: "f64", shape: initializers.get(name)?.shape ?? [data.length], data });
  }
  return eliminateDead({ ...region, nodes, initializers });
}

/** A constant of a region, in float64. */
export const constantOf = (region: Graph, name: string): Float64Array | undefined => {
  const array = region.initializers.get(name);
  return array && toFloat64(array);
};
