import { nearest, UserError } from "../core/errors.js";
import { analyze } from "../graph/analyze/analyze.js";
import { eliminateDead } from "../graph/eliminate.js";
import type { Graph, ValueInfo } from "../graph/graph.js";

/**
 * A graph that returns inner values: the maps that detectors and segmenters build on. In our nets the output of stage s is
 * `stage<s>`; any other value goes by its name in the graph.
 * @param options `head`: also return the graph's own outputs, first (default true); without them, the nodes that only they
 *   need go.
 * @throws UserError for a value that the graph has not, with the nearest name.
 */
export function withFeatures(
  graph: Graph,
  features: readonly string[],
  { head = true }: { readonly head?: boolean } = {},
): Graph {
  if (features.length === 0) throw new UserError({ expected: "at least one feature", received: "none" });
  const { shapes, dtypes } = analyze(graph);
  const computed = graph.nodes.flatMap(({ outputs }) => outputs).filter((name) => name !== "");
  const known = new Set(computed);
  const infos = [...new Set(features)].map((name): ValueInfo => {
    if (!known.has(name)) throw unknownValue(name, computed);
    return {
      name,
      dtype: dtypes.get(name) ?? "f32",
      shape: shapes.get(name)?.map((size, axis) => named(size, name, axis)),
    };
  });
  const own = head ? graph.outputs : [];
  const added = infos.filter(({ name }) => !own.some((output) => output.name === name));
  return eliminateDead({ ...graph, outputs: [...own, ...added] });
}

/** Open sizes get a plain name each: what is computed from another size is no name in ONNX. */
function named(size: number | string, value: string, axis: number): number | string {
  if (typeof size === "number" || (axis === 0 && /^\w+$/.test(size))) return size;
  return `${value}.${["batch", "channels", "height", "width"][axis] ?? axis}`;
}

function unknownValue(name: string, values: readonly string[]): UserError {
  const stages = values.filter((value) => /^stage\d+$/.test(value));
  const near = nearest(name, stages.length > 0 ? stages : values.slice(0, 1000));
  return new UserError({
    expected:
      stages.length > 0
        ? `a feature (${stages.join(", ")}, or the name of any value)`
        : "the name of a value in the graph",
    received: `"${name}"`,
    remedy: near ? `did you mean "${near}"?` : "give one of these",
  });
}
