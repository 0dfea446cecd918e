import type { Pointer } from "../../backend/backend.js";
import { ShapeError } from "../../core/errors.js";
import type { Tape } from "../tape.js";
import type { Tensor } from "../tensor.js";
import { flowScaled } from "./scale.js";
import { checkSameShape } from "./shapes.js";

/**
 * Mean over the batch of the cross-entropy −Σ_k t_k · log softmax(x)_k with soft targets;
 * ∂x = (softmax(x) − t) / N for targets that sum to 1. With weights w each picture's term and gradient count w_i times; it is still
 * divided by N.
 *
 * @param logits [N,classes]
 * @param targets [N,classes], probabilities (one-hot, smoothed or mixed); no gradient flows to them
 * @param weights [N]; left out: all 1
 * @returns []
 * @throws ShapeError when shapes differ
 */
export function softmaxCrossEntropy(tape: Tape, logits: Tensor, targets: Tensor, weights?: Float32Array): Tensor {
  if (logits.shape.length !== 2)
    throw new ShapeError({ expected: "logits [N,classes]", received: `[${logits.shape}]` });
  checkSameShape("logits and targets", logits, targets);
  const [batch, classes] = logits.shape as [number, number];
  if (weights && weights.length !== batch)
    throw new ShapeError({ expected: `a weight for each of ${batch} pictures`, received: `${weights.length}` });
  const output = tape.empty([]);
  const derivative = tape.wantsGradient(logits) ? tape.empty(logits.shape) : undefined;
  const [losses] = tape.scratch(batch) as [Pointer];
  tape.run([
    {
      kernel: "softmax_cross_entropy",
      args: {
        ...{ logits: logits.pointer, targets: targets.pointer, loss: losses, dlogits: derivative?.pointer ?? 0 },
        ...{ batch, classes, gradient_scale: 1 / batch },
      },
    },
  ]);
  const weighted = (total: number, loss: number, i: number): number => total + loss * (weights?.[i] ?? 1);
  output.set([tape.backend.f32(losses, batch).reduce(weighted, 0) / batch]);
  if (!derivative) return output;
  if (weights) {
    const rows = tape.backend.f32(derivative.pointer, batch * classes);
    for (let i = 0; i < rows.length; i++) rows[i]! *= weights[Math.floor(i / classes)]!;
  }
  return tape.record({
    output,
    inputs: [logits],
    saved: [derivative],
    backward: () => flowScaled(tape, derivative.pointer, logits, output.gradientToArray()![0]!),
  });
}
