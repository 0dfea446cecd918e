/** Each picture mixed with another of its batch (Zhang et al., mixup, 2018): target = λ · own + (1 − λ) · partner's. */
export interface MixupPairs {
  /** Index in the batch of every picture's partner. */
  readonly partners: ArrayLike<number>;
  /** λ in [0, 1], one for the whole batch or one a picture. */
  readonly lambda: number | ArrayLike<number>;
}

/**
 * Target probabilities for softmaxCrossEntropy. With label smoothing ε (Szegedy et al., 2016; as PyTorch):
 * 1 − ε + ε/classes for the label, ε/classes for the others.
 *
 * @param labels class indices
 * @returns [labels.length][classes], rows sum to 1
 * @throws RangeError for a label or a partner that does not exist
 */
export function classTargets(
  labels: ArrayLike<number>,
  classes: number,
  options: { readonly smoothing?: number; readonly mixup?: MixupPairs } = {},
): Float32Array {
  const { smoothing = 0, mixup } = options;
  const targets = new Float32Array(labels.length * classes).fill(smoothing / classes);
  const put = (row: number, picture: number, weight: number): void => {
    const label = labels[picture];
    if (label === undefined) throw new RangeError(`picture ${picture} in a batch of ${labels.length}`);
    if (!(Number.isInteger(label) && label >= 0 && label < classes)) {
      throw new RangeError(`label ${label} of ${classes} classes`);
    }
    targets[row * classes + label]! += weight * (1 - smoothing);
  };
  for (let row = 0; row < labels.length; row++) {
    const lambda = mixup === undefined ? 1 : typeof mixup.lambda === "number" ? mixup.lambda : mixup.lambda[row]!;
    put(row, row, lambda);
    if (mixup) put(row, mixup.partners[row]!, 1 - lambda);
  }
  return targets;
}
