import { intAttribute } from "../attributes.js";
import { eliminateDead } from "../eliminate.js";
import type { Dimension, Graph, GraphNode, ValueInfo } from "../graph.js";
import { type Analysis, analyze } from "./analyze.js";

/** Sizes that follow from others that were pinned: one more walk for each. */
const mostRounds = 4;

/**
 * The graph with those open sizes of its inputs as numbers that its constants leave no choice about, because a Reshape makes a constant into them
 * or a Concat puts one beside them: a net that was exported from one batch often runs at that batch only, whatever its input says. At any
 * other size the graph does not run. The graph itself where there are none.
 */
export function withPinnedSizes(graph: Graph): Graph {
  let pinned = graph;
  for (let round = 0; round < mostRounds; round++) {
    const names = new Set(pinned.inputs.flatMap(({ shape }) => shape?.filter(isName) ?? []));
    if (names.size === 0) break;
    const sizes = pinnedSizes(pinned, names);
    if (sizes.size === 0) break;
    const sized = (infos: readonly ValueInfo[]): ValueInfo[] => infos.map((info) => withSizes(info, sizes));
    const { inputs, outputs, valueInfo } = pinned;
    pinned = {
      ...pinned,
      ...{ inputs: sized(inputs), outputs: sized(outputs) },
      ...(valueInfo && { valueInfo: sized(valueInfo) }),
    };
  }
  return pinned;
}

const isName = (size: Dimension): size is string => typeof size === "string" && size !== "" && size !== "?";

function withSizes(info: ValueInfo, sizes: ReadonlyMap<string, number>): ValueInfo {
  return info.shape ? { ...info, shape: info.shape.map((size) => sizes.get(`${size}`) ?? size) } : info;
}

function pinnedSizes(graph: Graph, names: ReadonlySet<string>): Map<string, number> {
  const live = eliminateDead(graph);
  const analysis = analyze(live, { shapesOnly: true });
  const sizes = new Map<string, number>();
  const contradicted = new Set<string>();
  for (const node of live.nodes) {
    for (const [name, size] of demandsOf(node, analysis)) {
      if (!names.has(name)) continue;
      if ((sizes.get(name) ?? size) !== size) contradicted.add(name);
      sizes.set(name, size);
    }
  }
  for (const name of contradicted) sizes.delete(name); // the graph runs at no size: who runs it says so
  return sizes;
}

/** Open sizes that a node's operands fit at one number only. */
function demandsOf(node: GraphNode, { shapes, contents }: Analysis): [name: string, size: number][] {
  if (node.domain !== "") return [];
  if (node.op === "Reshape") {
    const [from, to] = [shapes.get(node.inputs[0]), contents.get(node.inputs[1] ?? "")];
    const open = to?.filter(isName) ?? [];
    const stated = to?.filter((size) => typeof size === "number") ?? [];
    const count = from?.reduce<number>((product, size) => product * (typeof size === "number" ? size : Number.NaN), 1);
    if (!to || !count || open.length !== 1 || stated.length !== to.length - 1 || stated.some((size) => size < 1))
      return [];
    const size = count / stated.reduce((product, each) => product * each, 1);
    return Number.isInteger(size) ? [[open[0], size]] : [];
  }
  if (node.op !== "Concat") return [];
  const parts = node.inputs.map((input) => shapes.get(input));
  const rank = parts[0]?.length ?? 0;
  if (!parts.every((part) => part?.length === rank)) return [];
  const axis = intAttribute(node, "axis", 1);
  return Array.from({ length: rank }, (_, at) => at).flatMap((at) => {
    const along = parts.map((part) => part![at]);
    const number = along.find((size) => typeof size === "number");
    if (typeof number !== "number" || at === (axis < 0 ? axis + rank : axis)) return [];
    return along.filter(isName).map((name): [string, number] => [name, number]);
  });
}
