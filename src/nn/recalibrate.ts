import type { Backend } from "../backend/backend.js";
import { UserError } from "../core/errors.js";
import { Tape } from "../tensor/tape.js";
import type { Tensor } from "../tensor/tensor.js";
import type { Model } from "./model.js";
import { createNetwork } from "./network.js";

/**
 * BatchNorm statistics re-estimated over a data set: every BN is run in training mode over all batches, and its running
 * mean and variance become the exact ones of everything that it saw (cumulative, see BatchNormState), instead of an
 * exponential average of the last steps. To be done before folding; weights stay as they are.
 * @param batches of whatever `toInput` understands, each a mixture of all classes: it is normalised by itself on its way through the
 * net. Their order does not matter but for rounding.
 * @param toInput makes a batch a tensor [N,H,W,C] on the given tape.
 * @throws UserError for a model without BatchNorm or a stream without batches.
 */
export async function recalibrate<B>(
  backend: Backend,
  model: Model,
  batches: AsyncIterable<B> | Iterable<B>,
  toInput: (tape: Tape, batch: B) => Tensor,
): Promise<Model> {
  if (model.form !== "train") {
    throw new UserError({
      expected: "a model in training form",
      received: "the plain form, whose BatchNorm is folded away",
      remedy: "recalibrate before folding",
    });
  }
  const network = createNetwork(backend, model, { momentum: "cumulative" });
  const tape = new Tape(backend);
  try {
    for (const { observed } of network.batchNorms()) observed.batches = 0;
    let count = 0;
    for await (const batch of batches) {
      tape.noGradient(() => network.forward(tape, toInput(tape, batch), { training: true }));
      tape.reset();
      count++;
    }
    if (count === 0) throw new UserError({ expected: "at least one batch to recalibrate on", received: "none" });
    return { ...model, state: network.state() };
  } finally {
    tape.dispose();
    network.dispose();
  }
}
