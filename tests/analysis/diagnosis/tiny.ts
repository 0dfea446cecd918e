import { f32, toFloat64 } from "#repvgg/core/named-arrays.js";
import { int } from "#repvgg/graph/attributes.js";
import type { Graph } from "#repvgg/graph/graph.js";
import { diagnose } from "#repvgg/verify/diagnose.js";
import { oracleGraph, withNodes } from "./support.js";

export const train = await oracleGraph("tiny", "train");
export const plain = await oracleGraph("tiny", "plain");
export const grouped = { train: await oracleGraph("tiny-g4", "train"), plain: await oracleGraph("tiny-g4", "plain") };
export const excited = { train: await oracleGraph("tiny-se", "train"), plain: await oracleGraph("tiny-se", "plain") };

/** stage2.1 has all three branches. */
export const block = "stage2.1";
export const kernel = `${block}.rbr_reparam.weight`;
export const bias = `${block}.rbr_reparam.bias`;
export const blockCount = 10; // nine blocks and the classifier

/** The first finding of a broken pair. */
export function first(reference: Graph, candidate: Graph) {
  const [finding, ...others] = diagnose(reference, candidate, undefined);
  return { ...finding!, others: others.map(({ cause }) => cause) };
}

export const noStep = (graph: Graph, path: string, keep: string): Graph =>
  withNodes(graph, (node) => {
    if (node.name !== path) return node;
    return { ...node, op: "Identity", inputs: [node.inputs.find((name) => name.startsWith(keep))!] };
  });

export const isFloat = (name: string): boolean => /\.(weight|bias)$/.test(name);

/** Grouped convolutions as dense ones: with zeros between the groups (right), or the group's weights over and over (wrong). */
export function dense(graph: Graph, how: "zeros" | "tiled"): Graph {
  const initializers = new Map(graph.initializers);
  const nodes = graph.nodes.map((node) => {
    const group = node.attributes.group;
    const groups = group?.type === "int" ? group.value : 1;
    if (groups === 1) return node;
    const name = node.inputs[1]!;
    const array = graph.initializers.get(name)!;
    const [outputs, own, height, width] = array.shape as [number, number, number, number];
    const values = toFloat64(array);
    const taps = height * width;
    const wide = new Float32Array(values.length * groups);
    for (let at = 0; at < wide.length; at++) {
      const [o, i] = [Math.floor(at / (taps * own * groups)), Math.floor(at / taps) % (own * groups)];
      const inside = Math.floor(i / own) === Math.floor(o / (outputs / groups));
      if (inside || how === "tiled") wide[at] = values[(o * own + (i % own)) * taps + (at % taps)]!;
    }
    initializers.set(name, f32([outputs, own * groups, height, width], wide));
    return { ...node, attributes: { ...node.attributes, group: int(1) } };
  });
  return { ...graph, nodes, initializers };
}

export function difference(relative: number) {
  return { count: 40, maxAbsolute: relative, meanAbsolute: relative / 4, relative, nonFinite: 0, sameNonFinite: 0 };
}

export function verification(parts: object) {
  return {
    ...{ samples: 4, outputs: difference(0), byOutput: [], verdict: "different" as const, top1Disagreements: 0 },
    ...{ worstSample: undefined, agree: false, values: [] },
    ...{ firstParted: undefined, ...parts },
  };
}
