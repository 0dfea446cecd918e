import type { Backend } from "../backend/backend.js";
import type { Batch } from "../data/dataset.js";
import type { Model } from "../nn/model.js";
import { createNetwork } from "../nn/network.js";
import { Tape } from "../tensor/tape.js";
import type { TrainConfig } from "./config.js";
import { batchLoss } from "./loss.js";

/** How steep the loss is in one parameter. */
export interface GradientNorm {
  readonly name: string;
  /** Channels last, as tensors are: convolutions [kh, kw, I/groups, O]. */
  readonly shape: readonly number[];
  /** L2 norm of the gradient of the batches' mean loss; weight decay and custom L2 do not count. */
  readonly norm: number;
}

/**
 * Gradient norms of a model's parameters in training mode (BatchNorm by the batch), in the official order. The model stays as it is.
 * @param batches of one size
 */
export async function gradientNorms(
  backend: Backend,
  model: Model,
  config: TrainConfig,
  batches: AsyncIterable<Batch> | Iterable<Batch>,
): Promise<GradientNorm[]> {
  const network = createNetwork(backend, model);
  const tape = new Tape(backend);
  const { preprocessing } = model.metadata;
  let count = 0;
  try {
    for await (const batch of batches) {
      const place = { epoch: 0, step: count, part: 0 };
      tape.backward(batchLoss(tape, network, batch, preprocessing, { ...config, customL2: false }, place));
      tape.reset();
      count++;
    }
    return network.parameters().map(({ name, tensor }) => {
      const squares = tensor.gradientToArray()?.reduce((sum, value) => sum + value * value, 0) ?? 0;
      return { name, shape: tensor.shape, norm: Math.sqrt(squares) / count };
    });
  } finally {
    tape.dispose();
    network.dispose();
  }
}
