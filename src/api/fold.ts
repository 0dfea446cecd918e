import { foldNet } from "../exchange/fold-net.js";
import { netOf } from "../exchange/net.js";
import type { Model } from "../nn/model.js";

/**
 * The plain form of a net: every block one 3×3 convolution with bias and a ReLU, same outputs (paper, section 3.3).
 * Auxiliary heads are left out. A net that is plain already is returned as it is.
 * @throws UserError when a block cannot be folded into one convolution (with the reason).
 */
export function fold(model: Model): Model {
  return model.form === "plain" ? model : foldNet(netOf(model)).net.model!;
}
