import { counts } from "../../../analysis/counts.js";
import { bytesPerElement, elementCount } from "../../../core/named-arrays.js";
import type { Preprocessing } from "../../../core/preprocessing.js";
import { blockLayouts } from "../../../nn/layout.js";
import { decodeFacts, isModelFile } from "../../../nn/model-file.js";
import type { Net } from "../../exchange/net.js";
import { preprocessingOf } from "../../exchange/net-inputs.js";
import { netParameters } from "../../exchange/net-parameters.js";
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

/** Classes and preprocessing: of a model, of the metadata that our ONNX files have, else what is usual. */
function pictureFacts(net: Net): {
  readonly classNames: readonly string[];
  readonly preprocessing: Preprocessing | undefined;
} {
  if (net.model) return net.model.metadata;
  const metadata = Object.fromEntries(
    (net.envelope?.metadataProps ?? []).map(({ key = "", value = "" }) => [key, value]),
  );
  try {
    if (isModelFile(metadata)) return decodeFacts(metadata, "the file");
    const classes = net.graph.outputs[0]?.shape?.at(-1);
    return {
      classNames: Array.from({ length: typeof classes === "number" ? classes : 0 }, (_, i) => String(i)),
      preprocessing: preprocessingOf(net),
    };
  } catch {
    // Metadata that others have changed, or a net that does not read pictures: it can still be folded and compared.
    return { classNames: [], preprocessing: undefined };
  }
}
