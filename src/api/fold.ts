import { fold as foldGraph } from "../graph/fold.js";
import { fromFoldedGraph } from "../nn/from-graph.js";
import type { Model } from "../nn/model.js";
import { toGraph } from "../nn/to-graph.js";

/**
 * The plain form of a net: every block one 3×3 convolution with bias and a ReLU, same outputs (paper, section 3.3).
 * Auxiliary heads are left out. A net that is plain already is returned as it is.
 * @throws UserError when a block cannot be folded into one convolution (with the reason).
 */
export function fold(model: Model): Model {
  if (model.form === "plain") return model;
  return fromFoldedGraph(foldGraph(toGraph(model)).graph, model);
}
