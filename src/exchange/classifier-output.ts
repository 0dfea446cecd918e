import { UserError } from "../core/errors.js";
import type { Dimension, Graph } from "../graph/graph.js";

/** What a classifier returns: logits (also logarithms of probabilities, whose softmax is the same), or probabilities. */
export type OutputKind = "logits" | "probabilities";

export interface ClassifierOutput {
  readonly output: string;
  readonly gives: OutputKind;
  readonly classes: number;
  /** What was chosen, in sentences. */
  readonly notes: readonly string[];
}

/** Operators that only hand on values, maybe in another shape. */
const passing = new Set(["Identity", "Flatten", "Reshape", "Squeeze", "Unsqueeze", "Cast", "Dropout"]);

/**
 * The output of a graph that holds a number for each class: [N, classes], also with axes of 1 behind it.
 * @param shapesAt shapes of the outputs for a batch, undefined where its operands do not fit then
 * @throws UserError where there is none, there are several that do not come one from the other, or classes do not exclude one another.
 */
export function classifierOutput(
  graph: Graph,
  shapesAt: (batch: number) => ReadonlyMap<string, readonly Dimension[] | undefined> | undefined,
): ClassifierOutput {
  const shapes = shapesAt(1);
  const candidates = graph.outputs.flatMap(({ name, shape: stated, dtype }) => {
    const shape = shapes?.get(name) ?? stated;
    const classes = shape?.[1];
    const isRow = shape && shape.length >= 2 && shape.slice(2).every((size) => size === 1);
    return isRow && typeof classes === "number" && classes >= 2 && /^b?f/.test(dtype) ? [{ name, classes }] : [];
  });
  if (candidates.length === 0) throw noClasses(graph, shapes);
  const chosen = candidates.length === 1 ? candidates[0]! : preferred(graph, candidates);
  if (!chosen) {
    throw new UserError({
      expected: "one output [N, classes]",
      received: candidates.map(({ name, classes }) => `${name} [N, ${classes}]`).join(", "),
      remedy: "leave one of them as the graph's output",
    });
  }
  const maker = makerOf(graph, chosen.name);
  if (maker === "Sigmoid" || maker === "HardSigmoid") {
    throw new UserError({
      expected: "a net whose classes exclude one another (logits, or a Softmax)",
      received: `${chosen.name}, which a ${maker} makes: a picture may have several of its labels`,
      remedy: "read its outputs with createSession",
    });
  }
  const others = candidates.filter(({ name }) => name !== chosen.name).map(({ name }) => name);
  return {
    output: chosen.name,
    classes: chosen.classes,
    gives: maker === "Softmax" ? "probabilities" : "logits",
    notes:
      others.length > 0
        ? [`the net returns ${[chosen.name, ...others].join(", ")}: classes are read off ${chosen.name}`]
        : [],
  };
}

/** Of several outputs that of which the others are made, or the one that is called so. */
function preferred<T extends { readonly name: string; readonly classes: number }>(
  graph: Graph,
  candidates: readonly T[],
): T | undefined {
  if (new Set(candidates.map(({ classes }) => classes)).size > 1) return undefined;
  const logits = candidates.filter(({ name }) => !/softmax/i.test(makerOf(graph, name) ?? ""));
  if (logits.length === 1) return logits[0];
  return candidates.find(({ name }) => /^logits?$/i.test(name));
}

/** The operator that makes a value, behind those that only hand it on. */
function makerOf({ nodes }: Graph, value: string): string | undefined {
  const makers = new Map(nodes.flatMap((node) => node.outputs.map((output) => [output, node] as const)));
  let maker = makers.get(value);
  while (maker && passing.has(maker.op)) maker = makers.get(maker.inputs[0] ?? "");
  return maker?.op;
}

function noClasses(
  { outputs }: Graph,
  shapes: ReadonlyMap<string, readonly Dimension[] | undefined> | undefined,
): UserError {
  const received = outputs.map(({ name, shape }) => `${name} [${(shapes?.get(name) ?? shape)?.join(", ") ?? "?"}]`);
  return new UserError({
    expected: "a net that classifies: an output [N, classes] with at least 2 classes",
    received: received.join(", ") || "no output",
    remedy: "nets of other kinds can be folded, verified and exported, but not asked for classes",
  });
}
