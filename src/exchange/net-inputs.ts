import { UserError } from "../core/errors.js";
import { axisKey, consistentSizes, isPosition, type OpenSizes } from "../graph/analyze/consistent-size.js";
import { intAttribute } from "../graph/attributes.js";
import type { Graph, ValueInfo } from "../graph/graph.js";
import { graphInputs } from "../graph/graph-inputs.js";
import type { Net } from "./net.js";

/** Input shapes by name. */
export type InputShapes = Readonly<Record<string, readonly number[]>>;

/** Size of the axes that a graph leaves open, where none fits (the shape rules then say why): enough for six halvings, and quick. */
const openSide = 64;

/** Found by graph: finding them may take a walk over the graph for each size that does not fit. */
const found = new WeakMap<Graph, OpenSizes>();

/**
 * Sizes where a graph leaves them open and nobody gives any: the one place where sizes are made up. 64 everywhere and the batch that is asked for,
 * or what a Gemm, a Reshape, a constant or a Concat further down demands.
 */
function chosenSizes({ graph, model }: Net): OpenSizes {
  const known = model?.metadata.preprocessing.size;
  const inputs = graphInputs(graph).map((input) => withChannels(input, graph));
  if (known) return new Map(inputs.flatMap((input) => known.map((size, i) => [axisKey(input, i + 2), size])));
  const isOpen = inputs.some(({ shape }) =>
    shape?.some((size, axis) => typeof size !== "number" && (axis === 0 || isPosition(shape, axis))),
  );
  const sizes = found.get(graph) ?? (isOpen ? consistentSizes({ ...graph, inputs }) : undefined) ?? new Map();
  found.set(graph, sizes);
  return sizes;
}

/** The graph leaves a size of positions open, and nobody has given one: what is run is run at a size that was made up. */
export function isSizeMadeUp(
  { graph, model }: Pick<Net, "graph" | "model">,
  size: readonly number[] | undefined,
): boolean {
  const isOpen = ({ shape }: ValueInfo): boolean | undefined =>
    shape?.some((length, axis) => typeof length === "string" && isPosition(shape, axis));
  return !size && !model && graphInputs(graph).some(isOpen);
}

/**
 * Shapes to run a net on: what the graph states, open sizes filled.
 * @param other a graph that shall take the same inputs: what it states counts where the net leaves a size open
 * @param batch where the graph leaves it open
 * @param size height and width where the graph leaves them open. Default: the model's, else 64×64 or others at which its operands fit.
 * @throws UserError for inputs that are not floating-point, or of unknown rank or channels.
 */
export function inputShapes(
  net: Net,
  batch: number,
  size?: readonly [number, number],
  other: Graph = net.graph,
): InputShapes {
  const { graph } = net;
  const open = size ?? chosenSizes(net);
  const theirs = graphInputs(other);
  return Object.fromEntries(
    graphInputs(graph).map((input, i) => {
      const known = narrowed(withChannels(input, graph), theirs[i] && withChannels(theirs[i], other));
      return [input.name, filled(known, batch, open)];
    }),
  );
}

/** Channels that the graph leaves open are those that the convolution has which reads the input. */
export function withChannels(input: ValueInfo, { nodes, initializers }: Graph): ValueInfo {
  if (input.shape?.length !== 4 || typeof input.shape[1] === "number") return input;
  const reader = nodes.find(({ op, inputs }) => op === "Conv" && inputs[0] === input.name);
  const weight = reader && initializers.get(reader.inputs[1]!);
  if (weight?.shape.length !== 4) return input;
  const [batch, , ...size] = input.shape;
  return { ...input, shape: [batch!, weight.shape[1]! * intAttribute(reader!, "group", 1), ...size] };
}

function narrowed(input: ValueInfo, other: ValueInfo | undefined): ValueInfo {
  if (!other?.shape) return input;
  const shape = input.shape?.map((size, axis) => (typeof size === "number" ? size : (other.shape![axis] ?? size)));
  return { ...input, shape: shape ?? other.shape };
}

function filled(input: ValueInfo, batch: number, open: readonly number[] | OpenSizes): readonly number[] {
  const { name, dtype, shape } = input;
  const known = shape?.map((dimension, axis) => {
    if (typeof dimension === "number") return dimension;
    const demanded = "get" in open ? open.get(axisKey(input, axis)) : undefined;
    // A graph that runs on one image may run on more; one that does not runs on those alone that it demands.
    if (axis === 0) return demanded === undefined || demanded === 1 ? batch : demanded;
    if (!isPosition(shape, axis)) return undefined;
    return "get" in open ? (demanded ?? openSide) : open[axis - (isPosition(shape, 1) ? 1 : 2)];
  });
  if (/^b?f/.test(dtype) && known?.every((dimension): dimension is number => dimension !== undefined && dimension >= 1))
    return known;
  throw new UserError({
    expected: "images as the net's input [batch, channels, height, width], with known channels and sizes from 1",
    received: `input "${name}" of ${dtype} [${shape?.join(", ") ?? "unknown shape"}]`,
    remedy: "such a net cannot be run on inputs made up for it",
  });
}

/** A graph's inputs and outputs: "input [batch, 3, height, width] → logits [batch, 10]". */
export function signature(graph: Graph): string {
  const list = (values: readonly ValueInfo[]): string =>
    values.map(({ name, shape }) => `${name} [${shape?.join(", ") ?? "?"}]`).join(", ");
  return `${list(graphInputs(graph))} → ${list(graph.outputs)}`;
}
