import { UserError } from "../core/errors.js";
import type { NamedArray } from "../core/named-arrays.js";
import type { Session, SessionTensor } from "../engine/session.js";
import { evaluate } from "../graph/evaluate/evaluate.js";
import type { Graph } from "../graph/graph.js";
import { graphInputs } from "../graph/graph-inputs.js";

/**
 * A graph run by the operators' definitions in float64: the naive evaluator behind the face of an engine session. Slow, but it
 * has more operators.
 * @param features inner values to return beside the outputs, by name.
 */
export function referenceSession(
  graph: Graph,
  features: readonly string[] = [],
): Pick<Session, "inputNames" | "outputNames" | "run" | "dispose"> {
  const inputNames = graphInputs(graph).map(({ name }) => name);
  const outputNames = [...new Set([...graph.outputs.map(({ name }) => name), ...features])];
  return {
    inputNames,
    outputNames,
    run(input) {
      const values = new Map<string, NamedArray>();
      for (const name of inputNames) {
        const value = isTensor(input) ? input : (input as Readonly<Record<string, unknown>>)[name];
        if (!isTensor(value))
          throw new UserError({ expected: `{ shape, data } for input "${name}"`, received: "none" });
        values.set(name, { dtype: "f32", shape: value.shape, data: value.data });
      }
      const results = evaluate(graph, values, outputNames);
      return Object.fromEntries(
        [...results].map(([name, { shape, data }]) => [name, { shape, data: Float32Array.from(data) }]),
      );
    },
    dispose() {},
  };
}

function isTensor(value: unknown): value is SessionTensor {
  const { shape, data } = (value ?? {}) as Partial<SessionTensor>;
  return Array.isArray(shape) && data instanceof Float32Array;
}
