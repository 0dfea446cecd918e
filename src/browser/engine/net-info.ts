import { counts } from "../../analysis/counts.js";
import { netParameters } from "../../api/net-parameters.js";
import { classifierOf, picturesOf } from "../../classifier/net-classifier.js";
import { UserError } from "../../core/errors.js";
import { bytesPerElement, elementCount } from "../../core/named-arrays.js";
import type { Preprocessing } from "../../core/preprocessing.js";
import type { Net } from "../../exchange/net.js";
import { blockLayouts } from "../../nn/layout.js";
import type { NetInfo } from "./contract.js";

/** What is known of a net, as plain data. */
export function netInfo(net: Net): NetInfo {
  const { model, graph, source } = net;
  return {
    name: model?.architecture.name ?? "graph",
    source,
    form: source.form,
    architecture: model?.architecture,
    blocks: model ? blockLayouts(model.architecture) : [],
    counts: model && counts(model.architecture, model.metadata.preprocessing.size),
    ...pictureFacts(net),
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
function pictureFacts(net: Net): Pick<NetInfo, "classNames" | "preprocessing" | "assumed" | "notClassifying"> {
  try {
    const { classNames, preprocessing, notes } = classifierOf(net);
    return { classNames, preprocessing, assumed: notes, notClassifying: undefined };
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    return { classNames: [], preprocessing: preprocessingOf(net), assumed: [], notClassifying: error.message };
  }
}

function preprocessingOf(net: Net): Preprocessing | undefined {
  try {
    return picturesOf(net).preprocessing;
  } catch (error) {
    if (error instanceof UserError) return undefined;
    throw error;
  }
}
