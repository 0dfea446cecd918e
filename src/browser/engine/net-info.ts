import { counts } from "../../analysis/counts.js";
import { netParameters } from "../../api/net-parameters.js";
import { UserError } from "../../core/errors.js";
import { bytesPerElement, elementCount } from "../../core/named-arrays.js";
import type { Preprocessing } from "../../core/preprocessing.js";
import { modelFacts } from "../../exchange/model-facts.js";
import type { Net } from "../../exchange/net.js";
import { preprocessingOf } from "../../exchange/net-inputs.js";
import { blockLayouts } from "../../nn/layout.js";
import type { NetInfo } from "./contract.js";

/** What is known of a net, as plain data. */
export function netInfo(net: Net): NetInfo {
  const { model, graph, source } = net;
  const { classNames, preprocessing } = pictureFacts(net);
  return {
    name: model?.architecture.name ?? "graph",
    source,
    form: source.form,
    architecture: model?.architecture,
    blocks: model ? blockLayouts(model.architecture) : [],
    counts: model && counts(model.architecture, model.metadata.preprocessing.size),
    classNames,
    preprocessing,
    provenance: model?.metadata.provenance ?? {},
    parameters: netParameters(net),
    bytes: [...(model?.state ?? graph.initializers).values()].reduce(
      (sum, { dtype, shape }) => sum + elementCount(shape) * bytesPerElement[dtype],
      0,
    ),
    nodes: graph.nodes.map(({ name, op, inputs, outputs }) => ({ name, op, inputs, outputs })),
  };
}

/** Classes and preprocessing: what is known, else what is usual; none of a net that does not read pictures. */
function pictureFacts(net: Net): {
  readonly classNames: readonly string[];
  readonly preprocessing: Preprocessing | undefined;
} {
  const known = modelFacts(net);
  if (known) return known;
  try {
    const classes = net.graph.outputs[0]?.shape?.at(-1);
    return {
      classNames: Array.from({ length: typeof classes === "number" ? classes : 0 }, (_, i) => String(i)),
      preprocessing: preprocessingOf(net),
    };
  } catch (error) {
    if (error instanceof UserError) return { classNames: [], preprocessing: undefined };
    throw error;
  }
}
