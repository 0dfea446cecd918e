import { counts } from "../analysis/counts.js";
import type { Net } from "../exchange/net.js";
import { parameterCount } from "../graph/build.js";

/** Learned numbers of a RepVGG; all constants of another graph. */
export function netParameters({ model, graph }: Net): number {
  if (!model) return parameterCount(graph);
  return counts(model.architecture, model.metadata.preprocessing.size).parameters[model.form];
}
