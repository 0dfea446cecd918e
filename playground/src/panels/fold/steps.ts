/** The five steps of the fold, in words. */
export const stepNames = [
  "Three branches",
  "BatchNorm folded in",
  "All of them 3×3",
  "One sum",
  "The whole net",
] as const;

export const stepTitles = [
  "Each branch has a BatchNorm of its own",
  "In inference, BatchNorm is a scale and a shift",
  "Every branch is a 3×3 kernel",
  "Convolution is linear, so the kernels add up",
  "Block by block, many boxes become few",
] as const;

export const stepTexts = [
  "In training a block adds up a 3×3 convolution, a 1×1 convolution and, where the shapes allow, its own input. Nets with branches train better.",
  "After training the statistics are constants. The scale goes into the kernel, the shift becomes a bias. Of the identity branch a 1×1 kernel is left: t on the diagonal, zero elsewhere.",
  "A 1×1 kernel is a 3×3 kernel with a ring of zeros. The identity passes a channel on only to itself: off the diagonal its kernel is all zeros.",
  "Three convolutions of the same input, added, are one convolution with the sum of the kernels and the sum of the biases. Nothing is approximated.",
  "The plain net is a chain of 3×3 convolutions and ReLUs with the same answers: fewer steps, less memory, nothing to keep for later.",
] as const;
